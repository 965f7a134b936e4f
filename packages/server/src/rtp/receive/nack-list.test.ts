import { expect, test } from 'vitest';
import { MAX_MISSING, NackList } from './nack-list.ts';

test('missing packets are asked for at once and again after a little more than each round trip', () => {
  const list = new NackList();
  list.add(10, 13);
  expect(list.take(1000, 100)).toEqual([10, 11, 12]);
  expect(list.take(1119, 100)).toEqual([]);
  expect(list.take(1121, 100)).toEqual([10, 11, 12]);
});

test('a packet that has come is not asked for again, and tells the round trip when it was asked for once', () => {
  const list = new NackList();
  list.add(10, 12);
  list.take(1000, 100);
  expect(list.remove(10, 1042)).toBe(42);
  expect(list.take(1121, 100)).toEqual([11]);
  expect(list.remove(11, 1142)).toBeUndefined();
  expect(list.remove(11, 1142)).toBeUndefined();
  expect(list.length).toBe(0);
});

test('a packet is given up after ten requests', () => {
  const list = new NackList();
  list.add(1, 2);
  let asked = 0;
  for (let nowMs = 0; nowMs < 5000; nowMs += 10) asked += list.take(nowMs, 50).length;
  expect(asked).toBe(10);
  expect(list.length).toBe(0);
});

test('too many missing packets are not asked for at all', () => {
  const list = new NackList();
  expect(list.add(0, 600)).toBe(true);
  expect(list.add(700, 700 + MAX_MISSING)).toBe(false);
  expect(list.length).toBe(0);
});

test('no more than two thousand numbers are asked for in the first second, whatever goes missing', () => {
  const list = new NackList();
  let asked = 0;
  let next = 0;
  for (let nowMs = 0; nowMs < 1000; nowMs += 1) {
    list.add(next, next + 300);
    next += 301;
    asked += list.take(nowMs, 20).length;
  }
  expect(asked).toBeGreaterThan(1000);
  expect(asked).toBeLessThanOrEqual(2000);
});
