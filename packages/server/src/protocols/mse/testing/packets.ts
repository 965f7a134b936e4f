import type { MediaPacket, Track } from '@sluice/media';
import type { Publisher, Stream } from '../../../core/index.ts';

export const VIDEO: Track = {
  id: 0,
  kind: 'video',
  codec: 'h264',
  clockRate: 90_000,
  parameters: [
    Buffer.from('6742c01ed900a02ff97011000003000100000300320f162e48', 'hex'),
    Buffer.from('68cb83cb20', 'hex'),
  ],
};

export const AUDIO: Track = {
  id: 1,
  kind: 'audio',
  codec: 'aac',
  clockRate: 48_000,
  parameters: [Uint8Array.of(0x11, 0x90)],
};

export const PUBLISHER: Publisher = { sessionId: 'test', close: () => {} };

/** Microseconds of an AAC frame at 48 kHz. */
export const AAC_FRAME_US = 1024 / 0.048;

/** A packet whose one unit has `bytes` bytes. */
export function packet(track: Track, ms: number, options: { key?: boolean; bytes?: number } = {}): MediaPacket {
  const { key = true, bytes = 100 } = options;
  const unit = new Uint8Array(bytes).fill(0x5a);
  if (track.kind === 'video') unit[0] = key ? 0x65 : 0x41;
  const timeUs = Math.round(ms * 1000);
  return { track, units: [unit], ptsUs: timeUs, dtsUs: timeUs, key, byteLength: bytes };
}

/** Declares the tracks as encoders do, then publishes 25 pictures a second, and sound as AAC has it. */
export function feed(stream: Stream, range: { fromMs: number; toMs: number; gopMs?: number; bytes?: number }): void {
  const { fromMs, toMs, gopMs = 1000, bytes = 100 } = range;
  stream.setTrack(VIDEO);
  stream.setTrack(AUDIO);
  const frameMs = AAC_FRAME_US / 1000;
  let sound = Math.ceil(fromMs / frameMs);
  for (let ms = fromMs; ms < toMs; ms += 40) {
    stream.publish(packet(VIDEO, ms, { key: (ms - fromMs) % gopMs === 0, bytes }));
    for (; sound * frameMs < ms + 40; sound++) stream.publish(packet(AUDIO, sound * frameMs));
  }
}
