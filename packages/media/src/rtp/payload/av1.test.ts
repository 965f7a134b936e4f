import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { av1Track } from '../../codec/av1.ts';
import { FlvDemuxer, FlvVideoReader } from '../../flv/index.ts';
import type { MediaPacket } from '../../packet.ts';
import { av1Depacketizer, av1Packetizer, isRtpStartPoint } from './index.ts';

/** An inter frame that is shown, without a size field; and the same with one. */
const FRAME = [0x30, 0x30, 1, 2, 3];
const SIZED_FRAME = [0x32, 4, 0x30, 1, 2, 3];
const DELIMITER = [0x10];
const METADATA = [0x28, 9, 9];
const SIZED_METADATA = [0x2a, 2, 9, 9];

const packet = (bytes: number[], marker = true, timestamp = 1) => ({
  payload: Uint8Array.from(bytes),
  marker,
  timestamp,
});

/** A key frame of a real encoder. */
const KEY = realKeyFrame();

function realKeyFrame(): MediaPacket {
  const file = new Uint8Array(readFileSync(new URL('../../../test-fixtures/av1.flv', import.meta.url)));
  const reader = new FlvVideoReader(1);
  for (const tag of new FlvDemuxer().push(file)) {
    const frame = tag.type === 9 ? reader.read(tag.data) : undefined;
    if (frame?.key) return { ...frame, ptsUs: 0, dtsUs: 0, byteLength: frame.units[0]?.length ?? 0 };
  }
  throw new Error('no key frame');
}

function packetOf(data: number[], key = false): MediaPacket {
  return { ...KEY, units: [Uint8Array.from(data)], key, byteLength: data.length };
}

describe('the depacketizer', () => {
  test.each([
    ['one element', [0x10, ...FRAME], SIZED_FRAME],
    [
      'elements that are counted',
      [0x30, 1, ...DELIMITER, 3, ...METADATA, ...FRAME],
      [...SIZED_METADATA, ...SIZED_FRAME],
    ],
    ['elements that are not', [0x00, 1, ...DELIMITER, 5, ...FRAME], SIZED_FRAME],
    ['a size field', [0x10, ...SIZED_FRAME], SIZED_FRAME],
    ['an extension', [0x10, 0x34, 0x28, 0x30, 7], [0x36, 0x28, 2, 0x30, 7]],
    ['a length of two bytes', [0x00, 0x85, 0x00, ...FRAME], SIZED_FRAME],
  ])('takes %s, and gives size fields', (_, bytes, wanted) => {
    const frame = av1Depacketizer().push(packet(bytes), false);
    expect(frame).toEqual({ units: [Uint8Array.from(wanted)], key: false, timestamp: 1, broken: false });
  });

  test('joins what is continued in the next packets', () => {
    const depacketizer = av1Depacketizer();
    expect(depacketizer.push(packet([0x60, 3, ...METADATA, 0x30, 0x30], false), false)).toBeUndefined();
    expect(depacketizer.push(packet([0xd0, 1], false), false)).toBeUndefined();
    expect(depacketizer.push(packet([0x90, 2, 3]), false)?.units).toEqual([
      Uint8Array.from([...SIZED_METADATA, ...SIZED_FRAME]),
    ]);
  });

  test('drops a temporal unit with a hole, without its start, or that should go on', () => {
    const depacketizer = av1Depacketizer();
    expect(depacketizer.push(packet([0x10, ...METADATA], false), false)).toBeUndefined();
    expect(depacketizer.push(packet([0x10, ...FRAME]), true)).toBeUndefined();
    expect(depacketizer.push(packet([0x90, ...FRAME], true, 2), false)).toBeUndefined();
    expect(depacketizer.push(packet([0x50, ...FRAME], true, 3), false)).toBeUndefined();
    expect(depacketizer.push(packet([0x10, ...FRAME], true, 4), false)).toMatchObject({ timestamp: 4 });
  });

  test('drops tiles behind a loss, because their frame header may be lost', () => {
    const tiles = [0x10, 0x20, 1, 2, 3];
    const depacketizer = av1Depacketizer();
    expect(depacketizer.push(packet(tiles), true)).toBeUndefined();
    expect(depacketizer.push(packet(tiles, true, 2), false)).toMatchObject({ timestamp: 2 });
  });

  test('drops a temporal unit of broken OBUs', () => {
    expect(av1Depacketizer().push(packet([0x10, 0x80, 1]), false)).toBeUndefined();
    expect(av1Depacketizer().push(packet([0x10, 0x32, 9, 1]), false)).toBeUndefined();
  });

  test.each([
    ['without elements', [0x10]],
    ['with fewer elements than it counts', [0x30, 1, 0x10]],
    ['with an element past the end', [0x00, 9, 0x30]],
    ['with an empty element', [0x00, 0]],
    ['that ends in a length', [0x00, 0x80]],
    ['with a length without end', [0x00, 0x80, 0x80, 0x80, 0x80, 1]],
  ])('refuses a payload %s', (_, bytes) => {
    expect(() => av1Depacketizer().push(packet(bytes), false)).toThrow(
      expect.objectContaining({ code: 'AV1_BAD_PAYLOAD' }),
    );
  });
});

