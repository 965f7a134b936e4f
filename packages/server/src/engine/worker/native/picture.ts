import {
  AV_FRAME_FLAG_CORRUPT,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_UNSPECIFIED,
} from 'node-av/constants';
import { Frame, Rational, SoftwareScaleContext } from 'node-av/lib';
import { Encoder, mustSucceed, NativeError } from './codec.ts';

/** The newest undamaged one of the pictures that it is shown. */
export class KeptPicture {
  readonly #frame = new Frame();
  #any = false;
  #open = true;

  constructor() {
    this.#frame.alloc();
  }

  /** Undefined while there is none. */
  get frame(): Frame | undefined {
    return this.#any ? this.#frame : undefined;
  }

  /** Takes a decoder's picture in place of the one before. Nothing is copied. */
  keep(picture: Frame): void {
    // Decoders hide what is missing; somebody who looks at one picture for long sees it all the same.
    if (picture.decodeErrorFlags !== 0 || picture.hasFlags(AV_FRAME_FLAG_CORRUPT)) return;
    this.#frame.unref();
    this.#any = false;
    mustSucceed(this.#frame.ref(picture), 'keeping a picture');
    this.#any = true;
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#any = false;
    this.#frame.free();
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** JPEG has 16 bits for a side; nobody looks at more than this. */
const MAX_SIDE = 8192;
/** Pixels that are said to be longer than this are a mistake. */
const MAX_PIXEL_RATIO = 16;

/** The size in square pixels that a picture gets in a box (see PictureMessage), at most `maxPixels` large. */
export function pictureSizeFor(
  picture: Frame,
  box: Partial<Record<keyof Size, number | undefined>>,
  maxPixels: number,
): Size {
  const { num, den } = picture.sampleAspectRatio;
  const ratio = num > 0 && den > 0 && num / den <= MAX_PIXEL_RATIO && den / num <= MAX_PIXEL_RATIO ? num / den : 1;
  // Only ever stretched: none of its lines and columns is lost.
  const width = picture.width * Math.max(1, ratio);
  const height = picture.height * Math.max(1, 1 / ratio);
  const asked =
    box.width === undefined && box.height === undefined
      ? 1
      : Math.min((box.width ?? Number.POSITIVE_INFINITY) / width, (box.height ?? Number.POSITIVE_INFINITY) / height);
  const scale = Math.min(asked, MAX_SIDE / width, MAX_SIDE / height, Math.sqrt(maxPixels / (width * height)));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

export interface FileForm extends Size {
  readonly format: 'png' | 'jpeg';
  /** 1 to 100, of JPEG. */
  readonly quality: number;
}

/** A picture as a file of that size. @throws NativeError */
export function encodePicture(picture: Frame, form: FileForm): Buffer {
  const fitted = fittedPicture(picture, form);
  try {
    fitted.pts = 0n;
    // The encoder takes it from here, not from its own settings.
    fitted.quality = Math.round(quantizerOf(form.quality) * LAMBDA);
    const encoder = openEncoder(form);
    try {
      let file: Buffer | undefined;
      const accepted = encoder.encode(fitted, ({ bytes }) => {
        file = bytes;
      });
      if (!accepted || file === undefined) throw new NativeError('the picture could not be encoded');
      return file;
    } finally {
      encoder.close();
    }
  } finally {
    fitted.free();
  }
}

/** Lines from which on players take pictures that do not tell it for ones with the colours of HD (BT.709). */
const HD_LINES = 720;

/** The picture in the size and colours of the file, to be freed. Files of JPEG have BT.601, full range (JFIF). */
function fittedPicture(picture: Frame, { format, width, height }: FileForm): Frame {
  if (picture.colorSpace === AVCOL_SPC_UNSPECIFIED)
    picture.colorSpace = picture.height >= HD_LINES ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
  const fitted = new Frame();
  const context = new SoftwareScaleContext();
  try {
    fitted.alloc();
    fitted.format = format === 'png' ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_YUVJ420P;
    fitted.width = width;
    fitted.height = height;
    fitted.colorRange = AVCOL_RANGE_JPEG;
    fitted.colorSpace = format === 'png' ? AVCOL_SPC_RGB : AVCOL_SPC_SMPTE170M;
    mustSucceed(fitted.getBuffer(), 'allocating a picture');
    // Without a set-up of its own it takes colours and sizes from the frames.
    context.allocContext();
    mustSucceed(context.scaleFrameSync(fitted, picture), 'scaling a picture');
    return fitted;
  } catch (error) {
    fitted.free();
    throw error;
  } finally {
    context.freeContext();
  }
}

/** FFmpeg's unit of quality, FF_QP2LAMBDA. */
const LAMBDA = 118;
const BEST_QUANTIZER = 2;
const WORST_QUANTIZER = 31;

/** Half the time of zlib's default for a sixth more bytes, measured with a picture of 1280x720. */
const PNG_LEVEL = 1;

function quantizerOf(quality: number): number {
  return BEST_QUANTIZER + ((100 - quality) * (WORST_QUANTIZER - BEST_QUANTIZER)) / 99;
}

function openEncoder({ format, width, height }: FileForm): Encoder {
  const isPng = format === 'png';
  return new Encoder({
    name: isPng ? 'png' : 'mjpeg',
    options: isPng ? { compression_level: PNG_LEVEL, pred: 'mixed' } : { flags: '+qscale' },
    configure: (context) => {
      context.width = width;
      context.height = height;
      context.pixelFormat = isPng ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_YUVJ420P;
      context.colorRange = AVCOL_RANGE_JPEG;
      context.timeBase = new Rational(1, 25);
    },
  });
}
