import { AV_PIX_FMT_YUV420P } from 'node-av/constants';
import { Rational } from 'node-av/lib';
import { Encoder } from './codec.ts';

export interface Mpeg1Settings {
  readonly width: number;
  readonly height: number;
  /** One of those that MPEG-1 knows, as numerator and denominator. */
  readonly rate: readonly [number, number];
  readonly bitrateBps: number;
}

/** Longer than any distance of key frames: they come when they are asked for. */
const GROUP_PICTURES = 600;

/** Opens an encoder of MPEG-1 video; its times are numbers of pictures, one after the other. @throws NativeError */
export function openMpeg1({ width, height, rate: [num, den], bitrateBps }: Mpeg1Settings): Encoder {
  return new Encoder({
    name: 'mpeg1video',
    options: { sc_threshold: 1_000_000_000 },
    configure: (context) => {
      context.width = width;
      context.height = height;
      context.pixelFormat = AV_PIX_FMT_YUV420P;
      context.timeBase = new Rational(den, num);
      context.framerate = new Rational(num, den);
      context.bitRate = BigInt(bitrateBps);
      context.rcMaxRate = BigInt(Math.round(bitrateBps * 1.2));
      context.rcBufferSize = bitrateBps;
      context.gopSize = GROUP_PICTURES;
      context.maxBFrames = 0;
    },
  });
}
