import { expect, test } from 'vitest';
import { RtpLane, VIDEO_LANE } from '../../../core/index.ts';
import { type SendRun, SentNumbers } from './sent-numbers.ts';

function run(): SendRun {
  const lane = new RtpLane(VIDEO_LANE);
  return { lane, epoch: 0, timestampOffset: 0, pastEndUs: Number.NEGATIVE_INFINITY, vp8: undefined };
}

test('numbers go on without a gap where packets are left out, and tell which packet it was', () => {
  const numbers = new SentNumbers();
  const one = run();
  const given = new Map<number, number>();
  let skips = false;
  let expected = numbers.last;
  for (let sequence = 100; sequence < 400; sequence++) {
    if (sequence % 7 > 3) {
      skips = true;
      continue;
    }
    const number = numbers.numberFor(one, sequence, skips);
    expect(number).toBe(++expected);
    given.set(number, sequence);
    skips = false;
  }
  for (const [number, sequence] of given) expect(numbers.find(number & 0xffff)).toEqual({ run: one, sequence });
});

test('packets that are missing keep their numbers for when they come after all', () => {
  const numbers = new SentNumbers();
  const one = run();
  const first = numbers.numberFor(one, 10, false);
  expect(numbers.numberFor(one, 13, false)).toBe(first + 3);
  expect(numbers.numberFor(one, 11, false)).toBe(first + 1);
  expect(numbers.find((first + 2) & 0xffff)).toEqual({ run: one, sequence: 12 });
  expect(numbers.numberFor(one, 9, false)).toBe(-1);
});

test('a packet that comes late has no number when it was among those that were left out', () => {
  const numbers = new SentNumbers();
  const one = run();
  numbers.numberFor(one, 10, false);
  const after = numbers.numberFor(one, 20, true);
  expect(numbers.numberFor(one, 15, false)).toBe(-1);
  expect(numbers.find((after - 1) & 0xffff)).toEqual({ run: one, sequence: 10 });
});

test('numbers go on in another lane, and what was sent of the one before is still told', () => {
  const numbers = new SentNumbers();
  const [one, two] = [run(), run()];
  const last = numbers.numberFor(one, 500, false);
  expect(numbers.numberFor(two, 3, false)).toBe(last + 1);
  expect(numbers.run).toBe(two);
  expect(numbers.find(last & 0xffff)).toEqual({ run: one, sequence: 500 });
  expect(numbers.find((last + 1) & 0xffff)).toEqual({ run: two, sequence: 3 });
  expect(numbers.find((last + 2) & 0xffff)).toBeUndefined();
  expect(numbers.find((last - 1) & 0xffff)).toBeUndefined();
});

test('what is remembered of packets that were left out is bounded', () => {
  const numbers = new SentNumbers();
  const one = run();
  const first = numbers.numberFor(one, 0, false);
  for (let sequence = 2; sequence < 2000; sequence += 2) numbers.numberFor(one, sequence, true);
  expect(numbers.find(first & 0xffff)).toBeUndefined();
  expect(numbers.find(numbers.last & 0xffff)).toEqual({ run: one, sequence: 1998 });
});
