import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MediaPacket } from '../packet.ts';
import { planMp4InPlace } from './plan-in-place.ts';
import { planMp4Rewrite } from './plan-rewrite.ts';
import { Mp4Reader } from './reader.ts';
import { finishedInPlace, memorySource, record, rewritten } from './testing/recorded.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-mp4-plans-'));
afterAll(() => rmSync(directory, { recursive: true }));

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30:duration=4'];
const AUDIO = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100:duration=4'];
const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '30', '-pix_fmt', 'yuv420p'];
const X265 = [
  '-c:v',
  'libx265',
  '-preset',
  'ultrafast',
  '-x265-params',
  'log-level=none:keyint=30:bframes=2:open-gop=0',
];
const AAC = ['-c:a', 'aac', '-ac', '2'];
const OPUS = ['-c:a', 'libopus', '-ac', '2'];
const AV1 = ['-c:v', 'libaom-av1', '-cpu-used', '8', '-lag-in-frames', '0', '-g', '30'];
const VP9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-g', '30'];
const FILES: Record<string, string[]> = {
  h264: [...VIDEO, ...AUDIO, ...X264, '-bf', '0', ...AAC],
  bframes: [...VIDEO, ...AUDIO, ...X264, '-bf', '3', ...AAC],
  late: [...VIDEO, '-itsoffset', '0.517', ...AUDIO, ...X264, '-bf', '2', ...AAC],
  negative: [...VIDEO, ...X264, '-bf', '2', '-movflags', 'negative_cts_offsets'],
  audio: [...AUDIO, ...AAC],
  h265: [...VIDEO, ...AUDIO, ...X265, '-tag:v', 'hvc1', ...OPUS],
  av1: [...VIDEO, ...AUDIO, ...AV1, ...AAC],
  vp9: [...VIDEO, ...AUDIO, ...VP9, ...OPUS],
};

const pathOf = (name: string): string => join(directory, `${name}.mp4`);
const sources = new Map<string, MediaPacket[]>();

/** Packets of a file, all later so that none is before zero. */
async function packetsOf(path: string): Promise<MediaPacket[]> {
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(memorySource(readFileSync(path)))).readPackets())
    packets.push(packet);
  const shiftUs = -Math.min(0, ...packets.map(({ dtsUs }) => dtsUs));
  return packets.map((packet) => ({ ...packet, dtsUs: packet.dtsUs + shiftUs, ptsUs: packet.ptsUs + shiftUs }));
}

beforeAll(async () => {
  for (const [name, args] of Object.entries(FILES)) {
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, pathOf(name)]);
    sources.set(name, await packetsOf(pathOf(name)));
  }
}, 60_000);

interface Probed {
  readonly packets: string[];
  readonly warnings: string;
}

/** Times in microseconds, size, flags and hash of every packet, each track for itself. */
function probe(file: Uint8Array, name: string): Probed {
  const path = pathOf(`${name}-probed`);
  writeFileSync(path, file);
  const args = ['-v', 'warning', '-of', 'json', '-show_packets', '-show_streams', '-show_data_hash', 'md5', path];
  const result = spawnSync('ffprobe', args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  const { packets, streams } = JSON.parse(result.stdout);
  const lines = packets.map((packet: Record<string, string>) => {
    const [numerator = 1, denominator = 1] = streams[packet['stream_index'] ?? 0].time_base.split('/').map(Number);
    const us = (value: string | undefined): number => Math.round((Number(value) * numerator * 1e6) / denominator);
    const { stream_index: index, size, flags, data_hash: hash } = packet;
    return `${index} pts ${us(packet['pts'])} dts ${us(packet['dts'])} size ${size} ${flags} ${hash}`;
  });
  // The order of tracks in the file is its own affair.
  return { packets: lines.toSorted(byTrack), warnings: result.stderr };
}

function byTrack(a: string, b: string): number {
  return Number(a.split(' ')[0]) - Number(b.split(' ')[0]);
}

function decodeErrors(path: string): string {
  const result = spawnSync('ffmpeg', ['-v', 'warning', '-xerror', '-i', path, '-f', 'null', '-'], { encoding: 'utf8' });
  return result.status === 0 ? result.stderr : `status ${result.status}: ${result.stderr}`;
}

describe('a recording', () => {
  test.each(Object.keys(FILES))('has the same packets when it is finished in place or rewritten: %s', async (name) => {
    const packets = sources.get(name) ?? [];
    const file = record(packets, { pictureSize: { width: 160, height: 120 } });
    const original = probe(file, name);
    expect(original.packets.length).toBe(packets.length);

    const roomy = record(packets, { pictureSize: { width: 160, height: 120 }, reservedBytes: 20_000 });
    const finished = {
      'index at the end': finishedInPlace(file, await planMp4InPlace(memorySource(file))),
      'index in the room': finishedInPlace(roomy, await planMp4InPlace(memorySource(roomy))),
      rewritten: rewritten(file, await planMp4Rewrite(memorySource(file))),
    };
    for (const [how, bytes] of Object.entries(finished)) {
      const probed = probe(bytes, name);
      expect(probed.warnings, how).toBe('');
      expect(probed.packets, how).toEqual(original.packets);
      expect(decodeErrors(pathOf(`${name}-probed`)), how).toBe('');
    }
  });
});
