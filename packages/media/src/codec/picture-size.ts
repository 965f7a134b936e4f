import { type MediaPacket, ProtocolError } from '../packet.ts';
import { BitReader } from './bits.ts';
import { videoSize } from './describe.ts';
import { jpegSize } from './jpeg.ts';
import { parseVp8KeyFrame } from './vp8.ts';
import { parseVp9KeyFrame } from './vp9.ts';

/** Sizes that a Sorenson Spark picture names by number; 0 and 1 say it themselves. */
const SORENSON_SIZES: readonly (readonly [width: number, height: number] | undefined)[] = [
  undefined,
  undefined,
  [352, 288],
  [176, 144],
  [128, 96],
  [320, 240],
  [160, 120],
];

/**
 * Picture size in pixels of a key frame: from its track where that tells, otherwise (VP8, VP9, Sorenson Spark, Motion JPEG)
 * from the frame itself. Undefined for other frames, for audio, and when it can't be parsed.
 */
export function pictureSize(packet: MediaPacket): { width: number; height: number } | undefined {
  const { track, units, key } = packet;
  const known = videoSize(track);
  if (known !== undefined) return { width: known.width, height: known.height };
  const [frame] = units;
  if (frame === undefined || !key) return undefined;
  try {
    switch (track.codec) {
      case 'vp8':
        return parseVp8KeyFrame(frame);
      case 'vp9':
        return sizeOf(parseVp9KeyFrame(frame));
      case 'flv1':
        return sorensonSize(frame);
      case 'mjpeg':
        return jpegSize(frame);
      default:
        return undefined;
    }
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

function sizeOf({ width, height }: { width: number; height: number }): { width: number; height: number } {
  return { width, height };
}

/** Adobe FLV 10.1 has the header of Sorenson Spark in "H263VIDEOPACKET": start code, version, time, size. */
function sorensonSize(frame: Uint8Array): { width: number; height: number } | undefined {
  const reader = new BitReader(frame);
  if (reader.bits(17) !== 1) return undefined;
  reader.bits(5 + 8);
  const kind = reader.bits(3);
  if (kind <= 1) return { width: reader.bits(kind === 0 ? 8 : 16), height: reader.bits(kind === 0 ? 8 : 16) };
  const size = SORENSON_SIZES[kind];
  return size && { width: size[0], height: size[1] };
}
