import { expect, test } from 'vitest';
import { ArrivalClock } from './arrival-clock.ts';

const WRAP_MS = 2 ** 24 * 64;

test('times of arrival go on beyond the 24 bits that they are told with', () => {
  const clock = new ArrivalClock();
  const first = clock.referenceMs((2 ** 23 - 1) * 64, 1000) ?? 0;
  expect(clock.referenceMs(-(2 ** 23) * 64, 1064)).toBe(first + 64);
  expect(clock.referenceMs(-(2 ** 23) * 64 + 128, 1200)).toBe(first + 192);
  // Feedback in another order.
  expect(clock.referenceMs(-(2 ** 23) * 64 + 64, 1201)).toBe(first + 128);
  expect(first).toBeGreaterThanOrEqual(WRAP_MS);
});

test('a time that can not be of the same clock is told, and is where the next ones begin', () => {
  const clock = new ArrivalClock();
  clock.referenceMs(64_000, 1000);
  expect(clock.referenceMs(-640_000, 1100)).toBeUndefined();
  expect(clock.referenceMs(-640_000 + 64, 1164)).toBe(clock.beginning + 64);
  expect(clock.referenceMs(WRAP_MS / 4, 1300)).toBeUndefined();
});

test('a pause of both is none of another clock', () => {
  const clock = new ArrivalClock();
  const first = clock.referenceMs(0, 1000) ?? 0;
  expect(clock.referenceMs(64_000, 65_100)).toBe(first + 64_000);
});
