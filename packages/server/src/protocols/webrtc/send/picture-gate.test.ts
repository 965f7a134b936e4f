import type { Track } from '@sluice/media';
import { beforeEach, describe, expect, test } from 'vitest';
import type { RtpLanePacket } from '../../../core/index.ts';
import { PictureGate } from './picture-gate.ts';

const TRACK: Track = { id: 1, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
const FORMAT = { track: TRACK };
const FRAME_MS = 33;

interface Frame {
  readonly key?: boolean;
  readonly layer?: number;
  readonly layerStart?: boolean;
}

describe('a picture for a thin way', () => {
  let full: boolean;
  let drains: boolean;
  let bps: number | undefined;
  let gate: PictureGate;
  let frames: number;

  beforeEach(() => {
    full = false;
    bps = 1_000_000;
    frames = 0;
    drains = false;
    gate = new PictureGate({ isFull: () => full, drains: () => drains, bps: () => bps });
  });

  /** Comes with two packets; true when both are passed on, false when none is. */
  function comes({ key = false, layer, layerStart }: Frame = {}): boolean {
    const number = frames++;
    const nowMs = number * FRAME_MS;
    const times = { timestamp: number * 3000, ptsUs: number * 33_333 };
    const rest = { marker: false, payload: new Uint8Array(1000), temporalLayer: layer, layerStart };
    const of = (i: number): RtpLanePacket => ({
      ...{ format: FORMAT, sequence: number * 2 + i, ...times, ...rest, startPoint: key && i === 0 },
    });
    const first = gate.passes(of(0), nowMs);
    expect(gate.passes(of(1), nowMs)).toBe(first);
    return first;
  }

  /** Temporal layers 0, 2, 1, 2 as VP8 has them. */
  function pattern(count: number): boolean[] {
    const layers = [0, 2, 1, 2];
    return Array.from({ length: count }, (_, i) => {
      const layer = layers[i % 4] ?? 0;
      return comes({ key: frames === 0, layer, layerStart: layer > 0 });
    });
  }

  test('is all of it while there is no limit', () => {
    expect(pattern(12)).not.toContain(false);
    expect(gate.leftOut).toBe(0);
  });

  test('is left without its upper temporal layers, and nothing that is left needs them', () => {
    pattern(4);
    gate.limit = 'layer_1';
    expect(pattern(8)).toEqual([true, false, true, false, true, false, true, false]);
    gate.limit = 'layer_0';
    expect(pattern(8)).toEqual([true, false, false, false, true, false, false, false]);
    expect(gate.leftOut).toBe(10);
  });

  test('gets them back one after the other, where a viewer without them can begin with them', () => {
    comes({ key: true, layer: 0 });
    gate.limit = 'layer_0';
    expect(comes({ layer: 2, layerStart: true })).toBe(false);
    expect(comes({ layer: 1, layerStart: true })).toBe(false);
    gate.limit = 'all';
    expect(comes({ layer: 0 })).toBe(true);
    expect(comes({ layer: 2, layerStart: true })).toBe(false);
    expect(comes({ layer: 1 })).toBe(false);
    expect(comes({ layer: 1, layerStart: true })).toBe(true);
    expect(comes({ layer: 2 })).toBe(false);
    expect(comes({ layer: 2, layerStart: true })).toBe(true);
    expect(comes({ layer: 2 })).toBe(true);
  });

  test('goes on with a key frame after anything else was left out', () => {
    comes({ key: true });
    full = true;
    expect(comes()).toBe(false);
    full = false;
    expect([comes(), comes(), comes({ key: true }), comes()]).toEqual([false, false, true, true]);
    expect(gate.broken).toBe(false);
  });

  test('loses an upper layer rather than the picture when too much waits', () => {
    pattern(4);
    full = true;
    expect(comes({ layer: 0 })).toBe(false);
    full = false;
    comes({ key: true, layer: 0 });
    full = true;
    expect(comes({ layer: 1 })).toBe(false);
    full = false;
    expect(comes({ layer: 0 })).toBe(true);
  });

  test('is key frames alone, no more of them than the way carries', () => {
    comes({ key: true });
    gate.limit = 'key_frames';
    expect([comes(), comes()]).toEqual([false, false]);
    // A key frame of 2000 bytes takes 16 kbit: half a second of 70 % of 46 kbit/s.
    bps = 11_500;
    const passed = Array.from({ length: 300 }, (_, i) => comes({ key: i % 5 === 0 })).filter(Boolean).length;
    expect(passed).toBeGreaterThanOrEqual(4);
    expect(passed).toBeLessThanOrEqual(6);
  });

  test('is key frames that need not wait behind what was sent before', () => {
    gate.limit = 'key_frames';
    drains = true;
    expect(comes({ key: true })).toBe(false);
    drains = false;
    expect(comes({ key: true })).toBe(true);
    gate.limit = 'all';
    drains = true;
    expect([comes({ key: true }), comes()]).toEqual([true, true]);
  });

  test('is none where there is room for sound alone, and a key frame later', () => {
    comes({ key: true });
    gate.limit = 'none';
    expect([comes(), comes({ key: true }), comes()]).toEqual([false, false, false]);
    expect(gate.wantsKeyFrame(1e6)).toBe(false);
    gate.limit = 'all';
    expect(gate.wantsKeyFrame(1e6)).toBe(true);
    expect([comes(), comes({ key: true }), comes()]).toEqual([false, true, true]);
  });

  test('asks for key frames only where there is room, and seldom where it is key frames alone', () => {
    comes({ key: true });
    expect(gate.wantsKeyFrame(100)).toBe(false);
    full = true;
    comes();
    expect(gate.wantsKeyFrame(100)).toBe(false);
    full = false;
    expect(gate.wantsKeyFrame(100)).toBe(true);
    gate.limit = 'key_frames';
    expect(gate.wantsKeyFrame(1500)).toBe(false);
    expect(gate.wantsKeyFrame(2500)).toBe(true);
  });

  test('goes on with a key frame when what waited was given up', () => {
    comes({ key: true });
    gate.breakOff(3);
    expect(gate.leftOut).toBe(3);
    expect([comes(), comes({ key: true })]).toEqual([false, true]);
  });
});
