import type { PictureSize } from '../core/index.ts';

/** Bits a second that pictures of so many pixels need, by a table. */
const BITRATES: readonly (readonly [pixels: number, bps: number])[] = [
  [320 * 180, 300_000],
  [426 * 240, 400_000],
  [640 * 360, 800_000],
  [854 * 480, 1_300_000],
  [1280 * 720, 2_200_000],
  [1920 * 1080, 4_500_000],
  [2560 * 1440, 8_000_000],
];
const LARGEST_BITRATE_BPS = 14_000_000;

/** Bits a second that a picture of that size needs, where nothing says it. */
export function usualBps({ width, height }: PictureSize): number {
  return BITRATES.find(([pixels]) => width * height <= pixels)?.[1] ?? LARGEST_BITRATE_BPS;
}
