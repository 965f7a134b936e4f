import type { BitReader } from './bits.ts';

/** Sample aspect ratios by aspect_ratio_idc, ITU-T H.264 table E-1 and H.265 table E.1. */
const ASPECT_RATIOS: readonly (readonly [number, number])[] = [
  [1, 1],
  [1, 1],
  [12, 11],
  [10, 11],
  [16, 11],
  [40, 33],
  [24, 11],
  [20, 11],
  [32, 11],
  [80, 33],
  [18, 11],
  [15, 11],
  [64, 33],
  [160, 99],
  [4, 3],
  [3, 2],
  [2, 1],
];

/** aspect_ratio_idc that is followed by an explicit ratio. */
const EXTENDED_SAR = 255;

/** Reads aspect_ratio_idc and what belongs to it: width and height of a sample, or undefined when one is zero. */
export function readAspectRatio(reader: BitReader): readonly [number, number] | undefined {
  const index = reader.bits(8);
  const [width, height] =
    index === EXTENDED_SAR ? [reader.bits(16), reader.bits(16)] : (ASPECT_RATIOS[index] ?? [1, 1]);
  return width === 0 || height === 0 ? undefined : [width, height];
}
