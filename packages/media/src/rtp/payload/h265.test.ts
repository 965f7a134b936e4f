import { describe, expect, test } from 'vitest';
import { h265Track } from '../../codec/h265.ts';
import type { MediaPacket } from '../../packet.ts';
import { h265Depacketizer, h265Packetizer, isRtpStartPoint } from './index.ts';

const VPS = Uint8Array.of(0x40, 1, 1);
const SPS = Uint8Array.of(0x42, 1, 2, 3);
const PPS = Uint8Array.of(0x44, 1, 4);
const IDR = unit(19, 1500, 0xaf);
const SLICE = unit(1, 300, 0x90);
const LATER_SLICE = unit(1, 200, 0x10);

function unit(type: number, length: number, third: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => [type << 1, 1, third][index] ?? index & 0xff);
}

function packetOf(units: Uint8Array[], key: boolean): MediaPacket {
  return { track: h265Track(1, [VPS, SPS, PPS]), units, ptsUs: 0, dtsUs: 0, key, byteLength: 0 };
}

const packet = (payload: ArrayLike<number>, marker = true, timestamp = 1) => ({
  payload: Uint8Array.from(payload),
  marker,
  timestamp,
});

describe('the packetizer', () => {
  test('aggregates parameter sets and divides what does not fit', () => {
    const payloads = h265Packetizer().packetize(packetOf([IDR], true), 1000);

    expect([...(payloads[0]?.payload ?? [])]).toEqual([0x60, 1, 0, 3, ...VPS, 0, 4, ...SPS, 0, 3, ...PPS]);
    expect(payloads.slice(1).map(({ payload }) => [...payload.subarray(0, 3)])).toEqual([
      [0x62, 1, 0x80 | 19],
      [0x62, 1, 0x40 | 19],
    ]);
    expect(payloads.map(({ marker, startPoint }) => [marker, startPoint])).toEqual([
      [false, true],
      [false, false],
      [true, false],
    ]);
  });

  test('gives an aggregation the lowest temporal ID of what is in it', () => {
    const upper = Uint8Array.of(0x02, 3, 0x90);
    const lower = Uint8Array.of(0x02, 2, 0x90);
    const [first] = h265Packetizer().packetize(packetOf([upper, lower], false), 1000);
    expect([...(first?.payload.subarray(0, 2) ?? [])]).toEqual([0x60, 2]);
  });
});

describe('the depacketizer', () => {
  test('puts several slices together', () => {
    const depacketizer = h265Depacketizer();
    expect(depacketizer.push(packet(SLICE, false), false)).toBeUndefined();
    expect(depacketizer.push(packet(LATER_SLICE), false)).toEqual({
      units: [SLICE, LATER_SLICE],
      key: false,
      timestamp: 1,
      broken: false,
    });
  });

  test('drops behind a loss a picture without its first slice, and marks one without others', () => {
    const depacketizer = h265Depacketizer();
    expect(depacketizer.push(packet(LATER_SLICE), true)).toBeUndefined();
    expect(depacketizer.push(packet(SLICE, false, 2), false)).toBeUndefined();
    expect(depacketizer.push(packet(LATER_SLICE, true, 2), true)).toMatchObject({ timestamp: 2, broken: true });
  });

  test('never gives parameter sets that no packager could write', () => {
    const depacketizer = h265Depacketizer();
    for (const set of [VPS, SPS, PPS]) depacketizer.push(packet(set, false), false);
    const frame = depacketizer.push(packet(IDR), false);
    expect(frame).toMatchObject({ key: true });
    expect(frame?.parameters).toBeUndefined();
  });

  test.each([
    ['a PACI packet', [0x64, 1, 0, 0, 1], 'H265_UNSUPPORTED_PAYLOAD'],
    ['a header alone', [0x02, 1], 'H265_BAD_PAYLOAD'],
    ['a fragment without data', [0x62, 1, 0x93], 'H265_BAD_PAYLOAD'],
    ['a fragment of a fragment', [0x62, 1, 0xb1, 0], 'H265_BAD_PAYLOAD'],
    ['an aggregation that is cut off', [0x60, 1, 0, 9, 2], 'H265_BAD_PAYLOAD'],
    ['an aggregation in an aggregation', [0x60, 1, 0, 2, 0x60, 1], 'H265_BAD_PAYLOAD'],
    ['undefined structures', [0x66, 1, 1], 'H265_BAD_PAYLOAD'],
  ])('refuses %s', (_, bytes, code) => {
    expect(() => h265Depacketizer().push(packet(bytes), false)).toThrow(expect.objectContaining({ code }));
  });
});

test('start points are VPS, SPS and first slices of random access pictures, in any packet', () => {
  const starts = (payload: Uint8Array) => isRtpStartPoint('h265', payload);
  const payloads = h265Packetizer().packetize(packetOf([IDR], true), 1000);
  expect(payloads.map(({ payload }) => starts(payload))).toEqual([true, true, false]);
  expect([VPS, SPS, unit(21, 9, 0x80)].map(starts)).toEqual([true, true, true]);
  expect([PPS, SLICE, unit(21, 9, 0x10), Uint8Array.of(0x60, 1, 0, 9)].map(starts)).toEqual(
    new Array<boolean>(4).fill(false),
  );
});
