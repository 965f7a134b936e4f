import { joinAnnexB, type Track, videoSize } from '@sluice/media';
import type { SourceMessage } from '../wire.ts';
import { Decoder, NativeError } from './native/codec.ts';
import { parametersOf } from './session.ts';

/** FFmpeg's names. */
const DECODERS: Readonly<Record<string, string>> = {
  h264: 'h264',
  h265: 'hevc',
  vp8: 'vp8',
  vp9: 'vp9',
  av1: 'libdav1d',
  flv1: 'flv',
  mjpeg: 'mjpeg',
};

/** Codecs that may have pictures out of order, which a decoder must wait for. */
const REORDERED: ReadonlySet<string> = new Set(['h264', 'h265']);

/** Opens a decoder for a source; pictures with more pixels are damaged packets to it. @throws NativeError */
export function openVideoDecoder(source: SourceMessage, maxPixels: number): Decoder {
  const name = DECODERS[source.codec];
  if (!name) throw new NativeError(`${source.codec} is no picture that can be decoded`);
  const isReordered = REORDERED.has(source.codec);
  const extraData = isReordered ? joinAnnexB(parametersOf(source)) : undefined;
  const options = { max_pixels: maxPixels, ...(isReordered ? {} : { flags: '+low_delay' }) };
  return new Decoder({ name, extraData, options });
}

const USUAL_FPS = 30;

/** Frames a second as the source's parameters have it, where that can be true; otherwise what is usual. */
export function declaredFps(source: SourceMessage): number {
  if (!REORDERED.has(source.codec)) return USUAL_FPS;
  const { codec, clockRate } = source;
  const track = { id: 0, kind: 'video', codec: codec as Track['codec'], clockRate, parameters: parametersOf(source) };
  const fps = videoSize(track as Track)?.fps ?? USUAL_FPS;
  return fps >= 5 && fps <= 120 ? fps : USUAL_FPS;
}

/** Bits a second for pictures of up to so many pixels, 30 times a second. */
const BITRATES: readonly (readonly [number, number])[] = [
  [160 * 120, 150_000],
  [320 * 240, 350_000],
  [640 * 360, 800_000],
  [854 * 480, 1_300_000],
  [1280 * 720, 2_200_000],
  [1920 * 1080, 4_500_000],
  [2560 * 1440, 8_000_000],
];
const LARGEST_BITRATE = 14_000_000;

/** The bitrate that pictures of this size need, by a table. */
export function usualBitrateBps(width: number, height: number): number {
  return BITRATES.find(([pixels]) => width * height <= pixels)?.[1] ?? LARGEST_BITRATE;
}

/** MPEG-1 needs about twice as much for the same picture, and players of it are for small ones. */
const MPEG1_BITRATES: readonly (readonly [number, number])[] = [
  [320 * 240, 600_000],
  [640 * 480, 1_500_000],
  [1280 * 720, 4_000_000],
];
const LARGEST_MPEG1_BITRATE = 9_000_000;

/** The bitrate that pictures of this size need in MPEG-1. */
export function usualMpeg1BitrateBps(width: number, height: number): number {
  return MPEG1_BITRATES.find(([pixels]) => width * height <= pixels)?.[1] ?? LARGEST_MPEG1_BITRATE;
}

/** Level times ten, macroblocks in a picture and in a second (ITU-T H.264 table A-1). */
const LEVELS: readonly (readonly [number, number, number])[] = [
  [31, 3600, 108_000],
  [32, 5120, 216_000],
  [40, 8192, 245_760],
  [42, 8704, 522_240],
  [50, 22_080, 589_824],
  [51, 36_864, 983_040],
];

/** The lowest level for such pictures, but 3.1 at least: that is what browsers announce. */
export function levelOf(width: number, height: number, fps: number): number {
  const blocks = Math.ceil(width / 16) * Math.ceil(height / 16);
  return LEVELS.find(([, inPicture, inSecond]) => blocks <= inPicture && blocks * fps <= inSecond)?.[0] ?? 52;
}
