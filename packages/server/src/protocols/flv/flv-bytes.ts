import {
  type Codec,
  type MediaPacket,
  type Track,
  writeAacConfigTag,
  writeAacFrameTag,
  writeAvcConfig,
  writeAvcConfigTag,
  writeAvcFrameTag,
} from '@sluice/media';

export function isFlvCarriable(codec: Codec): boolean {
  return codec === 'h264' || codec === 'aac';
}

export function flvConfigTag(track: Track): Uint8Array | undefined {
  if (track.kind === 'video') return writeAvcConfigTag(writeAvcConfig(track.parameters));
  return writeAacConfigTag(track.parameters[0] ?? new Uint8Array(0));
}

export function flvFrameTag(packet: MediaPacket): Uint8Array {
  if (packet.track.kind === 'audio') return writeAacFrameTag(packet.units[0] ?? new Uint8Array(0));
  const compositionMs = Math.round(packet.ptsUs / 1000) - Math.round(packet.dtsUs / 1000);
  return writeAvcFrameTag(packet.units, packet.key, compositionMs);
}
