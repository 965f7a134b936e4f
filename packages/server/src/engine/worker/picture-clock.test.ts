import { describe, expect, test } from 'vitest';
import { KeyFrameClock, RateGate } from './picture-clock.ts';

const FRAME_US = 1e6 / 30;
const timeOf = (picture: number) => Math.round(picture * FRAME_US);

/** Numbers of the pictures that become key frames, of those from `first` on. */
function keysOf(
  clock: KeyFrameClock,
  sourceKeys: readonly number[],
  { first = 0, last = 300, gate = new RateGate(undefined) } = {},
) {
  const keys: number[] = [];
  let anchorUs = 0;
  for (let picture = 0; picture < last; picture++) {
    const timeUs = timeOf(picture);
    const isKey = sourceKeys.includes(picture);
    if (isKey) anchorUs = timeUs;
    if (picture < first) continue;
    const place = { isKey, anchorUs };
    if (gate.passes(timeUs, clock.isDue(timeUs, place)) && clock.take(timeUs, place)) keys.push(picture);
  }
  return keys;
}

const RULES = { intervalUs: 2e6, maxPictures: 60, halfPictureUs: FRAME_US / 2, aligned: true };

describe('key frames of an output', () => {
  test('are where the source has them, and in intervals counted from there', () => {
    expect(keysOf(new KeyFrameClock(RULES), [0, 50, 200])).toEqual([0, 50, 110, 170, 200, 260]);
  });

  test('are at the same times in one that begins later, but for its first', () => {
    expect(keysOf(new KeyFrameClock(RULES), [0, 200], { first: 71 })).toEqual([71, 120, 180, 200, 260]);
  });

  test('are at the same times in one with fewer pictures', () => {
    const rules = { ...RULES, maxPictures: 14 };
    const gate = new RateGate(7);
    expect(keysOf(new KeyFrameClock(rules), [0, 53, 201], { gate })).toEqual([0, 53, 113, 173, 201, 261]);
  });

  test('are no further apart than so many pictures, though more come than the source has said', () => {
    expect(keysOf(new KeyFrameClock({ ...RULES, maxPictures: 40 }), [0], { last: 100 })).toEqual([0, 40, 60]);
  });

  test('come when one is asked for, twice a second at most, and stay aligned otherwise', () => {
    const clock = new KeyFrameClock({ ...RULES, maxPictures: Number.POSITIVE_INFINITY });
    const keys: number[] = [];
    for (let picture = 0; picture < 130; picture++) {
      if (picture > 20 && picture < 50) clock.request();
      if (clock.take(timeOf(picture), { isKey: picture === 0, anchorUs: 0 })) keys.push(picture);
    }
    expect(keys).toEqual([0, 21, 36, 51, 60, 120]);
  });

  test('come in intervals from the last one where the source does not matter', () => {
    const clock = new KeyFrameClock({ ...RULES, aligned: false });
    expect(keysOf(clock, [0, 10, 20, 30], { first: 5, last: 130 })).toEqual([5, 65, 125]);
  });
});

describe('the rate of an output', () => {
  const kept = (fps: number | undefined, times: readonly number[]) => {
    const gate = new RateGate(fps);
    return times.filter((timeUs) => gate.passes(timeUs, false));
  };
  const second = (fps: number) => Array.from({ length: fps * 10 }, (_, index) => Math.round((index * 1e6) / fps));

  test.each([
    [30, 15, 150],
    [30, 20, 200],
    [25, 15, 150],
    [60, 24, 240],
    [30, 30, 300],
    [24, 30, 240],
    [30, undefined, 300],
  ])('of %i pictures a second made %s is %i pictures in ten seconds, evenly', (from, to, count) => {
    const times = kept(to, second(from));
    expect(Math.abs(times.length - count)).toBeLessThanOrEqual(2);
    const gaps = times.slice(1).map((timeUs, index) => timeUs - (times[index] ?? 0));
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThanOrEqual(1e6 / from + 2);
  });

  test('leaves no picture out of a source that has the rate already and jitters', () => {
    const times = second(30).map((timeUs, index) => timeUs + ((index * 7919) % 12_000));
    expect(kept(30, times).length).toBeGreaterThan(295);
  });
});
