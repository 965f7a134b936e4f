import { g711Track, vp8Track } from '@sluice/media';
import { describe, expect, test } from 'vitest';
import { PacketQueue } from './packet-queue.ts';
import { packetOf } from './testing/clips.ts';

function packet(kind: 'audio' | 'video', index: number, key = true, bytes = 10) {
  const track = kind === 'audio' ? g711Track(1, 'pcma') : vp8Track(0);
  return packetOf(track, [new Uint8Array(bytes)], { ptsUs: index, dtsUs: index, key });
}

describe('the queue before a worker', () => {
  test('gives packets in their order', () => {
    const queue = new PacketQueue('audio');
    expect([0, 1, 2].map((index) => queue.push(packet('audio', index), 0))).toEqual([0, 0, 0]);
    expect([queue.shift(), queue.shift(), queue.shift(), queue.shift()].map((each) => each?.ptsUs)).toEqual([
      0,
      1,
      2,
      undefined,
    ]);
  });

  test('drops the oldest sound when it has waited a second, or is too much', () => {
    const queue = new PacketQueue('audio');
    queue.push(packet('audio', 0), 0);
    queue.push(packet('audio', 1), 900);
    expect(queue.push(packet('audio', 2), 1100)).toBe(1);
    expect(queue.shift()?.ptsUs).toBe(1);
    const dropped = Array.from({ length: 300 }, (_, index) => queue.push(packet('audio', 3 + index), 1200));
    expect(dropped.reduce((sum, count) => sum + count)).toBe(151);
    expect(queue.shift()?.ptsUs).toBe(153);
  });

  test('takes no pictures before a key frame', () => {
    const queue = new PacketQueue('video');
    expect(queue.push(packet('video', 0, false), 0)).toBe(1);
    expect(queue.awaitsKey).toBe(true);
    expect(queue.push(packet('video', 1, true), 0)).toBe(0);
    expect(queue.push(packet('video', 2, false), 0)).toBe(0);
    expect(queue.awaitsKey).toBe(false);
  });

  test('drops all pictures up to a key frame when one has waited for two seconds', () => {
    const queue = new PacketQueue('video');
    queue.push(packet('video', 0), 0);
    queue.push(packet('video', 1, false), 1000);
    expect(queue.push(packet('video', 2, false), 2100)).toBe(3);
    expect(queue.push(packet('video', 3, false), 2200)).toBe(1);
    queue.push(packet('video', 4), 2300);
    expect(queue.shift()?.ptsUs).toBe(4);
  });

  test('takes the pictures since a key frame at once, but not without bound', () => {
    const queue = new PacketQueue('video');
    const pushes = Array.from({ length: 300 }, (_, index) => queue.push(packet('video', index, index === 0), 0));
    expect(pushes.every((dropped) => dropped === 0)).toBe(true);
    expect(queue.push(packet('video', 300, false, 9e6), 0)).toBe(301);
  });
});
