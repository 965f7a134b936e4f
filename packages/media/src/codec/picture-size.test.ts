import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { FlvDemuxer, FlvVideoReader } from '../flv/index.ts';
import type { MediaPacket, Track } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { pictureSize } from './picture-size.ts';

function packetOf(track: Track, unit: Uint8Array, key = true): MediaPacket {
  return { track, units: [unit], ptsUs: 0, dtsUs: 0, key, byteLength: unit.length };
}

/** The first frame of a Sorenson Spark stream that ffmpeg makes. */
function sorenson(size: string): MediaPacket {
  const input = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=5:duration=0.4`];
  const file = execFileSync('ffmpeg', ['-v', 'error', ...input, '-c:v', 'flv1', '-f', 'flv', '-']);
  const reader = new FlvVideoReader(0);
  for (const tag of new FlvDemuxer().push(file)) {
    const frame = tag.type === 9 ? reader.read(tag.data) : undefined;
    if (frame !== undefined) return packetOf(frame.track, frame.units[0] ?? new Uint8Array(0), frame.key);
  }
  throw new Error('no frame');
}

/** Ivf files have a header of 32 bytes, and 12 before each frame. */
function vp(codec: 'vp8' | 'vp9', encoder: string): MediaPacket {
  const input = ['-f', 'lavfi', '-i', 'testsrc2=size=322x178:rate=5:duration=0.2', '-pix_fmt', 'yuv420p'];
  const file = execFileSync('ffmpeg', ['-v', 'error', ...input, '-c:v', encoder, '-f', 'ivf', '-']);
  const frame = file.subarray(44, 44 + file.readUInt32LE(32));
  return packetOf({ id: 0, kind: 'video', codec, clockRate: 90_000, parameters: [] }, frame);
}

describe('the picture size of a key frame', () => {
  test.each(['352x288', '320x240', '176x144', '200x100', '640x360'])('is read from Sorenson Spark of %s', (size) => {
    const [width, height] = size.split('x').map(Number);
    expect(pictureSize(sorenson(size))).toEqual({ width, height });
  });

  test.each([['vp8', 'libvpx'] as const, ['vp9', 'libvpx-vp9'] as const])('is read from %s', (codec, encoder) => {
    expect(pictureSize(vp(codec, encoder))).toEqual({ width: 322, height: 178 });
  });

  test('is read from Motion JPEG', () => {
    const input = ['-f', 'lavfi', '-i', 'testsrc2=size=322x178:rate=5:duration=0.2', '-pix_fmt', 'yuvj420p'];
    const file = execFileSync('ffmpeg', ['-v', 'error', ...input, '-frames:v', '1', '-f', 'mjpeg', '-']);
    const track: Track = { id: 0, kind: 'video', codec: 'mjpeg', clockRate: 90_000, parameters: [] };
    expect(pictureSize(packetOf(track, file))).toEqual({ width: 322, height: 178 });
    const random = prng(9);
    for (let i = 0; i < 300; i++) pictureSize(packetOf(track, mutate(file, random)));
  });

  test('is unknown for other frames, sound and broken ones, which never throw', () => {
    const key = vp('vp9', 'libvpx-vp9');
    expect(pictureSize({ ...key, key: false })).toBeUndefined();
    expect(pictureSize(packetOf({ ...key.track, codec: 'pcma', kind: 'audio' }, Uint8Array.of(1)))).toBeUndefined();
    const random = prng(7);
    for (const { track, units } of [key, vp('vp8', 'libvpx'), sorenson('200x100')])
      for (let i = 0; i < 300; i++) pictureSize(packetOf(track, mutate(units[0] ?? new Uint8Array(0), random)));
  });
});
