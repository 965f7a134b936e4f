import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MediaPacket } from '../packet.ts';
import { Mp4Reader } from './reader.ts';
import { joined, memorySource, record } from './testing/recorded.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-mp4-reading-'));
afterAll(() => rmSync(directory, { recursive: true }));

const INPUTS = [
  ...['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30:duration=6'],
  ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100:duration=6'],
];
const ENCODED = [
  '-c:v',
  'libx264',
  '-preset',
  'veryfast',
  '-g',
  '30',
  '-bf',
  '2',
  '-pix_fmt',
  'yuv420p',
  '-c:a',
  'aac',
];
/** Ways in which FFmpeg lays out fragments. */
const LAYOUTS: Record<string, string[]> = {
  plain: [],
  'index first': ['-movflags', 'faststart'],
  'a fragment for each key frame': ['-movflags', 'empty_moov+frag_keyframe'],
  'samples in moov before the fragments': ['-movflags', 'frag_keyframe'],
  'a moof for each track': ['-movflags', 'empty_moov+frag_keyframe+separate_moof'],
  'offsets from the start of each moof': ['-movflags', 'empty_moov+default_base_moof', '-frag_duration', '300000'],
  'an index in front': ['-movflags', 'dash+global_sidx+frag_keyframe+empty_moov'],
  'an index in front of each fragment': ['-movflags', 'dash+frag_keyframe+empty_moov'],
  'no index at the end': ['-movflags', 'empty_moov+frag_keyframe+skip_trailer'],
  'negative composition offsets': ['-movflags', 'empty_moov+frag_keyframe+negative_cts_offsets'],
};

const pathOf = (name: string): string => join(directory, `${name.replaceAll(' ', '-')}.mp4`);

beforeAll(() => {
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...INPUTS, ...ENCODED, pathOf('source')]);
  for (const [name, flags] of Object.entries(LAYOUTS)) {
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', pathOf('source'), '-c', 'copy', ...flags, pathOf(name)]);
  }
}, 30_000);

async function read(file: Uint8Array, fromUs?: number): Promise<MediaPacket[]> {
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(memorySource(file))).readPackets(fromUs)) packets.push(packet);
  return packets;
}

/** What FFmpeg finds: kind, time and size of each packet. */
function probed(path: string): string[] {
  const args = ['-v', 'error', '-of', 'csv=p=0', '-show_entries', 'packet=codec_type,pts_time,size', path];
  const lines = execFileSync('ffprobe', args, { encoding: 'utf8' }).trim().split('\n');
  // Other lines are of side data.
  return lines.flatMap((line) => {
    const [kind, seconds, size] = line.split(',');
    if (kind !== 'video' && kind !== 'audio') return [];
    return `${kind} ${Math.round(Number(seconds) * 1000)} ${size}`;
  });
}

function described({ track, ptsUs, byteLength, units }: MediaPacket): string {
  const framing = track.codec === 'h264' ? 4 * units.length : 0;
  return `${track.kind} ${Math.round(ptsUs / 1000)} ${byteLength + framing}`;
}

const ascending = (a: MediaPacket, b: MediaPacket): number => a.dtsUs - b.dtsUs;

describe('Mp4Reader', () => {
  test.each(Object.keys(LAYOUTS))('reads all packets in the order of decoding: %s', async (name) => {
    const packets = await read(readFileSync(pathOf(name)));
    // FFmpeg shows pictures of fragments with negative offsets a frame too late.
    const isLate = name === 'negative composition offsets';
    const expected = isLate ? (await read(readFileSync(pathOf('plain')))).map(described) : probed(pathOf(name));
    const got = packets.map(described);
    const kinds = isLate ? ['video'] : ['video', 'audio'];
    const ofKinds = (line: string): boolean => kinds.some((kind) => line.startsWith(kind));
    expect(got.filter(ofKinds).toSorted()).toEqual(expected.filter(ofKinds).toSorted());
    expect(packets).toEqual(packets.toSorted(ascending));
  });

  test.each(Object.keys(LAYOUTS))('begins with the last key frame before any time: %s', async (name) => {
    const file = readFileSync(pathOf(name));
    const all = await read(file);
    const keys = all.filter(({ track, key }) => track.kind === 'video' && key);
    expect(keys.length).toBe(6);
    for (let fromUs = 100_000; fromUs < 7_000_000; fromUs += 330_000) {
      const key = keys.findLast(({ ptsUs }) => ptsUs <= fromUs) ?? all[0];
      const packets = await read(file, fromUs);
      const expected = all.filter(({ track, ptsUs, dtsUs }) =>
        track.kind === 'video' ? dtsUs >= (key?.dtsUs ?? 0) : ptsUs >= (key?.ptsUs ?? 0),
      );
      expect(packets.map(described), `from ${fromUs}`).toEqual(expected.map(described));
    }
    expect((await read(file, -5)).length).toBe(all.length);
  });

  test('plays a recording up to its last whole fragment', async () => {
    const source = await read(readFileSync(pathOf('source')));
    const shiftUs = -Math.min(0, ...source.map(({ dtsUs }) => dtsUs));
    const packets = source.map((packet) => ({
      ...packet,
      dtsUs: packet.dtsUs + shiftUs,
      ptsUs: packet.ptsUs + shiftUs,
    }));
    const file = record(packets, { reservedBytes: 500 });
    expect((await read(file)).map(described).toSorted()).toEqual(packets.map(described).toSorted());
    const torn = await read(file.subarray(0, file.length - 100));
    const lastUs = torn.at(-1)?.dtsUs ?? 0;
    expect(torn.length).toBeLessThan(packets.length);
    expect(lastUs).toBeGreaterThan(4_900_000);
    // Room that the file system gave but the writer never filled.
    expect((await read(joined([file, new Uint8Array(5000)]))).length).toBe(packets.length);
  });

  test('gives sound alone from any time', async () => {
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', pathOf('source'), '-vn', '-c', 'copy', pathOf('sound')]);
    const file = readFileSync(pathOf('sound'));
    const all = await read(file);
    const packets = await read(file, 3_000_000);
    const first = all.findLast(({ ptsUs }) => ptsUs <= 3_000_000);
    expect(packets[0]?.ptsUs).toBe(first?.ptsUs);
    expect(packets.length).toBe(all.length - all.findIndex(({ ptsUs }) => ptsUs === first?.ptsUs));
  });
});
