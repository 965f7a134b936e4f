import { ProtocolError } from '../packet.ts';

/** nal_unit_type values of ITU-T H.264 table 7-1 that are treated specially. */
export const NAL_IDR = 5;
export const NAL_SPS = 7;
export const NAL_PPS = 8;
export const NAL_DELIMITER = 9;
export const NAL_END_OF_SEQUENCE = 10;
export const NAL_END_OF_STREAM = 11;
export const NAL_FILLER = 12;
export const NAL_SPS_EXTENSION = 13;

/** Units that one sample may have; a picture of the largest level has at most a few hundred slices. */
const MAX_UNITS = 2048;

/** nal_unit_type of a NAL unit that starts with its header byte; 0 (unspecified) for an empty one. */
export function nalType(unit: Uint8Array): number {
  return (unit[0] ?? 0) & 0x1f;
}

/**
 * Splits a sample whose NAL units are preceded by their length (ISO/IEC 14496-15 §5.3.4.2).
 * Zero-length units are left out. The result are views into `data`, copy them to keep them.
 * @throws ProtocolError H264_BAD_LENGTH when a length runs past the end, the data ends inside a length, or there are
 *   more than 2048 units.
 */
export function splitAvcc(data: Uint8Array, lengthSize: 1 | 2 | 4): Uint8Array[] {
  const units: Uint8Array[] = [];
  let position = 0;
  while (position < data.length) {
    if (position + lengthSize > data.length) {
      throw new ProtocolError('H264_BAD_LENGTH', 'the sample ends inside a NAL unit length');
    }
    let length = 0;
    for (let index = 0; index < lengthSize; index += 1) length = length * 256 + (data[position + index] ?? 0);
    position += lengthSize;
    if (length > data.length - position) {
      throw new ProtocolError('H264_BAD_LENGTH', `NAL unit of ${length} bytes, ${data.length - position} are left`);
    }
    if (length > 0) units.push(data.subarray(position, position + length));
    if (units.length > MAX_UNITS) throw new ProtocolError('H264_BAD_LENGTH', `more than ${MAX_UNITS} NAL units`);
    position += length;
  }
  return units;
}

/**
 * Splits a byte stream with start codes (ITU-T H.264 annex B). Bytes before the first start code, zero bytes after a
 * unit and empty units are left out; without any start code the result is empty. Never throws.
 * The result are views into `data`, copy them to keep them.
 */
export function splitAnnexB(data: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = [];
  let start = -1;
  let position = 0;
  while (position + 2 < data.length) {
    const third = data[position + 2] ?? 0;
    if (third > 1) {
      // No start code can begin at any of these three bytes.
      position += 3;
    } else if (third === 1 && data[position] === 0 && data[position + 1] === 0) {
      if (start >= 0) pushTrimmed(units, data, start, position);
      start = position + 3;
      position = start;
    } else {
      position += 1;
    }
  }
  if (start >= 0) pushTrimmed(units, data, start, data.length);
  return units;
}

/** Adds data[start, end) without trailing_zero_8bits; a NAL unit itself never ends with a zero byte (§7.4.1). */
function pushTrimmed(units: Uint8Array[], data: Uint8Array, start: number, end: number): void {
  let last = end;
  while (last > start && data[last - 1] === 0) last -= 1;
  if (last > start) units.push(data.subarray(start, last));
}

/** Joins NAL units, each after a 4-byte big-endian length (ISO/IEC 14496-15); the inverse of {@link splitAvcc}. */
export function joinAvcc(units: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(joinedBytes(units));
  writeAvcc(joined, 0, units);
  return joined;
}

/** Writes NAL units with 4-byte lengths into `target` from `offset` on; the space must be there. */
export function writeAvcc(target: Uint8Array, offset: number, units: readonly Uint8Array[]): void {
  let position = offset;
  for (const unit of units) {
    const length = unit.length;
    target[position] = length >>> 24;
    target[position + 1] = length >>> 16;
    target[position + 2] = length >>> 8;
    target[position + 3] = length;
    target.set(unit, position + 4);
    position += 4 + length;
  }
}

/** Joins NAL units, each after the start code 00 00 00 01 (ITU-T H.264 annex B). */
export function joinAnnexB(units: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(joinedBytes(units));
  let position = 0;
  for (const unit of units) {
    joined[position + 3] = 1;
    joined.set(unit, position + 4);
    position += 4 + unit.length;
  }
  return joined;
}

/** Bytes of the units with a 4-byte length or start code before each. */
export function joinedBytes(units: readonly Uint8Array[]): number {
  let total = 0;
  for (const unit of units) total += 4 + unit.length;
  return total;
}