describe('the packetizer', () => {
  const bytesOf = (data: number[], maxPayloadBytes = 1200) =>
    av1Packetizer()
      .packetize(packetOf(data), maxPayloadBytes)
      .map(({ payload }) => [...payload]);

  test('takes size fields off, and counts up to three OBUs', () => {
    expect(bytesOf(SIZED_FRAME)).toEqual([[0x10, ...FRAME]]);
    expect(bytesOf([...SIZED_METADATA, ...SIZED_FRAME])).toEqual([[0x20, 3, ...METADATA, ...FRAME]]);
  });

  test('gives each of four OBUs its length', () => {
    const three = [METADATA, METADATA, METADATA].flatMap((obu) => [3, ...obu]);
    expect(bytesOf([...SIZED_METADATA, ...SIZED_METADATA, ...SIZED_METADATA, ...SIZED_FRAME])).toEqual([
      [0x00, ...three, 5, ...FRAME],
    ]);
  });

  test('divides an OBU that does not fit, and never exceeds the limit', () => {
    const data = Array.from({ length: 500 }, (_, index) => index & 0xff);
    const payloads = bytesOf([0x32, 0xf4, 0x03, ...data], 100);
    expect(payloads.map(([head]) => head)).toEqual([0x50, 0xd0, 0xd0, 0xd0, 0xd0, 0x90]);
    expect(Math.max(...payloads.map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect(payloads.flatMap((payload) => payload.slice(1))).toEqual([0x30, ...data]);
  });

  test('marks the beginning of a coded video sequence, and only that', () => {
    const payloads = av1Packetizer().packetize(KEY, 100);
    expect(payloads.length).toBeGreaterThan(3);
    expect(payloads.map(({ payload }) => isRtpStartPoint('av1', payload))).toEqual(
      payloads.map((_, index) => index === 0),
    );
    expect(isRtpStartPoint('av1', Uint8Array.of(0x10, ...FRAME))).toBe(false);
  });

  test('puts the sequence header of the track before a key frame without one', () => {
    const [sequence = new Uint8Array(0)] = KEY.track.parameters;
    const bare = { ...packetOf([0x32, 2, 0x10, 1], true), track: av1Track(1, sequence) };
    const depacketizer = av1Depacketizer();

    const frames = av1Packetizer()
      .packetize(bare, 1200)
      .flatMap(({ payload, marker }) => depacketizer.push({ payload, marker, timestamp: 1 }, false) ?? []);

    expect(frames).toEqual([
      {
        units: [Uint8Array.from([...sequence, 0x32, 2, 0x10, 1])],
        parameters: [sequence],
        key: true,
        timestamp: 1,
        broken: false,
      },
    ]);
  });
});
