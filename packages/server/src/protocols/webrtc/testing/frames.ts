import type { MediaPacket, Track } from '@sluice/media';
import type { Stream } from '../../../core/index.ts';

export const FRAME_US = 40_000;
/** 320x240, constrained baseline. */
export const AVC: Track = {
  id: 1,
  kind: 'video',
  codec: 'h264',
  clockRate: 90_000,
  parameters: [Buffer.from('6742c01fda0507ff40', 'hex'), Uint8Array.of(0x68, 1)],
};
export const OPUS: Track = { id: 2, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };

/** One frame of `bytes` with its sound, at that place of the stream; a key frame first of each `gop`. */
export function frame(stream: Stream, at: number, { gop = 25, bytes = 3 } = {}): void {
  const dtsUs = at * FRAME_US;
  const key = at % gop === 0;
  const unit = new Uint8Array(bytes).fill(7);
  unit[0] = key ? 0x65 : 0x41;
  const video: MediaPacket = { track: AVC, units: [unit], ptsUs: dtsUs, dtsUs, key, byteLength: bytes };
  stream.publish(video);
  stream.publish({ track: OPUS, units: [Uint8Array.of(1, 2, at)], ptsUs: dtsUs, dtsUs, key: true, byteLength: 3 });
}
