import type { MediaPacket } from '../packet.ts';

/** Types of pictures by their first slice: predicted from nothing, from one list, from two lists of pictures. */
export type SliceType = 'I' | 'P' | 'B';

/** slice_type modulo 5, ITU-T H.264 table 7-6: P, B, I, SP, SI. */
const TYPES: readonly SliceType[] = ['P', 'B', 'I', 'P', 'I'];
/** Enough for first_mb_in_slice and slice_type of the largest picture. */
const MAX_HEADER_BITS = 64;

/**
 * The type of an H.264 packet's first slice, from its slice header (ITU-T H.264 §7.3.3). Undefined for other codecs,
 * for packets without a slice and broken ones. With several slices per picture the others may differ.
 *
 * Hot path: allocates nothing and reads at most nine bytes of the packet, usually two.
 */
export function sliceType(packet: MediaPacket): SliceType | undefined {
  if (packet.track.codec !== 'h264') return undefined;
  for (const unit of packet.units) {
    const type = (unit[0] ?? 0) & 0x1f;
    if (type === 5) return 'I';
    if (type === 1 || type === 2) return readSliceType(unit);
  }
  return undefined;
}

/** Reads first_mb_in_slice and slice_type. Emulation prevention can't occur in what real pictures have there. */
function readSliceType(unit: Uint8Array): SliceType | undefined {
  let position = 8;
  const end = Math.min(unit.length * 8, 8 + MAX_HEADER_BITS);
  for (let field = 0; field < 2; field += 1) {
    let zeros = 0;
    while (position < end && bitAt(unit, position) === 0) {
      zeros += 1;
      position += 1;
    }
    if (position + zeros >= end) return undefined;
    if (field === 0) {
      position += 1 + zeros;
      continue;
    }
    let code = 0;
    for (let bit = 0; bit <= zeros; bit += 1) code = code * 2 + bitAt(unit, position + bit);
    return code - 1 < 10 ? TYPES[(code - 1) % 5] : undefined;
  }
  return undefined;
}

function bitAt(unit: Uint8Array, position: number): number {
  return ((unit[position >>> 3] ?? 0) >> (7 - (position & 7))) & 1;
}
