import { describe, expect, it } from 'vitest';
import { PICTURE_RATE, shown, TONE_HZ, toneMs, type Watched } from './watched.ts';

const RATE = 48_000;
const PICTURES = Array.from({ length: 3 * PICTURE_RATE }, (_, i) => ({ timeMs: i * 40, hash: `picture ${i}` }));

function wave(hz: number, level: number): Int16Array {
  return Int16Array.from({ length: 3 * RATE }, (_, i) => Math.sin((2 * Math.PI * hz * i) / RATE) * level);
}

function watched(changes: Partial<Watched>): Watched {
  return { pictures: PICTURES, toneMs: 3000, log: '', ...changes };
}

describe('what counts as shown', () => {
  it('is picture and sound when both are there for two seconds', () => {
    expect(shown(watched({}))).toBe('AV');
    expect(shown(watched({ toneMs: 1900 }))).toBe('V');
    expect(shown(watched({ pictures: PICTURES.slice(0, 49) }))).toBe('A');
  });

  it.each([
    ['stand still', PICTURES.map(({ timeMs }) => ({ timeMs, hash: 'same' }))],
    ['go back in time', PICTURES.map(({ hash }, i) => ({ timeMs: i === 40 ? 0 : i * 40, hash }))],
    ['come at half the rate', PICTURES.map(({ hash }, i) => ({ timeMs: i * 80, hash }))],
  ])('is not a picture when pictures %s', (_, pictures) => {
    expect(shown(watched({ pictures }))).toBe('A');
  });

  it('hears the tone, and neither silence nor another tone nor noise', () => {
    expect(toneMs(wave(TONE_HZ, 3000), RATE, 1)).toBe(3000);
    expect(toneMs(wave(TONE_HZ, 50), RATE, 1)).toBe(0);
    expect(toneMs(wave(660, 3000), RATE, 1)).toBe(0);
    const noise = Int16Array.from({ length: 3 * RATE }, (_, i) => ((i * 7919) % 6007) - 3003);
    expect(toneMs(noise, RATE, 1)).toBe(0);
  });
});
