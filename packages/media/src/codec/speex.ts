import { BitReader } from './bits.ts';

/** Bits of a narrowband frame by its mode, with the mode itself (The Speex Codec Manual, table 9.1). */
const NARROWBAND_BITS = [5, 43, 119, 160, 220, 300, 364, 492, 79];
/** Bits of a high-band layer by its mode, with the mode itself (table 10.1). */
const HIGH_BAND_BITS = [4, 36, 112, 192, 352];

const MODE_TERMINATOR = 15;
const MODE_SIGNAL = 14;
const MODE_USER_SIGNAL = 13;

/** Bits of an in-band signal by its number, after mode and number (table 5.1). */
function signalBits(signal: number): number {
  if (signal < 2) return 1;
  if (signal < 8) return 4;
  if (signal < 10) return 8;
  if (signal < 12) return 16;
  return signal < 14 ? 32 : 64;
}

/**
 * Frames of 20 ms in a Speex packet (RFC 5574 §3.2: they follow each other bit by bit). Stops at what it does not
 * understand.
 */
export function speexFrameCount(packet: Uint8Array): number {
  const reader = new BitReader(packet);
  let frames = 0;
  while (reader.bitsLeft >= 4) {
    const isHighBand = reader.flag();
    if (!isHighBand && reader.bitsLeft < 4) break;
    const mode = reader.bits(isHighBand ? 3 : 4);
    const bits = frameBits(reader, isHighBand, mode);
    if (bits === undefined || bits > reader.bitsLeft) break;
    reader.skip(bits);
    if (!isHighBand && mode < MODE_USER_SIGNAL) frames += 1;
  }
  return frames;
}

/** Bits that follow the mode; undefined at the end and for modes that do not exist. */
function frameBits(reader: BitReader, isHighBand: boolean, mode: number): number | undefined {
  if (isHighBand) {
    const bits = HIGH_BAND_BITS[mode];
    return bits === undefined ? undefined : bits - 4;
  }
  if (mode === MODE_TERMINATOR) return undefined;
  if (mode < MODE_USER_SIGNAL) {
    const bits = NARROWBAND_BITS[mode];
    return bits === undefined ? undefined : bits - 5;
  }
  if (reader.bitsLeft < 4) return undefined;
  // A user's signal says its length in bytes.
  return mode === MODE_SIGNAL ? signalBits(reader.bits(4)) : reader.bits(4) * 8;
}
