import { expect, test } from 'vitest';
import { Shortage } from './shortage.ts';

test('a viewer is told of a way that is too thin at its beginning, and when it has changed by a fifth, once a second', () => {
  const told: string[] = [];
  const shortage = new Shortage((streamBps, availableBps) => told.push(`${streamBps}/${availableBps}`));
  const update = (availableBps: number, nowMs: number, isShort = true) =>
    shortage.update({ isShort, streamBps: 1000, availableBps }, nowMs);
  update(900, 100, false);
  expect(told).toEqual([]);
  update(500, 1000);
  update(300, 1500);
  expect(told).toEqual(['1000/500']);
  update(420, 2100);
  expect(told).toHaveLength(1);
  update(390, 2200);
  expect(told.at(-1)).toBe('1000/390');
  // It carries all of it again, and that is about to be tried.
  update(1200, 4000);
  expect(told).toHaveLength(2);
  update(900, 5000, false);
  update(390, 6000);
  expect(told.at(-1)).toBe('1000/390');
  expect(told).toHaveLength(3);
});
