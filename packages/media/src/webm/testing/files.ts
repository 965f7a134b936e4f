import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pictureSize } from '../../codec/index.ts';
import type { ByteSource, InPlacePlan, MediaFileReader } from '../../file-plan.ts';
import type { MediaPacket, Track } from '../../packet.ts';
import { type DocType, WebmReader, WebmWriter } from '../index.ts';

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=4'];
const AUDIO = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=4'];

/** What ffmpeg makes of four seconds of test picture and sound, by the name of the file. */
export const RECIPES: Readonly<Record<string, readonly string[]>> = {
  'vp8-opus.webm': [
    ...VIDEO,
    ...AUDIO,
    '-c:v',
    'libvpx',
    '-g',
    '20',
    '-deadline',
    'realtime',
    '-cpu-used',
    '8',
    '-c:a',
    'libopus',
  ],
  'vp9-opus.webm': [...VIDEO, ...AUDIO, '-c:v', 'libvpx-vp9', '-g', '20', '-deadline', 'realtime', '-cpu-used', '8'],
  'av1-opus.webm': [...VIDEO, ...AUDIO, '-c:v', 'libaom-av1', '-g', '20', '-cpu-used', '8', '-usage', 'realtime'],
  'h264-aac.mkv': [
    ...VIDEO,
    ...AUDIO,
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-g',
    '20',
    '-bf',
    '3',
    '-pix_fmt',
    'yuv420p',
    '-c:a',
    'aac',
  ],
  'h265-pcma.mkv': [
    ...VIDEO,
    ...AUDIO,
    '-c:v',
    'libx265',
    '-preset',
    'ultrafast',
    '-g',
    '20',
    '-x265-params',
    'log-level=0',
    '-c:a',
    'pcm_alaw',
    '-ar',
    '8000',
  ],
  'h264-g722.mkv': [
    ...VIDEO,
    ...AUDIO,
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-g',
    '20',
    '-bf',
    '0',
    '-c:a',
    'g722',
    '-ar',
    '16000',
  ],
  'opus.webm': [...AUDIO, '-c:a', 'libopus'],
};

/** A folder for one file of tests, with the files that ffmpeg made in it. */
export class TestFiles {
  readonly directory = mkdtempSync(join(tmpdir(), 'sluice-webm-'));

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Makes one of {@link RECIPES}, once. */
  recipe(name: string): Uint8Array {
    return this.ffmpeg(name, RECIPES[name] ?? []);
  }

  /** Makes a file of this name, once. */
  ffmpeg(name: string, args: readonly string[]): Uint8Array {
    if (!existsSync(this.path(name))) execFileSync('ffmpeg', ['-v', 'error', ...args, this.path(name)]);
    return new Uint8Array(readFileSync(this.path(name)));
  }

  write(name: string, bytes: Uint8Array): string {
    writeFileSync(this.path(name), bytes);
    return this.path(name);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** A file in memory that counts what is asked of it. */
export class MemorySource implements ByteSource {
  reads = 0;
  readBytes = 0;
  largestRead = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < 0 || offset + length > this.size) throw new RangeError(`read of ${length} at ${offset}`);
    this.reads += 1;
    this.readBytes += length;
    this.largestRead = Math.max(this.largestRead, length);
    return this.#bytes.slice(offset, offset + length);
  }
}

export async function allPackets(reader: MediaFileReader, fromUs?: number): Promise<MediaPacket[]> {
  const packets: MediaPacket[] = [];
  for await (const packet of reader.readPackets(fromUs)) packets.push(packet);
  return packets;
}

export async function readAll(bytes: Uint8Array): Promise<{ tracks: Track[]; packets: MediaPacket[] }> {
  const reader = await WebmReader.open(new MemorySource(bytes));
  return { tracks: reader.tracks.map(({ track }) => track), packets: await allPackets(reader) };
}

/** A file as a recording writes it: a head, and a cluster for each second. */
export function record(
  { tracks, packets }: { tracks: readonly Track[]; packets: readonly MediaPacket[] },
  docType: DocType,
): { head: Uint8Array; clusters: Uint8Array[]; writer: WebmWriter } {
  const pictureSizes = new Map<number, { width: number; height: number }>();
  for (const packet of packets) {
    const size = pictureSize(packet);
    if (size !== undefined && !pictureSizes.has(packet.track.id)) pictureSizes.set(packet.track.id, size);
  }
  const baseUs = Math.min(...packets.map(({ ptsUs }) => ptsUs));
  const writer = new WebmWriter(tracks, { docType, pictureSizes, baseUs, createdAtMs: 1_700_000_000_000 });
  const seconds = new Map<number, MediaPacket[]>();
  for (const packet of packets) {
    const second = Math.floor((packet.dtsUs - baseUs) / 1e6);
    seconds.set(second, [...(seconds.get(second) ?? []), packet]);
  }
  const ordered = [...seconds].toSorted(([a], [b]) => a - b);
  return { head: writer.head(), clusters: ordered.map(([, group]) => writer.cluster(group)), writer };
}

export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** What the file is after each step of a plan; the last one is the finished file. */
export function* carryOut(bytes: Uint8Array, plan: InPlacePlan): Generator<Uint8Array> {
  let current = concat([bytes.subarray(0, plan.truncateTo)]);
  yield current;
  for (const piece of plan.append) current = concat([current, piece]);
  yield current;
  for (const patch of plan.patches) {
    current = concat([current]);
    current.set(patch.bytes, patch.offset);
    yield current;
  }
}

export function finished(bytes: Uint8Array, plan: InPlacePlan): Uint8Array {
  return [...carryOut(bytes, plan)].at(-1) ?? bytes;
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** A packet as ffprobe tells it. */
export interface ProbedPacket {
  readonly stream_index: number;
  readonly pts_time: string;
  readonly dts_time?: string;
  readonly flags: string;
  readonly size: string;
  readonly data_hash: string;
}

export function probe(path: string): { packets: ProbedPacket[]; duration: number; streams: Record<string, unknown>[] } {
  const args = [
    '-v',
    'error',
    '-show_packets',
    '-show_streams',
    '-show_format',
    '-show_data_hash',
    'md5',
    '-of',
    'json',
  ];
  const result = JSON.parse(execFileSync('ffprobe', [...args, path], { encoding: 'utf8', maxBuffer: 1 << 28 }));
  return { packets: result.packets, streams: result.streams, duration: Number(result.format.duration) };
}

/** Decodes all of it and throws at the first error; the result stands for all pictures. */
export function decode(path: string): string {
  const args = ['-v', 'error', '-xerror', '-i', path, '-map', '0', '-fps_mode', 'passthrough', '-f', 'streamhash'];
  const hashes = execFileSync('ffmpeg', [...args, '-hash', 'md5', '-'], { encoding: 'utf8' });
  // Sound may differ at its end: a packet does not say how much of it is padding.
  return hashes
    .split('\n')
    .filter((line) => line.includes(',v,'))
    .join('\n');
}
