import type { Codec } from '../../packet.ts';
import { isH264StartPoint } from './h264.ts';
import { isVp8StartPoint } from './vp8.ts';

/**
 * True when this payload may be the first one of a frame that a decoder can start with, which is what a forwarder of
 * single packets needs to know. Always true for audio. Never throws, allocates next to nothing.
 *
 * Where parameter sets have a packet of their own before the picture's, both say true: the first packet of a timestamp
 * that does is the start.
 */
export function isRtpStartPoint(codec: Codec, payload: Uint8Array): boolean {
  if (payload.length === 0) return false;
  switch (codec) {
    case 'h264':
      return isH264StartPoint(payload);
    case 'vp8':
      return isVp8StartPoint(payload);
    default:
      return true;
  }
}
