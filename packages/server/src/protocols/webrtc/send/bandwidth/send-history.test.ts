import type { TwccFeedback } from '@sluice/media';
import { expect, test } from 'vitest';
import { SendHistory } from './send-history.ts';

function feedback(baseSequence: number, packetCount: number, arrived: readonly number[]): TwccFeedback {
  const arrivals = arrived.map((sequence, i) => ({ sequence: sequence & 0xffff, arrivalUs: i * 1000 }));
  return {
    ...{ senderSsrc: 1, mediaSsrc: 2, baseSequence: baseSequence & 0xffff, packetCount, referenceTimeMs: 0 },
    ...{ feedbackCount: 0, arrivals },
  };
}

class Arrivals {
  readonly bytes: number[] = [];
  readonly history = new SendHistory();

  onArrived(slot: number): void {
    this.bytes.push(this.history.bytes(slot));
  }

  send(count: number, nowMs = 0): this {
    for (let i = 0; i < count; i++) this.history.add(this.history.next & 0x7ff, 0, nowMs);
    return this;
  }

  read(told: TwccFeedback): this {
    this.history.read(told, 0, this);
    return this;
  }
}

test('feedback tells each packet that arrived once, and counts those that did not', () => {
  const peer = new Arrivals().send(20);
  peer.read(feedback(1, 10, [1, 2, 4, 10]));
  expect(peer.bytes).toEqual([1, 2, 4, 10]);
  expect({ lost: peer.history.lost, reported: peer.history.reported }).toEqual({ lost: 6, reported: 10 });
  peer.read(feedback(1, 10, [1, 2, 4, 10]));
  expect(peer.bytes).toHaveLength(4);
  expect(peer.history.unreported).toBe(10);
});

test('a packet that comes after it was told to be missing is not lost any more', () => {
  const peer = new Arrivals().send(10).read(feedback(1, 5, [1, 5]));
  peer.read(feedback(2, 4, [3]));
  expect(peer.bytes).toEqual([1, 5, 3]);
  expect({ lost: peer.history.lost, reported: peer.history.reported }).toEqual({ lost: 2, reported: 5 });
});

test('numbers go on beyond 16 bits', () => {
  const peer = new Arrivals().send(70_000);
  peer.read(feedback(69_990, 5, [69_990, 69_994]));
  expect(peer.bytes).toEqual([69_990 & 0x7ff, 69_994 & 0x7ff]);
  expect(peer.history.lost).toBe(3);
});

test('what is said of packets that were never sent, or are forgotten, counts for nothing', () => {
  const peer = new Arrivals().send(10);
  peer.read(feedback(11, 100, [11, 12, 60]));
  peer.read(feedback(40_000, 65_535, [40_000, 50_000]));
  expect(peer.bytes).toEqual([]);
  expect(peer.history.lost).toBeLessThanOrEqual(10);
  peer.send(20_000).read(feedback(5, 1, [5]));
  expect(peer.bytes).toEqual([]);
});

test('packets on the way are remembered for more than a second, whatever their number up to the bound', () => {
  const peer = new Arrivals();
  for (let i = 0; i < 3000; i++) peer.send(1, i / 3);
  peer.read(feedback(10, 1, [10]));
  expect(peer.bytes).toEqual([10]);
  peer.send(20_000, 1000).read(feedback(20_000, 1, [20_000]));
  expect(peer.bytes).toEqual([10, 20_000 & 0x7ff]);
});

test('a burst makes room that is given back, and what comes half a second late still counts', () => {
  const peer = new Arrivals().send(1000);
  peer.read(feedback(1, 1000, [1000]));
  for (let i = 0; i < 4000; i++) {
    const number = peer.history.next;
    peer.send(1, 2000 + i * 5).read(feedback(number, 1, i % 10 === 0 ? [] : [number]));
  }
  const lost = 999 + 400;
  expect([peer.history.lost, peer.history.reported]).toEqual([lost, 5000]);
  const newest = peer.history.next - 1;
  // Sent 450 ms before the newest one, and told to be missing.
  const late = newest - 89;
  peer.read(feedback(late, 90, [late]));
  expect(peer.bytes.at(-1)).toBe(late & 0x7ff);
  expect(peer.history.lost).toBe(lost - 1);
  peer.read(feedback(2, 1, [2]));
  expect(peer.history.lost).toBe(lost - 1);
});
