import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUVJ420P,
  AV_PIX_FMT_YUVJ422P,
  AV_PIX_FMT_YUVJ444P,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_RGB,
  type AVPixelFormat,
  SWS_BILINEAR,
} from 'node-av/constants';
import { type CodecContext, Frame, Rational, SoftwareScaleContext } from 'node-av/lib';
import { Encoder, mustSucceed } from './codec.ts';

/** A decoded picture; valid only while its decoder hands it over. */
export type Picture = Frame;

/** What must be equal for two pictures to go through the same scaler and encoder. */
export function pictureFormatKey(picture: Picture): string {
  const { width, height, format, sampleAspectRatio, colorRange, colorSpace } = picture;
  return `${width}x${height}/${format}/${sampleAspectRatio.num}:${sampleAspectRatio.den}/${colorRange}/${colorSpace}`;
}

/** True for pictures that an encoder of H.264 in 4:2:0 takes as they are. */
function isEncodable({ width, height, format }: Picture): boolean {
  const isPlain = format === AV_PIX_FMT_YUV420P || format === AV_PIX_FMT_YUVJ420P;
  return isPlain && width % 2 === 0 && height % 2 === 0;
}

/** Formats whose name says that they use the whole range of values, as Motion JPEG does. */
const FULL_RANGE: ReadonlySet<number> = new Set([AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUVJ444P]);

/** The format of 4:2:0 with the range of values that a picture has. */
function encodedFormat({ format }: Picture): AVPixelFormat {
  return FULL_RANGE.has(format) ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
}

/** Brings pictures of one form into 8 bits, 4:2:0 and an even size; those that have it are handed on. */
export class PictureFitter {
  readonly width: number;
  readonly height: number;
  readonly #context: SoftwareScaleContext | undefined;
  readonly #fitted = new Frame();
  #open = true;

  /** @throws NativeError when FFmpeg can't convert such pictures */
  constructor(like: Picture) {
    this.width = Math.max(2, like.width & ~1);
    this.height = Math.max(2, like.height & ~1);
    if (isEncodable(like)) return;
    this.#fitted.alloc();
    this.#fitted.format = encodedFormat(like);
    this.#fitted.width = this.width;
    this.#fitted.height = this.height;
    this.#context = new SoftwareScaleContext();
    try {
      mustSucceed(this.#fitted.getBuffer(), 'allocating a picture');
      const from = [like.width, like.height, like.format as AVPixelFormat] as const;
      this.#context.getContext(...from, this.width, this.height, encodedFormat(like), SWS_BILINEAR);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The picture, fitted; valid until the next call and as long as the given one. @throws NativeError */
  fit(picture: Picture): Picture {
    if (!this.#context) return picture;
    mustSucceed(this.#fitted.makeWritable(), 'writing to a picture');
    mustSucceed(this.#context.scaleFrameSync(this.#fitted, picture), 'scaling a picture');
    return this.#fitted;
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#context?.freeContext();
    this.#fitted.free();
  }
}

export interface H264Settings {
  readonly width: number;
  readonly height: number;
  /** Rate control takes every picture to last this much of a second. */
  readonly fps: number;
  readonly bitrateBps: number;
  readonly preset: string;
  /** Level of H.264 times ten, as in its SPS. */
  readonly level: number;
}

/** Opens x264 for constrained baseline without any delay; its times are microseconds. @throws NativeError */
export function openX264(settings: H264Settings, like: Picture): Encoder {
  const { width, height, fps, bitrateBps, preset, level } = settings;
  return new Encoder({
    name: 'libx264',
    options: {
      preset,
      tune: 'zerolatency',
      profile: 'baseline',
      level: (level / 10).toFixed(1),
      'forced-idr': 1,
      // Key frames come when they are asked for, and at no other time.
      'x264-params': 'scenecut=0:keyint=infinite',
      flags: '+global_header',
    },
    configure: (context) => {
      context.width = width;
      context.height = height;
      context.pixelFormat = encodedFormat(like);
      context.sampleAspectRatio = like.sampleAspectRatio;
      context.timeBase = new Rational(1, 1_000_000);
      context.framerate = new Rational(Math.round(fps * 1000), 1000);
      context.bitRate = BigInt(bitrateBps);
      context.rcMaxRate = BigInt(bitrateBps);
      context.rcBufferSize = bitrateBps;
      setColours(context, like);
    },
  });
}

/** Players show the colours right when they are told what the source's players were told. */
function setColours(context: CodecContext, like: Picture): void {
  context.colorRange = FULL_RANGE.has(like.format) ? AVCOL_RANGE_JPEG : like.colorRange;
  // A picture that was RGB has been made into what players expect without being told.
  if (like.colorSpace === AVCOL_SPC_RGB) return;
  context.colorSpace = like.colorSpace;
  context.colorPrimaries = like.colorPrimaries;
  context.colorTrc = like.colorTrc;
}

/** Gives a picture its time, and makes a key frame of it or leaves that to the encoder. */
export function markPicture(picture: Picture, timeUs: number, isKey: boolean): void {
  picture.pts = BigInt(timeUs);
  // What the decoder says it was would make the encoder copy the source's key frames.
  picture.pictType = isKey ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
}
