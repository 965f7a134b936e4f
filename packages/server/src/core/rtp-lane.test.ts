import type { Track } from '@sluice/media';
import { describe, expect, test } from 'vitest';
import { RtpLane, type RtpLanePacket } from './rtp-lane.ts';

const TRACK: Track = { id: 1, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
const FORMAT = { track: TRACK };
const OPTIONS = { minPackets: 8, maxPackets: 64, maxBytes: 100_000 };

function packet(sequence: number, more: Partial<RtpLanePacket> = {}): RtpLanePacket {
  return {
    format: FORMAT,
    sequence,
    timestamp: sequence * 3000,
    ptsUs: sequence * 33_333,
    marker: true,
    startPoint: false,
    payload: new Uint8Array(100),
    ...more,
  };
}

describe('a lane of RTP packets', () => {
  test('hands each packet to all who follow, in order of arrival, and to nobody who has left', () => {
    const lane = new RtpLane(OPTIONS);
    const seen: number[] = [];
    const left = lane.attach(({ sequence }) => seen.push(-sequence));
    lane.attach(({ sequence }) => seen.push(sequence));
    lane.publish(packet(1));
    left[Symbol.dispose]();
    lane.publish(packet(3));
    lane.publish(packet(2));
    expect(seen).toEqual([-1, 1, 3, 2]);
  });

  test('keeps packets by number, late ones too, and takes none twice', () => {
    const lane = new RtpLane(OPTIONS);
    for (const sequence of [10, 12, 11, 12]) lane.publish(packet(sequence));
    const seen: number[] = [];
    lane.attach(({ sequence }) => seen.push(sequence));
    lane.publish(packet(11));
    expect(seen).toEqual([]);
    expect([10, 11, 12, 13].map((sequence) => lane.at(sequence)?.sequence)).toEqual([10, 11, 12, undefined]);
    expect(lane.end).toBe(13);
  });

  test('keeps what came since the newest start point beyond the least number, up to its bounds', () => {
    const lane = new RtpLane(OPTIONS);
    lane.publish(packet(0, { startPoint: true }));
    for (let sequence = 1; sequence < 40; sequence++) lane.publish(packet(sequence));
    expect(lane.startPoint).toBe(0);
    expect(lane.at(0)).toBeDefined();
    lane.publish(packet(40, { startPoint: true }));
    expect(lane.at(32)).toBeUndefined();
    expect(lane.at(33)).toBeDefined();
    expect(lane.startPoint).toBe(40);
    for (let sequence = 41; sequence < 200; sequence++) lane.publish(packet(sequence));
    expect(lane.startPoint).toBe(-1);
    expect(lane.at(199 - 64)).toBeUndefined();
  });

  test('is bounded in bytes', () => {
    const lane = new RtpLane({ ...OPTIONS, maxBytes: 5000 });
    lane.publish(packet(0, { startPoint: true }));
    for (let sequence = 1; sequence < 30; sequence++) lane.publish(packet(sequence, { payload: new Uint8Array(1000) }));
    const kept = Array.from({ length: 30 }, (_, sequence) => lane.at(sequence)).filter((p) => p !== undefined);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(6);
  });

  test('survives a leap of a million numbers', () => {
    const lane = new RtpLane(OPTIONS);
    for (let sequence = 0; sequence < 20; sequence++) lane.publish(packet(sequence));
    lane.publish(packet(1_000_000, { startPoint: true }));
    expect(lane.at(19)).toBeUndefined();
    expect(lane.at(1_000_000)?.sequence).toBe(1_000_000);
    expect(lane.startPoint).toBe(1_000_000);
    lane.publish(packet(5));
    expect(lane.at(5)).toBeUndefined();
  });

  test('goes on with its numbers for the next publisher, without the packets of the one before', () => {
    const lane = new RtpLane(OPTIONS);
    lane.publish(packet(7, { startPoint: true }));
    lane.reset();
    expect(lane.format).toBeUndefined();
    expect(lane.startPoint).toBe(-1);
    expect(lane.end).toBe(8);
    expect(lane.epoch).toBe(1);
    lane.publish(packet(8, { startPoint: true }));
    expect(lane.startPoint).toBe(8);
  });
});
