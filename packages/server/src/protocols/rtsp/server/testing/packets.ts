import type { MediaPacket, Track } from '@sluice/media';

export const VIDEO: Track = {
  id: 0,
  kind: 'video',
  codec: 'h264',
  clockRate: 90_000,
  parameters: [
    Uint8Array.from(Buffer.from('6742c01ed900a02ff97011000003000100000300320f162e48', 'hex')),
    Uint8Array.from(Buffer.from('68cb83cb20', 'hex')),
  ],
};

export const AUDIO: Track = {
  id: 1,
  kind: 'audio',
  codec: 'aac',
  clockRate: 48_000,
  parameters: [Uint8Array.of(0x11, 0x90)],
};

/** A packet with one unit of `bytes` bytes, which looks like a picture of H.264. */
export function packet(track: Track, ms: number, key = true, bytes = 100): MediaPacket {
  const us = ms * 1000;
  const unit = new Uint8Array(bytes).fill(0x5a);
  unit[0] = key ? 0x65 : 0x41;
  return { track, units: [unit], ptsUs: us, dtsUs: us, key: track.kind === 'audio' || key, byteLength: bytes };
}
