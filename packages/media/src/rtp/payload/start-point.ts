import type { Codec } from '../../packet.ts';
import { isAv1StartPoint } from './av1.ts';
import { isH264StartPoint } from './h264.ts';
import { isH265StartPoint } from './h265.ts';
import { isVp8StartPoint } from './vp8.ts';
import { isVp9StartPoint } from './vp9.ts';

/**
 * True when this payload may be the first one of a frame that a decoder can start with, which is what a forwarder of
 * single packets needs to know. Always true for sound. Never throws, allocates next to nothing.
 *
 * Where parameter sets have packets of their own before the picture's, several say true (VPS, SPS, first slice): the
 * first packet of a timestamp that does is the start.
 */
export function isRtpStartPoint(codec: Codec, payload: Uint8Array): boolean {
  if (payload.length === 0) return false;
  switch (codec) {
    case 'h264':
      return isH264StartPoint(payload);
    case 'h265':
      return isH265StartPoint(payload);
    case 'av1':
      return isAv1StartPoint(payload);
    case 'vp8':
      return isVp8StartPoint(payload);
    case 'vp9':
      return isVp9StartPoint(payload);
    case 'mjpeg':
      // Type-specific byte, then the offset of the fragment in the frame (RFC 2435 §3.1).
      return payload.length > 8 && payload[1] === 0 && payload[2] === 0 && payload[3] === 0;
    case 'flv1':
    case 'mpeg1':
      return false;
    case 'aac':
    case 'opus':
    case 'pcma':
    case 'pcmu':
    case 'g722':
    case 'g726':
    case 'l16':
    case 'speex':
      return true;
  }
}
