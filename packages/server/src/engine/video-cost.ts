import { type Track, videoSize } from '@sluice/media';
import { type ConversionTarget, sizeInForm, type VideoForm } from '../core/index.ts';

/** x264's names, fast to slow. */
export const VIDEO_PRESETS = [
  'ultrafast',
  'superfast',
  'veryfast',
  'faster',
  'fast',
  'medium',
  'slow',
  'slower',
  'veryslow',
  'placebo',
] as const;

export type VideoPreset = (typeof VIDEO_PRESETS)[number];

/** The preset of a form, or the server's where it has none that x264 knows. */
export function presetOf(form: VideoForm | undefined, usual: VideoPreset): VideoPreset {
  return VIDEO_PRESETS.find((name) => name === form?.preset) ?? usual;
}

/** Pictures as they are decoded. */
export interface SourcePictures {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
}

/** Sources that do not tell it are taken for this: it is known only when they are decoded. */
const UNKNOWN: SourcePictures = { width: 1280, height: 720, fps: 30 };

/** Size and rate of a source, as far as it tells them beforehand. */
export function picturesOf(source: Track): SourcePictures {
  const size = source.kind === 'video' ? videoSize(source) : undefined;
  if (size === undefined) return UNKNOWN;
  const { width, height, fps } = size;
  return { width, height, fps: fps !== undefined && fps >= 5 && fps <= 120 ? fps : UNKNOWN.fps };
}

/*
 * Processor time, measured on two cores of a server with detailed moving pictures of 2.5 Mbit/s: nanoseconds for each
 * pixel, and microseconds for each picture besides. Easy content takes half of it. What a machine and its content are
 * really like is learnt while conversions run.
 */
const DECODE_NS = { h264: 1.6, h265: 3.2, vp8: 2, vp9: 2.6, av1: 3.5, flv1: 2, mjpeg: 4 };
const SCALE_SOURCE_NS = 0.7;
const SCALE_RESULT_NS = 1;
const ENCODE_NS: Readonly<Record<VideoPreset, number>> = {
  ultrafast: 3.5,
  superfast: 5,
  veryfast: 8,
  faster: 16,
  fast: 20,
  medium: 26,
  slow: 65,
  slower: 110,
  veryslow: 200,
  placebo: 400,
};
const MPEG1_NS = 5;
const PICTURE_US = 400;

/** Processor cores that decoding such pictures takes. */
export function decodeCores(source: Track): number {
  const { width, height, fps } = picturesOf(source);
  const perPixel = DECODE_NS[source.codec as keyof typeof DECODE_NS] ?? DECODE_NS.h264;
  return fps * (width * height * perPixel * 1e-9 + PICTURE_US * 1e-6);
}

/** Processor cores that scaling and encoding pictures takes, besides decoding them. */
export function outputCores(source: Track, target: ConversionTarget, usualPreset: VideoPreset): number {
  const pictures = picturesOf(source);
  const { width, height } = sizeInForm(pictures, target.picture ?? {});
  const scaled = width !== pictures.width || height !== pictures.height;
  const scaleNs = scaled ? pictures.width * pictures.height * SCALE_SOURCE_NS + width * height * SCALE_RESULT_NS : 0;
  const perPixel = target.codec === 'mpeg1' ? MPEG1_NS : ENCODE_NS[presetOf(target.picture, usualPreset)];
  return outputFps(source, target) * ((scaleNs + width * height * perPixel) * 1e-9 + PICTURE_US * 1e-6);
}

/** Pictures a second that a target is expected to have. */
export function outputFps(source: Track, target: ConversionTarget): number {
  const { fps } = picturesOf(source);
  return Math.min(target.picture?.fps ?? fps, fps);
}
