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

  describe('of a player that went back by itself', () => {
    /** Runs dry after 50 pictures and shows the last 25 again. */
    const repeated = [...PICTURES.slice(0, 50), ...PICTURES.slice(25)];
    const back = { pictures: 50, fromMs: 2010, toMs: 1000, leftMs: -10 };
    const busy = { pictures: repeated, returns: [back], lateMs: 2000 };

    it('is the picture without what it repeats, if it had run dry on a busy machine', () => {
      expect(shown(watched(busy))).toBe('AV');
      expect(shown(watched({ ...busy, returns: [{ ...back, toMs: 1010 }] }))).toBe('AV');
    });

    it('is the picture when a last one of before is told after its return', () => {
      expect(shown(watched({ ...busy, returns: [{ ...back, pictures: 49 }] }))).toBe('AV');
    });

    it.each([
      ['the machine was not busy', { lateMs: 250 }],
      ['it had more to play', { returns: [{ ...back, leftMs: 500 }] }],
      ['it went back by more than a segment', { returns: [{ ...back, fromMs: 3200 }] }],
      ['it went back twice', { returns: [back, { ...back, pictures: 75 }] }],
      ['nobody saw it go', { returns: [] }],
      ['pictures went back before it did', { returns: [{ ...back, pictures: 60 }] }],
      ['pictures went back by more than it did', { returns: [{ ...back, toMs: 1200 }] }],
      ['repeated pictures go back again', { pictures: [...repeated.slice(0, 60), ...repeated.slice(50)] }],
      ['pictures go back again later', { pictures: [...repeated.slice(0, 90), ...repeated.slice(85)] }],
      ['it shows nothing that is new', { pictures: repeated.slice(0, 75) }],
    ])('is not a picture if %s', (_, changes) => {
      expect(shown(watched({ ...busy, ...changes }))).toBe('A');
    });
  });

  it('hears the tone, and neither silence nor another tone nor noise', () => {
    expect(toneMs(wave(TONE_HZ, 3000), RATE, 1)).toBe(3000);
    expect(toneMs(wave(TONE_HZ, 50), RATE, 1)).toBe(0);
    expect(toneMs(wave(660, 3000), RATE, 1)).toBe(0);
    const noise = Int16Array.from({ length: 3 * RATE }, (_, i) => ((i * 7919) % 6007) - 3003);
    expect(toneMs(noise, RATE, 1)).toBe(0);
  });
});
