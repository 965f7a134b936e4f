import { describe, expect, test } from 'vitest';
import { vp8Track } from '../../codec/vp8.ts';
import type { MediaPacket } from '../../packet.ts';
import { isRtpStartPoint, vp8Depacketizer, vp8Packetizer } from './index.ts';

/** Frames by their first byte: bit 0 is set in those that refer to others. */
const KEY = Uint8Array.from({ length: 900 }, (_, index) => (index === 0 ? 0x10 : index & 0xff));
const INTER = Uint8Array.of(0x11, 2, 3, 4, 5);

function packetOf(frame: Uint8Array, key: boolean): MediaPacket {
  return { track: vp8Track(1), units: [frame], ptsUs: 0, dtsUs: 0, key, byteLength: frame.length };
}

const packet = (bytes: number[], marker = true, timestamp = 1) => ({
  payload: Uint8Array.from(bytes),
  marker,
  timestamp,
});

describe('the packetizer', () => {
  test('begins each frame with the start bit and counts pictures in 15 bits, across the wrap', () => {
    const packetizer = vp8Packetizer(0x7fff);
    const first = packetizer.packetize(packetOf(KEY, true), 500);
    const second = packetizer.packetize(packetOf(INTER, false), 500);

    expect(first.map(({ payload }) => [...payload.subarray(0, 4)])).toEqual([
      [0x90, 0x80, 0xff, 0xff],
      [0x80, 0x80, 0xff, 0xff],
    ]);
    expect(first.map(({ payload }) => payload.length)).toEqual([454, 454]);
    expect([...(second[0]?.payload ?? [])]).toEqual([0x90, 0x80, 0x80, 0, ...INTER]);
    expect(second).toMatchObject([{ marker: true, startPoint: false }]);
  });
});

describe('the depacketizer', () => {
  test.each([
    ['nothing else', [0x10]],
    ['a 7-bit picture ID', [0x90, 0x80, 0x12]],
    ['a 15-bit picture ID', [0x90, 0x80, 0x92, 0x34]],
    ['a picture ID and layers', [0x90, 0xf0, 0x92, 0x34, 7, 0x20]],
    ['layers alone', [0x90, 0x60, 7, 0x20]],
    ['a key index', [0xb0, 0x10, 3]],
  ])('takes a descriptor with %s off', (_, descriptor) => {
    const frame = vp8Depacketizer().push(packet([...descriptor, ...INTER]), false);
    expect(frame).toEqual({ units: [INTER], key: false, timestamp: 1, broken: false });
  });

  test('joins partitions that have a start bit of their own', () => {
    const depacketizer = vp8Depacketizer();
    expect(depacketizer.push(packet([0x10, 0x11, 2], false), false)).toBeUndefined();
    expect(depacketizer.push(packet([0x11, 3, 4], true), false)?.units).toEqual([Uint8Array.of(0x11, 2, 3, 4)]);
  });

  test('drops a frame with a hole, one without its start and one without its end', () => {
    const depacketizer = vp8Depacketizer();
    expect(depacketizer.push(packet([0x10, 0x11], false), false)).toBeUndefined();
    expect(depacketizer.push(packet([0x00, 3], true), true)).toBeUndefined();
    expect(depacketizer.push(packet([0x00, 3], true, 2), true)).toBeUndefined();
    expect(depacketizer.push(packet([0x10, 0x11], false, 3), false)).toBeUndefined();
    expect(depacketizer.push(packet([0x10, 0x11], true, 4), true)).toMatchObject({ timestamp: 4 });
  });

  test('drops what holds the start of two frames', () => {
    const depacketizer = vp8Depacketizer();
    expect(depacketizer.push(packet([0x10, 0x11], false), false)).toBeUndefined();
    expect(depacketizer.push(packet([0x10, 0x11]), false)).toBeUndefined();
  });

  test.each([
    ['without data', [0x10]],
    ['that ends in its descriptor', [0x90, 0xf0, 0x92, 0x34, 7]],
  ])('refuses a payload %s', (_, bytes) => {
    expect(() => vp8Depacketizer().push(packet(bytes), false)).toThrow(
      expect.objectContaining({ code: 'VP8_BAD_PAYLOAD' }),
    );
  });
});

test('start points are first packets of key frames', () => {
  const payloads = vp8Packetizer().packetize(packetOf(KEY, true), 500);
  expect(payloads.map(({ payload }) => isRtpStartPoint('vp8', payload))).toEqual([true, false]);
  expect(isRtpStartPoint('vp8', Uint8Array.of(0x10, ...INTER))).toBe(false);
  expect(isRtpStartPoint('vp8', Uint8Array.of(0x11, 0x10))).toBe(false);
  expect(isRtpStartPoint('vp8', Uint8Array.of(0x90, 0x80))).toBe(false);
});
