import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { type FragmentSample, type MediaPacket, openMediaFile } from '@sluice/media';
import type { RecordingContainer } from '../../core/index.ts';
import { containerWriter } from '../writing/container-writer.ts';

/** Two kinds of media that ffmpeg makes: a picture that moves, 30 a second, and a tone. */
const MEDIA = {
  'h264-aac': ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '30', '-pix_fmt', 'yuv420p', '-c:a', 'aac'],
  'vp8-opus': ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', '30', '-c:a', 'libopus'],
} as const;

/** All packets of so many seconds of media. */
export async function mediaPackets(kind: keyof typeof MEDIA, seconds: number, folder: string): Promise<MediaPacket[]> {
  const path = `${folder}/${kind}-${seconds}.${kind === 'h264-aac' ? 'mp4' : 'webm'}`;
  const picture = ['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=30:duration=${seconds}`];
  const tone = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${seconds}`];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...picture, ...tone, ...MEDIA[kind], '-ac', '2', path]);
  const bytes = readFileSync(path);
  const read = (offset: number, length: number) => Promise.resolve(bytes.subarray(offset, offset + length));
  const packets: MediaPacket[] = [];
  for await (const packet of (await openMediaFile({ size: bytes.length, read })).readPackets()) packets.push(packet);
  const shiftUs = -Math.min(0, ...packets.map(({ dtsUs }) => dtsUs));
  return packets.map((one) => ({ ...one, dtsUs: one.dtsUs + shiftUs, ptsUs: one.ptsUs + shiftUs }));
}

/** Writes packets as a recording does, a second to a fragment; answers the places where its fragments end. */
export function writeLikeRecording(
  path: string,
  container: RecordingContainer,
  packets: readonly MediaPacket[],
): number[] {
  const tracks = [...new Map(packets.map(({ track }) => [track.id, track])).values()].sort((a, b) => a.id - b.id);
  const firstPicture = packets.find(({ track }) => track.kind === 'video');
  const writer = containerWriter(container, tracks, {
    baseUs: 0,
    createdAtMs: 1_700_000_000_000,
    reservedBytes: 0,
    firstPicture,
  });
  const lanes = tracks.map((track) => ({
    track,
    samples: samplesOf(packets.filter((one) => one.track.id === track.id)),
  }));
  const endUs = Math.max(...packets.map(({ dtsUs }) => dtsUs));
  const pieces = [writer.head()];
  for (let fromUs = 0; fromUs <= endUs; fromUs += 1e6) {
    const isInside = ({ packet: { dtsUs } }: FragmentSample): boolean => dtsUs >= fromUs && dtsUs < fromUs + 1e6;
    pieces.push(writer.fragment(lanes.map(({ track, samples }) => ({ track, samples: samples.filter(isInside) }))));
  }
  writeFileSync(path, Buffer.concat(pieces));
  let end = 0;
  return pieces.map(({ length }) => (end += length));
}

function samplesOf(packets: readonly MediaPacket[]): FragmentSample[] {
  return packets.map((packet, i) => {
    const neighbour = packets[i + 1] ?? packets[i - 1] ?? packet;
    return { packet, durationUs: Math.abs(neighbour.dtsUs - packet.dtsUs) };
  });
}

/** What ffprobe says of a file. */
export interface Probed {
  readonly durationMs: number;
  readonly streams: readonly { readonly codec: string; readonly packets: number; readonly startMs: number }[];
}

/** Reads all packets of a file with ffprobe; fails when it complains. */
export function probe(path: string): Probed {
  const wanted = 'stream=codec_name,nb_read_packets,start_time:format=duration';
  const options = ['-v', 'warning', '-count_packets', '-show_entries', wanted, '-of', 'json', path];
  const { status, stdout, stderr } = run('ffprobe', options);
  if (status !== 0 || stderr !== '') throw new Error(`ffprobe of ${path}: ${stderr}`);
  const { streams, format } = JSON.parse(stdout) as {
    streams: { codec_name: string; nb_read_packets: string; start_time: string }[];
    format: { duration: string };
  };
  return {
    durationMs: Number(format.duration) * 1000,
    streams: streams.map((one) => ({
      codec: one.codec_name,
      packets: Number(one.nb_read_packets),
      startMs: Number(one.start_time) * 1000,
    })),
  };
}

/** Decodes a file with ffmpeg, which must not complain. */
export function decode(path: string): void {
  const { status, stderr } = run('ffmpeg', ['-v', 'error', '-i', path, '-map', '0', '-f', 'null', '-']);
  if (status !== 0 || stderr !== '') throw new Error(`ffmpeg of ${path}: ${stderr}`);
}

function run(program: string, options: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(program, options, { encoding: 'utf8', maxBuffer: 1 << 26 });
}
