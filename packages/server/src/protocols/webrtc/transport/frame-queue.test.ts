import { expect, test } from 'vitest';
import { FrameQueue } from './frame-queue.ts';
import { FrameReader } from './tcp-frames.ts';
import { WaterMarks } from './water-marks.ts';

const STUN = Buffer.from([0, 1, 9, 9]);
const DTLS = Buffer.from([22, 0xfe, 0xfd]);
const RTCP = Buffer.from([0x80, 200, 0, 1]);

function media(number: number, bytes = 1000): Buffer {
  const packet = Buffer.alloc(bytes, number);
  packet.set([0x80, 96]);
  return packet;
}

function queue(mediaBytes: number, marks = new WaterMarks(1e9, 1e9)) {
  const seen = { dropped: 0 };
  const onDropped = (count: number) => {
    seen.dropped += count;
  };
  return { queue: new FrameQueue({ mediaBytes, marks, onDropped }), marks, seen };
}

/** The last byte of each datagram that comes out. */
function taken(from: FrameQueue, nowMs: number): number[] {
  const numbers: number[] = [];
  for (let batch = from.take(nowMs); batch !== undefined; batch = from.take(nowMs))
    expect(new FrameReader().push(batch, 65_535, (datagram) => numbers.push(datagram.at(-1) ?? -1) > 0)).toBe(true);
  return numbers;
}

test('checks, handshakes and reports overtake media', () => {
  const { queue: waiting } = queue(10_000);
  for (const datagram of [media(50), STUN, media(51), RTCP, DTLS]) waiting.add(datagram, 0);
  expect(taken(waiting, 0)).toEqual([9, 1, 0xfd, 50, 51]);
  expect(waiting.bytes).toBe(0);
});

test('when there is no more room the oldest media is left out, whole, and counted', () => {
  const { queue: waiting, seen, marks } = queue(3500);
  for (let i = 0; i < 10; i++) waiting.add(media(i), 0);
  expect([waiting.bytes, marks.queuedBytes, seen.dropped]).toEqual([3006, 3006, 7]);
  expect(taken(waiting, 0)).toEqual([7, 8, 9]);
  expect(marks.queuedBytes).toBe(0);
});

test('media that has waited for long is not sent any more: what comes now is', () => {
  const { queue: waiting, seen } = queue(1_000_000);
  for (let i = 0; i < 100; i++) waiting.add(media(i), i * 20);
  expect(waiting.bytes).toBeLessThan(25_000);
  expect(taken(waiting, 2100)).toEqual(Array.from({ length: 15 }, (_, i) => 85 + i));
  expect(seen.dropped).toBe(85);
});

test('without room nothing but control waits, and that has its own limit', () => {
  const { queue: waiting, seen } = queue(0);
  waiting.add(media(1), 0);
  for (let i = 0; i < 30_000; i++) waiting.add(STUN, 0);
  expect(waiting.bytes).toBeLessThanOrEqual(65_538);
  expect(seen.dropped).toBe(1 + 30_000 - waiting.bytes / 6);
});

test('when all connections together wait for too much, those behind get no media until that is less', () => {
  const marks = new WaterMarks(4000, 1500);
  const [first, second] = [queue(1e6, marks), queue(1e6, marks)];
  for (let i = 0; i < 4; i++) first.queue.add(media(i), 0);
  second.queue.add(media(1), 0);
  second.queue.add(STUN, 0);
  expect([marks.full, second.seen.dropped, taken(second.queue, 0)]).toEqual([true, 1, [9]]);
  first.queue.clear();
  expect([marks.full, marks.queuedBytes]).toEqual([false, 0]);
  second.queue.add(media(2), 0);
  expect(taken(second.queue, 0)).toEqual([2]);
});
