import type { Track } from '@sluice/media';
import { beforeEach, describe, expect, test } from 'vitest';
import { RtpLane, type RtpLanePacket, VIDEO_LANE } from '../../../../core/index.ts';
import type { SendRun } from '../sent-numbers.ts';
import { type PacedTrack, Pacer } from './pacer.ts';

const TRACK: Track = { id: 1, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
const FORMAT = { track: TRACK };
const RUN: SendRun = {
  lane: new RtpLane(VIDEO_LANE),
  epoch: 0,
  timestampOffset: 0,
  pastEndUs: Number.NEGATIVE_INFINITY,
  vp8: undefined,
};
const BYTES = 1000;

function packet(sequence: number, frame: number, startPoint = false): RtpLanePacket {
  const payload = new Uint8Array(BYTES);
  const times = { timestamp: frame * 3000, ptsUs: frame * 33_333 };
  return { format: FORMAT, sequence, ...times, marker: false, startPoint, payload };
}

class ScriptedTrack implements PacedTrack {
  readonly sent: number[] = [];
  readonly repaired: number[] = [];
  givenUp = 0;
  due: (packet: RtpLanePacket) => number = () => 0;

  transmit({ sequence }: RtpLanePacket): number {
    this.sent.push(sequence);
    return BYTES;
  }

  repair(number: number): number {
    this.repaired.push(number);
    return BYTES;
  }

  onGivenUp(frames: number): void {
    this.givenUp += frames;
  }

  dueMs(packet: RtpLanePacket): number {
    return this.due(packet);
  }
}

describe('what waits to leave for a peer', () => {
  let track: ScriptedTrack;
  let rateBps: number;
  let sustainedBps: number;
  let pacer: Pacer;

  beforeEach(() => {
    track = new ScriptedTrack();
    rateBps = 1_600_000;
    sustainedBps = Number.POSITIVE_INFINITY;
    pacer = make(0);
  });

  function make(timedFrames: number): Pacer {
    return new Pacer({ rateBps: () => rateBps, sustainedBps: () => sustainedBps, timedFrames });
  }

  function hold(count: number, from = 0, packetsPerFrame = 10): void {
    for (let i = from; i < from + count; i++) {
      const frame = Math.floor(i / packetsPerFrame);
      pacer.hold(track, packet(i, frame, frame === 0 && i === 0), { run: RUN, skipped: 0 });
    }
  }

  /** Uses up what may leave at once. */
  function exhaust(nowMs: number): void {
    expect(pacer.mayPass(nowMs)).toBe(true);
    pacer.spend(16_000);
    expect(pacer.mayPass(nowMs)).toBe(false);
  }

  test('leaves in order, as much at a time as the rate allows', () => {
    exhaust(0);
    hold(100);
    let before = 0;
    for (let nowMs = 5; nowMs <= 300; nowMs += 5) {
      pacer.release(nowMs);
      expect(track.sent.length - before).toBeLessThanOrEqual(2);
      before = track.sent.length;
    }
    // 1.6 Mbit/s are 200 packets a second.
    expect(track.sent.length).toBeGreaterThanOrEqual(58);
    expect(track.sent.length).toBeLessThanOrEqual(62);
    expect(track.sent).toEqual([...track.sent].sort((one, other) => one - other));
    expect(pacer.queueMs(300)).toBeGreaterThan(150);
  });

  test('is nothing where there is no rate: all passes', () => {
    rateBps = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 1000; i++) {
      expect(pacer.mayPass(0)).toBe(true);
      pacer.spend(BYTES);
    }
    expect(pacer.queueMs(0)).toBe(0);
  });

  test('lets what is sent again leave before new pictures', () => {
    exhaust(0);
    hold(10);
    pacer.holdRepair(track, 7);
    pacer.holdRepair(track, 8);
    pacer.release(11);
    expect(track.repaired).toEqual([7, 8]);
    expect(track.sent.length).toBeLessThanOrEqual(1);
    expect(pacer.mayPass(12)).toBe(false);
  });

  test('holds to the lower rate for long, and may exceed it for a moment', () => {
    sustainedBps = 400_000;
    exhaust(0);
    hold(150, 0, 150);
    for (let nowMs = 5; nowMs <= 1000; nowMs += 5) pacer.release(nowMs);
    const inFirst = track.sent.length;
    for (let nowMs = 1005; nowMs <= 2000; nowMs += 5) pacer.release(nowMs);
    // 400 kbit/s are 50 packets a second.
    expect(inFirst).toBeLessThanOrEqual(60);
    expect(track.sent.length - inFirst).toBeGreaterThanOrEqual(45);
    expect(track.sent.length - inFirst).toBeLessThanOrEqual(55);
  });

  test('is given up when the rate falls, but for the frame of which a part has left', () => {
    exhaust(0);
    hold(60);
    for (let nowMs = 5; nowMs <= 25; nowMs += 5) pacer.release(nowMs);
    expect(track.sent.length).toBeLessThan(10);
    sustainedBps = 300_000;
    expect(pacer.isFull(30)).toBe(true);
    pacer.release(30);
    expect(track.givenUp).toBe(5);
    expect(pacer.givenUp).toBe(5);
    for (let nowMs = 35; nowMs <= 1000; nowMs += 5) pacer.release(nowMs);
    expect(track.sent).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(pacer.empty).toBe(true);
    expect(pacer.queueMs(1000)).toBe(0);
  });

  test('is full after some tenths of a second of the rate where that is known to be the limit, and later where it is not', () => {
    exhaust(0);
    hold(130);
    expect(pacer.queueMs(0)).toBeGreaterThan(600);
    expect(pacer.isFull(0)).toBe(false);
    sustainedBps = rateBps;
    expect(pacer.isFull(0)).toBe(true);
  });

  test('waits for its time where frames are timed, but no more frames than that', () => {
    pacer = make(3);
    rateBps = Number.POSITIVE_INFINITY;
    track.due = ({ timestamp }) => 1000 + timestamp / 3;
    hold(5, 0, 1);
    expect(pacer.mayPass(0)).toBe(false);
    pacer.release(0);
    expect(track.sent).toEqual([0, 1]);
    pacer.release(2999);
    expect(track.sent).toEqual([0, 1]);
    pacer.release(3000);
    expect(track.sent).toEqual([0, 1, 2]);
    pacer.release(5000);
    expect(track.sent).toEqual([0, 1, 2, 3, 4]);
    expect(pacer.empty).toBe(true);
  });

  test('of a picture that another one follows is given up, but for the rest of the frame that has begun to leave', () => {
    hold(30);
    pacer.release(1000);
    const before = track.sent.length;
    expect(before).toBeGreaterThan(0);
    expect(before % 10).not.toBe(0);
    pacer.forget(track);
    for (let nowMs = 1005; !pacer.empty; nowMs += 5) pacer.release(nowMs);
    expect(track.sent).toHaveLength(Math.ceil(before / 10) * 10);
    expect([pacer.givenUp, pacer.queueMs(2000)]).toEqual([3 - Math.ceil(before / 10), 0]);
    hold(10, 30);
    for (let nowMs = 2005; !pacer.empty; nowMs += 5) pacer.release(nowMs);
    expect(track.sent.at(-1)).toBe(39);
  });
});
