import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RecordingObject } from '@sluice/contract';
import { expect, vi } from 'vitest';
import { checkMp4 } from '../../packages/media/src/mp4/testing/check-mp4.ts';
import type { TestServer } from './server.ts';

/** Files of recordings that fit, the newest first; none is no error. */
export async function findRecordings(server: TestServer, filter: object = {}): Promise<RecordingObject[]> {
  const body = JSON.stringify(filter);
  const response = await fetch(server.http('/rest-api/recording/find'), { method: 'POST', body });
  if (response.status === 404) return [];
  expect(response.status).toBe(200);
  return (await response.json()) as RecordingObject[];
}

/** Waits until so many files of the stream have reached their end, complete or failed; the oldest first. */
export async function finishedRecordings(
  server: TestServer,
  filter: object,
  { count = 1, timeoutMs = 30_000 } = {},
): Promise<RecordingObject[]> {
  let found: RecordingObject[] = [];
  const look = async (): Promise<void> => {
    found = await findRecordings(server, filter);
    const finished = found.filter(({ state }) => state === 'complete' || state === 'failed');
    expect(finished.length, JSON.stringify(found)).toBeGreaterThanOrEqual(count);
    expect(finished.length, JSON.stringify(found)).toBe(found.length);
  };
  await vi.waitFor(look, { timeout: timeoutMs, interval: 100 });
  return found.reverse();
}

/** Where the file of a recording is when `record_dir` has its default. */
export function recordingPath(server: TestServer, { fileName }: Pick<RecordingObject, 'fileName'>): string {
  return join(server.folder, 'records', fileName);
}

/** One packet of a file, as FFmpeg's demuxer gives it; times in ms. */
export interface FilePacket {
  readonly kind: 'video' | 'audio';
  readonly ptsMs: number;
  readonly dtsMs: number;
  readonly size: number;
  readonly hash: string;
}

const run = promisify(execFile);
const SHOW_PACKETS = [
  ...['-v', 'error', '-show_packets', '-show_data_hash', 'md5'],
  ...['-show_entries', 'packet=codec_type,pts_time,dts_time,size,data_hash', '-of', 'json'],
];

/** All packets of a file in the order of its interleaving, with MD5 of their bytes. */
export function packetsOf(file: string): FilePacket[] {
  return parsePackets(execFileSync('ffprobe', [...SHOW_PACKETS, file], { encoding: 'utf8', maxBuffer: 1 << 28 }));
}

/** The same, while the test goes on. */
export async function packetsOfAside(file: string): Promise<FilePacket[]> {
  return parsePackets((await run('ffprobe', [...SHOW_PACKETS, file], { maxBuffer: 1 << 28 })).stdout);
}

function parsePackets(text: string): FilePacket[] {
  const { packets } = JSON.parse(text) as { packets: Record<string, string>[] };
  return packets.map((packet) => ({
    kind: packet['codec_type'] as FilePacket['kind'],
    ptsMs: Number(packet['pts_time']) * 1000,
    dtsMs: Number(packet['dts_time']) * 1000,
    size: Number(packet['size']),
    hash: packet['data_hash'] ?? '',
  }));
}

/** What of a file's streams FFmpeg tells: codec and picture size. */
export function streamsOf(file: string): { codec_name: string; codec_type: string; width?: number }[] {
  const args = ['-v', 'error', '-show_streams', '-of', 'json', file];
  const text = execFileSync('ffprobe', args, { encoding: 'utf8' });
  return (JSON.parse(text) as { streams: { codec_name: string; codec_type: string; width?: number }[] }).streams;
}

/** Decodes the whole file; throws with FFmpeg's words at the first fault. */
export function decodeWhole(file: string): void {
  const faults = execFileSync('ffmpeg', decodeArgs(file), { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  expect(faults ?? '').toBe('');
}

/** The same, while the test goes on. */
export async function decodeWholeAside(file: string, options: readonly string[] = []): Promise<void> {
  expect((await run('ffmpeg', ['-nostdin', ...decodeArgs(file, options)])).stderr).toBe('');
}

function decodeArgs(file: string, options: readonly string[] = []): string[] {
  return ['-v', 'warning', '-xerror', '-i', file, ...options, '-f', 'null', '-'];
}

/** From the first sample to the end of the last one, seconds, as FFmpeg sees it. */
export function durationOf(file: string): number {
  const args = ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', file];
  return Number(execFileSync('ffprobe', args, { encoding: 'utf8' }));
}

/** Types of the boxes that an MP4 file begins with, after checking all of its boxes. */
export function topBoxesOf(file: string): string[] {
  const bytes = readFileSync(file);
  expect(checkMp4(bytes)).toEqual([]);
  const types: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const small = bytes.readUInt32BE(at);
    types.push(bytes.toString('latin1', at + 4, at + 8));
    at += small === 1 ? Number(bytes.readBigUInt64BE(at + 8)) : small;
  }
  return types;
}
