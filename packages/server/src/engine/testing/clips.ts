import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FlvAudioReader,
  FlvDemuxer,
  FlvVideoReader,
  g711Track,
  isVp8Key,
  type MediaPacket,
  Mp4Reader,
  type Track,
  vp8Track,
  writeInitSegment,
  writeMediaSegment,
} from '@sluice/media';

/** Runs the system's ffmpeg; what it writes to its output. */
export function ffmpeg(args: readonly string[], input?: Uint8Array): Buffer {
  return execFileSync('ffmpeg', ['-v', 'error', '-y', ...args], { input, maxBuffer: 1 << 28 });
}

/** The packets of one file that ffmpeg makes of these arguments: all its tracks, in the order of the file. */
export async function mp4Clip(args: readonly string[]): Promise<MediaPacket[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-engine-'));
  try {
    ffmpeg([...args, join(folder, 'clip.mp4')]);
    const bytes = new Uint8Array(readFileSync(join(folder, 'clip.mp4')));
    const read = (offset: number, length: number) => Promise.resolve(bytes.subarray(offset, offset + length));
    const reader = await Mp4Reader.open({ size: bytes.length, read });
    const packets: MediaPacket[] = [];
    for await (const packet of reader.readPackets()) packets.push(packet);
    return packets;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** As {@link mp4Clip}, for what only FLV holds: Speex and Sorenson Spark. */
export function flvClip(args: readonly string[]): MediaPacket[] {
  const [video, audio] = [new FlvVideoReader(0), new FlvAudioReader(1)];
  const packets: MediaPacket[] = [];
  for (const { type, timestampMs, data } of new FlvDemuxer().push(ffmpeg([...args, '-f', 'flv', '-']))) {
    if (type === 18) continue;
    const frame = type === 9 ? video.read(data) : audio.read(data);
    if (!frame) continue;
    const { track, units, key, compositionUs } = frame;
    const dtsUs = timestampMs * 1000;
    packets.push(packetOf(track, units, { ptsUs: dtsUs + compositionUs, dtsUs, key }));
  }
  return packets;
}

/** VP8 out of an IVF file. */
export function vp8Clip(args: readonly string[]): MediaPacket[] {
  const file = ffmpeg([...args, '-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-f', 'ivf', '-']);
  const usPerTick = (file.readUInt32LE(20) * 1e6) / file.readUInt32LE(16);
  const track = vp8Track(0);
  const packets: MediaPacket[] = [];
  for (let at = 32; at < file.length; ) {
    const end = at + 12 + file.readUInt32LE(at);
    const frame = new Uint8Array(file.subarray(at + 12, end));
    const timeUs = Math.round(Number(file.readBigUInt64LE(at + 4)) * usPerTick);
    packets.push(packetOf(track, [frame], { ptsUs: timeUs, dtsUs: timeUs, key: isVp8Key(frame) }));
    at = end;
  }
  return packets;
}

/** A-law or mu-law in packets of 20 ms. */
export function g711Clip(codec: 'pcma' | 'pcmu', source: readonly string[]): MediaPacket[] {
  const format = codec === 'pcma' ? 'alaw' : 'mulaw';
  return cut(g711Track(1, codec), ffmpeg([...source, '-ar', '8000', '-ac', '1', '-f', format, '-']));
}

/** Packets of 20 ms of a codec with 8000 bytes a second. */
export function cut(track: Track, bytes: Uint8Array): MediaPacket[] {
  return Array.from({ length: Math.floor(bytes.length / 160) }, (_, index) => {
    const times = { ptsUs: index * 20_000, dtsUs: index * 20_000, key: true };
    return packetOf(track, [new Uint8Array(bytes.subarray(index * 160, (index + 1) * 160))], times);
  });
}

/** Packets of 20 ms of sound that ffmpeg writes in a raw format with that many bytes a second. */
export function rawClip(track: Track, args: readonly string[], bytesPerSecond: number): MediaPacket[] {
  const bytes = ffmpeg([...args, '-']);
  const packetBytes = bytesPerSecond / 50;
  return Array.from({ length: Math.floor(bytes.length / packetBytes) }, (_, index) => {
    const times = { ptsUs: index * 20_000, dtsUs: index * 20_000, key: true };
    return packetOf(track, [new Uint8Array(bytes.subarray(index * packetBytes, (index + 1) * packetBytes))], times);
  });
}

/** Motion JPEG, each packet a whole file. */
export function jpegClip(args: readonly string[], fps: number): MediaPacket[] {
  const bytes = ffmpeg([...args, '-c:v', 'mjpeg', '-f', 'mjpeg', '-']);
  const track: Track = { id: 0, kind: 'video', codec: 'mjpeg', clockRate: 90_000, parameters: [] };
  const packets: MediaPacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    const next = bytes.indexOf(Buffer.of(0xff, 0xd8, 0xff), at + 2);
    const end = next < 0 ? bytes.length : next;
    const timeUs = Math.round((packets.length * 1e6) / fps);
    packets.push(
      packetOf(track, [new Uint8Array(bytes.subarray(at, end))], { ptsUs: timeUs, dtsUs: timeUs, key: true }),
    );
    at = end;
  }
  return packets;
}

export function packetOf(
  track: Track,
  units: readonly Uint8Array[],
  times: { ptsUs: number; dtsUs: number; key: boolean },
): MediaPacket {
  return { track, units, ...times, byteLength: units.reduce((sum, { length }) => sum + length, 0) };
}

/** A fragmented MP4 of these packets of one track; the first one's time is zero in it. */
export function mp4Of(packets: readonly MediaPacket[]): Uint8Array {
  const first = packets[0];
  if (!first) throw new Error('no packets');
  const samples = packets.map((packet, index) => ({
    packet,
    durationUs: (packets[index + 1]?.dtsUs ?? packet.dtsUs + 20_000) - packet.dtsUs,
  }));
  const init = writeInitSegment([first.track]);
  return Buffer.concat([init, writeMediaSegment(1, [{ track: first.track, samples }], { baseUs: first.dtsUs })]);
}

/** Mono sound, decoded. */
export interface Sound {
  readonly rate: number;
  readonly startUs: number;
  readonly samples: Int16Array;
}

/** What a decoder makes of the packets; its first sample has the first packet's time. */
export function decodeSound(packets: readonly MediaPacket[]): Sound {
  const [first] = packets;
  if (!first) throw new Error('no packets');
  const { codec } = first.track;
  const raw = { pcma: ['alaw', '8000'], pcmu: ['mulaw', '8000'], g722: ['g722', '16000'] }[codec as 'pcma'];
  const rate = raw ? Number(raw[1]) : 48_000;
  const input = raw ? Buffer.concat(packets.flatMap(({ units }) => units)) : mp4Of(packets);
  const format = raw ? ['-f', raw[0] ?? '', ...(raw[0] === 'g722' ? [] : ['-ar', '8000'])] : [];
  const pcm = ffmpeg([...format, '-i', '-', '-f', 's16le', '-ac', '1', '-ar', String(rate), '-'], input);
  const samples = new Int16Array(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.length));
  return { rate, startUs: first.ptsUs, samples };
}

/** The time of the first sample that is louder than `level`, in microseconds. */
export function firstLoudUs({ rate, startUs, samples }: Sound, level = 3000): number {
  return startUs + (samples.findIndex((sample) => Math.abs(sample) > level) * 1e6) / rate;
}

/** The share of a sound's energy that lies at a frequency, between two times: 1 for a pure tone (Goertzel). */
export function toneShare(sound: Sound, hertz: number, [fromUs, toUs]: readonly [number, number]): number {
  const index = (us: number) => Math.round(((us - sound.startUs) * sound.rate) / 1e6);
  const samples = sound.samples.subarray(index(fromUs), index(toUs));
  const factor = 2 * Math.cos((2 * Math.PI * hertz) / sound.rate);
  let [before, last, energy] = [0, 0, 0];
  for (const sample of samples) {
    [before, last] = [last, sample + factor * last - before];
    energy += sample * sample;
  }
  const power = last * last + before * before - factor * last * before;
  return (2 * power) / (samples.length * energy);
}
