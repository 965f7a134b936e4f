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
import { type CodecContext, Frame, SoftwareScaleContext } from 'node-av/lib';
import { mustSucceed } from './codec.ts';

/** A decoded picture; valid only while its decoder hands it over. */
export type Picture = Frame;

/** What must be equal for two pictures to go through the same scaler and encoder. */
export function pictureFormatKey(picture: Picture): string {
  const { width, height, format, sampleAspectRatio, colorRange, colorSpace } = picture;
  return `${width}x${height}/${format}/${sampleAspectRatio.num}:${sampleAspectRatio.den}/${colorRange}/${colorSpace}`;
}

/** Formats whose name says that they use the whole range of values, as Motion JPEG does. */
const FULL_RANGE: ReadonlySet<number> = new Set([AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUVJ444P]);

/** True for pictures with the whole range of values. */
export function isFullRange({ format, colorRange }: Picture): boolean {
  return FULL_RANGE.has(format) || colorRange === AVCOL_RANGE_JPEG;
}

/** The format of 4:2:0 in planes with the range of values that a picture has. */
export function planarFormat({ format }: Picture): AVPixelFormat {
  return FULL_RANGE.has(format) ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
}

export interface FittedForm {
  readonly width: number;
  readonly height: number;
  readonly format: AVPixelFormat;
}

/** Brings pictures of one form into the size and format of an encoder; those that have them are handed on. */
export class PictureFitter {
  readonly #context: SoftwareScaleContext | undefined;
  readonly #fitted = new Frame();
  #open = true;

  /** @throws NativeError when FFmpeg can't convert such pictures */
  constructor(like: Picture, { width, height, format }: FittedForm) {
    const isPlain = like.format === format || (like.format === AV_PIX_FMT_YUVJ420P && format === AV_PIX_FMT_YUV420P);
    if (isPlain && like.width === width && like.height === height) return;
    this.#fitted.alloc();
    this.#fitted.format = format;
    this.#fitted.width = width;
    this.#fitted.height = height;
    this.#context = new SoftwareScaleContext();
    try {
      mustSucceed(this.#fitted.getBuffer(), 'allocating a picture');
      const from = [like.width, like.height, like.format as AVPixelFormat] as const;
      this.#context.getContext(...from, width, height, format, SWS_BILINEAR);
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

/** Players show the colours right when they are told what the source's players were told. */
export function setColours(context: CodecContext, like: Picture): void {
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
