import { type FileHandle, open, readFile } from 'node:fs/promises';
import {
  FlvAudioReader,
  FlvDemuxer,
  type FlvFrame,
  FlvVideoReader,
  type MediaPacket,
  openMediaFile,
} from '@sluice/media';
import type { Clip, ClipTrack } from './clip.ts';

/** Files are held in memory as a whole. */
const MAX_FILE_BYTES = 512 * 1024 * 1024;
/** What the last packet of a track lasts where nothing tells it. */
const USUAL_PACKET_US = 40_000;

/**
 * A file that is sent again and again, as it is: MP4, WebM or FLV.
 * @throws Error for files that can not be read, are too large, or have no picture
 */
export async function fileClip(path: string): Promise<Clip> {
  const packets = path.toLowerCase().endsWith('.flv') ? await flvPackets(path) : await containerPackets(path);
  const loopUs = Math.max(0, ...(['video', 'audio'] as const).map((kind) => endOf(ofKind(packets, kind))));
  const video = clipTrack(ofKind(packets, 'video'), loopUs);
  if (video === undefined) throw new Error(`${path} has no picture that can be sent`);
  return { video, audio: clipTrack(ofKind(packets, 'audio'), loopUs), canRestart: false };
}

function ofKind(packets: readonly MediaPacket[], kind: 'video' | 'audio'): MediaPacket[] {
  return packets.filter(({ track }) => track.kind === kind);
}

/** When the packet after the last one would begin. */
function endOf(packets: readonly MediaPacket[]): number {
  const last = packets.at(-1)?.dtsUs ?? 0;
  const before = packets.at(-2)?.dtsUs ?? last - USUAL_PACKET_US;
  return packets.length === 0 ? 0 : last + (last - before);
}

function clipTrack(packets: readonly MediaPacket[], loopUs: number): ClipTrack | undefined {
  const [first] = packets;
  return first === undefined ? undefined : { track: first.track, packets, loopUs };
}

async function containerPackets(path: string): Promise<MediaPacket[]> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    checkSize(path, size);
    const reader = await openMediaFile({ size, read: (offset, length) => readExactly(file, offset, length) });
    const packets: MediaPacket[] = [];
    for await (const packet of reader.readPackets()) packets.push(packet);
    return packets;
  } finally {
    await file.close();
  }
}

async function readExactly(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

async function flvPackets(path: string): Promise<MediaPacket[]> {
  const bytes = await readFile(path);
  checkSize(path, bytes.length);
  const video = new FlvVideoReader(0);
  const audio = new FlvAudioReader(1);
  const packets: MediaPacket[] = [];
  for (const { type, timestampMs, data } of new FlvDemuxer().push(bytes)) {
    if (type === 18) continue;
    const frame = type === 9 ? video.read(data) : audio.read(data);
    if (frame !== undefined) packets.push(flvPacket(frame, timestampMs * 1000));
  }
  return packets;
}

function flvPacket({ track, units, key, compositionUs }: FlvFrame, dtsUs: number): MediaPacket {
  const byteLength = units.reduce((sum, unit) => sum + unit.length, 0);
  return { track, units, key, dtsUs, ptsUs: dtsUs + compositionUs, byteLength };
}

function checkSize(path: string, bytes: number): void {
  if (bytes > MAX_FILE_BYTES) throw new Error(`${path} is larger than ${MAX_FILE_BYTES >> 20} MiB`);
}
