import { describe, expect, test } from 'vitest';
import { BitWriter, escapeRbsp } from './bits.ts';
import { parseH265Sps } from './h265.ts';

/** Fields as [value, bits], or a single number for ue(v). */
type Field = readonly [value: number, bits: number] | number;

function write(fields: readonly Field[]): Uint8Array {
  const writer = new BitWriter();
  for (const field of fields) {
    if (typeof field === 'number') writer.ue(field);
    else writer.bits(field[0], field[1]);
  }
  writer.bits(1, 1);
  return escapeRbsp(writer.bytes());
}

const on: Field = [1, 1];
const off: Field = [0, 1];

/** NAL header, VPS id, three sub-layers of which one says its profile and one its level. */
const HEAD: Field[] = [
  [0x4201, 16],
  [0, 4],
  [2, 3],
  on,
  // Main tier, Main profile, level 4.
  [1, 8],
  [0x6000_0000, 32],
  [0x9000, 16],
  [0, 32],
  [120, 8],
  // Sub-layers: profile only, level only, and the reserved bits of the other six.
  [0b1001, 4],
  [0, 12],
  [0, 32],
  [0, 32],
  [0, 24],
  [90, 8],
];

/** SPS id, 4:2:0, 1920x1088 of which the last 8 lines are cut off, 8 bits, 8 bits of picture order count. */
const PICTURE: Field[] = [0, 1, 1920, 1088, on, 0, 0, 0, 4, 0, 0, 4, off, 4, 2, 5];

/** Block sizes and depths; scaling lists, one of each size that is written and copies otherwise; AMP and SAO; PCM. */
const TOOLS: Field[] = [
  ...[0, 3, 0, 3, 0, 0],
  on,
  on,
  ...Array.from({ length: 20 }, (_, list): Field[] => {
    if (list === 0) return [on, ...Array.from({ length: 16 }, (): Field => 0)];
    if (list === 12) return [on, 1, ...Array.from({ length: 64 }, (): Field => 0)];
    return [off, 0];
  }).flat(),
  on,
  on,
  on,
  [0x77, 8],
  0,
  1,
  off,
];

/**
 * Three sets: pictures -1, -2 and +1; then moved by +1, which makes 0 (no picture), -1 and 2 of them and drops the
 * last one, leaving two; then a prediction from those two, which so has three flags.
 */
const REFERENCES: Field[] = [
  3,
  ...[2, 1, 0, on, 0, on, 0, on],
  ...[on, off, 0, on, off, on, on, off, off],
  ...[on, on, 0, on, on, on],
];

/** Two long-term pictures; sample aspect ratio 40:33; default display window; 50 pictures a second. */
const TAIL: Field[] = [
  on,
  2,
  [7, 9],
  [3, 9],
  // Temporal motion vectors, no strong smoothing, a VUI.
  on,
  off,
  on,
  on,
  [5, 8],
  off,
  on,
  [0, 4],
  on,
  [0, 24],
  on,
  0,
  0,
  [0, 3],
  on,
  1,
  2,
  3,
  4,
  on,
  [1, 32],
  [50, 32],
];

describe('an SPS with everything in it', () => {
  test('is read up to the frame rate at its end', () => {
    expect(parseH265Sps(write([...HEAD, ...PICTURE, ...TOOLS, ...REFERENCES, ...TAIL]))).toMatchObject({
      profile: 1,
      highTier: false,
      level: 120,
      subLayers: 3,
      temporalIdNesting: true,
      width: 1920,
      height: 1080,
      chromaFormat: 1,
      bitDepthLuma: 8,
      maxReorderFrames: 2,
      sarWidth: 40,
      sarHeight: 33,
      fps: 50,
    });
  });

  test('keeps what was read when the rest makes no sense', () => {
    const broken = parseH265Sps(write([...HEAD, ...PICTURE, ...TOOLS, 65]));
    expect(broken).toMatchObject({ width: 1920, height: 1080, fps: undefined, sarWidth: 1 });
  });
});
