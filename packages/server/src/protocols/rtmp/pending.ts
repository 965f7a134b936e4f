import type { MediaPacket } from '@sluice/media';
export function silentFrame(_p: MediaPacket): Uint8Array | undefined {
  return undefined;
}
export function withMaxDecFrameBuffering(sps: Uint8Array, _v: number): Uint8Array {
  return sps;
}
