import { expect, it } from 'vitest';
import { prng } from '../../../../media/src/testing/mutate.ts';
import { AAC, packet } from '../../core/testing/adaptation-fixture.ts';
import { SoundQueue } from './sound-queue.ts';

const drain = (queue: SoundQueue, streamMs: number): number[] => {
  const times: number[] = [];
  for (let one = queue.take(streamMs * 1000); one !== undefined; one = queue.take(streamMs * 1000))
    times.push(one.dtsUs / 1000);
  return times;
};

it('a sound begins where the stream is, and goes on with it', () => {
  const queue = new SoundQueue();
  for (let ms = 500; ms < 700; ms += 20) queue.push(packet(AAC, ms));
  expect(drain(queue, 1000)).toEqual([1000, 1020, 1040, 1060]);
  expect(drain(queue, 1000)).toEqual([]);
  expect(drain(queue, 1040)).toEqual([1080, 1100]);
});

it('a sound leaps after a stream that is ahead of it', () => {
  const queue = new SoundQueue();
  for (let ms = 0; ms < 100; ms += 20) queue.push(packet(AAC, ms));
  expect(drain(queue, 0)).toEqual([0, 20, 40, 60]);
  expect(drain(queue, 1000)).toEqual([1000]);
});

it('a sound is not kept for ever for a stream that stands still, and goes on where that does', () => {
  const queue = new SoundQueue();
  for (let ms = 0; ms < 60_000; ms += 20) {
    queue.push(packet(AAC, ms));
    drain(queue, 100);
  }
  const times = drain(queue, 5000);
  expect(times[0]).toBe(5000);
  expect(times.length).toBeLessThan(200);
});

it('times never go back, nor far from the stream, whatever comes when', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = prng(seed);
    const queue = new SoundQueue();
    let [fileMs, streamMs, lastMs] = [0, 0, Number.NEGATIVE_INFINITY];
    for (let step = 0; step < 300; step++) {
      const what = random();
      if (what < 0.45) {
        for (let i = 0; i < random() * 4; i++, fileMs += 20) queue.push(packet(AAC, fileMs));
      } else if (what < 0.9) streamMs += random() * 60;
      else if (what < 0.94) streamMs += random() * 5000;
      else if (what < 0.97) queue.taken(streamMs * 1000);
      else queue.clear();
      for (const ms of drain(queue, streamMs)) {
        expect(ms).toBeGreaterThanOrEqual(lastMs);
        expect(ms).toBeLessThanOrEqual(streamMs + 61);
        expect(ms).toBeGreaterThanOrEqual(streamMs - 401);
        lastMs = ms;
      }
    }
  }
});
