import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { isVp9Key, parseVpConfig, vp9Track } from '../../codec/vp9.ts';
import type { MediaPacket } from '../../packet.ts';
import { joinBytes } from '../bytes.ts';
import { isRtpStartPoint, vp9Depacketizer, vp9Packetizer } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-vp9-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** What libvpx makes with frames that are hidden until later: superframes. */
function encoded(): Uint8Array[] {
  const path = join(directory, 'clip.ivf');
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=25:duration=1'];
  const codec = ['-c:v', 'libvpx-vp9', '-b:v', '200k', '-cpu-used', '4', '-lag-in-frames', '16', '-auto-alt-ref', '1'];
  // In one pass libvpx makes none.
  const passes = ['-passlogfile', join(directory, 'passes'), '-pass'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...source, ...codec, ...passes, '1', '-f', 'null', '-']);
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...source, ...codec, ...passes, '2', path]);
  const file = new Uint8Array(readFileSync(path));
  const frames: Uint8Array[] = [];
  for (let position = 32; position + 12 <= file.length; ) {
    const size = new DataView(file.buffer, position).getUint32(0, true);
    frames.push(file.subarray(position + 12, position + 12 + size));
    position += 12 + size;
  }
  return frames;
}

/** The frames in a superframe, by its index (VP9 bitstream specification annex B); undefined for a single frame. */
function framesOf(unit: Uint8Array): Uint8Array[] | undefined {
  const marker = unit.at(-1) ?? 0;
  if ((marker & 0xe0) !== 0xc0) return undefined;
  const count = (marker & 7) + 1;
  const sizeBytes = ((marker >> 3) & 3) + 1;
  let at = unit.length - 1 - count * sizeBytes;
  if (unit[at - 1] !== marker) return undefined;
  let start = 0;
  return Array.from({ length: count }, () => {
    let size = 0;
    for (let byte = 0; byte < sizeBytes; byte += 1) size += (unit[at + byte] ?? 0) * 256 ** byte;
    at += sizeBytes;
    start += size;
    return unit.subarray(start - size, start);
  });
}

const FRAMES = encoded();
const KEY = FRAMES[0] ?? new Uint8Array(0);
const INTER = FRAMES.find((frame) => !isVp9Key(frame) && framesOf(frame) === undefined) ?? new Uint8Array(0);

const packet = (parts: (number[] | Uint8Array)[], marker = true, timestamp = 1) => ({
  payload: joinBytes(parts.map((part) => Uint8Array.from(part))),
  marker,
  timestamp,
});

describe('the depacketizer', () => {
  test.each([
    ['nothing else', [0x0c]],
    ['a 7-bit picture ID', [0x8c, 0x12]],
    ['a 15-bit picture ID', [0x8c, 0x92, 0x34]],
    ['layers, not flexible', [0xac, 0x92, 0x34, 0x00, 7]],
    ['layers, flexible', [0xbc, 0x92, 0x34, 0x00]],
    ['references', [0xdc, 0x92, 0x34, 0x03, 0x05, 0x06]],
    ['a structure with sizes', [0x0e, 0x30, 1, 64, 0, 240, 2, 128, 1, 224]],
    ['a structure with groups', [0x0e, 0x08, 2, 0x04, 1, 0x28, 1, 2]],
    ['everything', [0xfe, 0x92, 0x34, 0x00, 0x02, 0x18, 1, 64, 0, 240, 1, 0x04, 1]],
  ])('takes a descriptor with %s off', (_, descriptor) => {
    expect(vp9Depacketizer().push(packet([descriptor, INTER]), false)?.units).toEqual([INTER]);
  });

  test('makes a superframe of layers, as libvpx writes it', () => {
    const superframe = FRAMES.find((frame) => framesOf(frame) !== undefined) ?? expect.fail('no superframe');
    const layers = framesOf(superframe) ?? [];
    expect(layers.length).toBeGreaterThan(1);
    const depacketizer = vp9Depacketizer();

    const frames = layers.flatMap((layer, index) => {
      const half = layer.length >> 1;
      const descriptor = [0xa0, 0x80, 9, index << 1, 0];
      return [
        depacketizer.push(packet([descriptor.with(0, 0xa8), layer.subarray(0, half)], false), false) ?? [],
        depacketizer.push(
          packet([descriptor.with(0, 0xa4), layer.subarray(half)], index === layers.length - 1),
          false,
        ) ?? [],
      ].flat();
    });

    expect(frames).toHaveLength(1);
    expect(Buffer.from(frames[0]?.units[0] ?? []).equals(superframe)).toBe(true);
  });

  test('gives the configuration of key frames, once', () => {
    const depacketizer = vp9Depacketizer();
    const first = depacketizer.push(packet([[0x0c], KEY]), false);
    expect(first).toMatchObject({ key: true });
    expect(parseVpConfig(first?.parameters?.[0] ?? expect.fail())).toMatchObject({ profile: 0, bitDepth: 8 });
    expect(depacketizer.push(packet([[0x0c], KEY], true, 2), false)?.parameters).toBeUndefined();
  });

  test('drops what lost a part, and behind a loss what has no lowest layer', () => {
    const depacketizer = vp9Depacketizer();
    expect(depacketizer.push(packet([[0x08], INTER], false), false)).toBeUndefined();
    expect(depacketizer.push(packet([[0x04], INTER]), true)).toBeUndefined();
    expect(depacketizer.push(packet([[0x04], INTER], true, 2), true)).toBeUndefined();
    expect(depacketizer.push(packet([[0x2c, 0x02, 0], INTER], true, 3), true)).toBeUndefined();
    expect(depacketizer.push(packet([[0x2c, 0x02, 0], INTER], true, 4), false)).toMatchObject({ timestamp: 4 });
  });

  test('drops key frames with a broken header', () => {
    expect(vp9Depacketizer().push(packet([[0x0c], [0x82, 0, 0, 0, 1]]), false)).toBeUndefined();
  });

  test.each([
    ['without data', [0x0c]],
    ['with four references', [0x5c, 3, 3, 3, 2, 1]],
    ['that ends in its structure', [0x0e, 0x08, 200, 0x0c, 1]],
  ])('refuses a payload %s', (_, bytes) => {
    expect(() => vp9Depacketizer().push(packet([bytes]), false)).toThrow(
      expect.objectContaining({ code: 'VP9_BAD_PAYLOAD' }),
    );
  });
});

test('the packetizer says what is predicted, and where frames begin and end', () => {
  const mediaPacket = (frame: Uint8Array, key: boolean): MediaPacket => {
    return { track: vp9Track(1, undefined), units: [frame], ptsUs: 0, dtsUs: 0, key, byteLength: frame.length };
  };
  const packetizer = vp9Packetizer(0x7fff);
  const key = packetizer.packetize(mediaPacket(KEY, true), Math.ceil(KEY.length / 3) + 3);
  const inter = packetizer.packetize(mediaPacket(INTER, false), 60_000);

  expect(key.map(({ payload }) => [...payload.subarray(0, 3)])).toEqual([
    [0x88, 0xff, 0xff],
    [0x80, 0xff, 0xff],
    [0x84, 0xff, 0xff],
  ]);
  expect(inter.map(({ payload }) => [...payload.subarray(0, 3)])).toEqual([[0xcc, 0x80, 0]]);
  expect(key.map(({ payload }) => isRtpStartPoint('vp9', payload))).toEqual([true, false, false]);
  expect(isRtpStartPoint('vp9', joinBytes([Uint8Array.of(0x2c, 2, 0), KEY]))).toBe(false);
  expect(isRtpStartPoint('vp9', Uint8Array.of(0x0c))).toBe(false);
});
