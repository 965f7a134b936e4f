import { readU16, writeU16 } from './bytes.ts';

/** An earlier packet's payload that is sent once more (RFC 2198 §3). */
export interface RedundantBlock {
  /** 0 to 127. */
  readonly payloadType: number;
  /** How far its timestamp is before that of the packet, in ticks, 0 to `MAX_RED_OFFSET`. */
  readonly timestampOffset: number;
  /** At most `MAX_RED_BLOCK_BYTES`; a view where it was read. */
  readonly payload: Uint8Array;
}

/** What a packet with redundancy carries. */
export interface RedContent {
  /** Of the packet's own payload. */
  readonly payloadType: number;
  readonly primary: Uint8Array;
  /** The oldest first, as they lie in the packet. */
  readonly redundant: readonly RedundantBlock[];
}

/** Largest values that the fields of a redundant block's header hold. */
export const MAX_RED_OFFSET = 0x3fff;
export const MAX_RED_BLOCK_BYTES = 0x3ff;
/** More blocks than that are nobody's redundancy. */
export const MAX_RED_BLOCKS = 16;

const BLOCK_HEADER_BYTES = 4;
const PRIMARY_HEADER_BYTES = 1;
const FOLLOWED = 0x80;

/**
 * Takes the payload of a packet with redundancy apart (RFC 2198 §3). Undefined for what is none: headers or blocks that
 * exceed the payload, or more than `MAX_RED_BLOCKS` of them. Never throws.
 *
 * Hot path: allocates the content, and for each block one object and one view.
 */
export function parseRed(payload: Uint8Array): RedContent | undefined {
  let blocks = 0;
  while (((payload[blocks * BLOCK_HEADER_BYTES] ?? 0) & FOLLOWED) !== 0)
    if (++blocks > MAX_RED_BLOCKS) return undefined;
  const primaryAt = blocks * BLOCK_HEADER_BYTES;
  let position = primaryAt + PRIMARY_HEADER_BYTES;
  if (position > payload.length) return undefined;
  const redundant: RedundantBlock[] = blocks === 0 ? NONE : [];
  for (let header = 0; header < primaryAt; header += BLOCK_HEADER_BYTES) {
    const end = position + (readU16(payload, header + 2) & MAX_RED_BLOCK_BYTES);
    if (end > payload.length) return undefined;
    redundant.push({
      payloadType: (payload[header] ?? 0) & 0x7f,
      timestampOffset: readU16(payload, header + 1) >> 2,
      payload: payload.subarray(position, end),
    });
    position = end;
  }
  return { payloadType: (payload[primaryAt] ?? 0) & 0x7f, primary: payload.subarray(position), redundant };
}

const NONE: RedundantBlock[] = [];

/** True when an earlier payload fits into a redundant block. */
export function fitsRed(timestampOffset: number, bytes: number): boolean {
  return timestampOffset >= 0 && timestampOffset <= MAX_RED_OFFSET && bytes <= MAX_RED_BLOCK_BYTES;
}

/** Bytes that `writeRed` writes. */
export function redLength({ primary, redundant }: Pick<RedContent, 'primary' | 'redundant'>): number {
  let length = PRIMARY_HEADER_BYTES + primary.length;
  for (let i = 0; i < redundant.length; i++) length += BLOCK_HEADER_BYTES + (redundant[i]?.payload.length ?? 0);
  return length;
}

/**
 * Writes the payload of a packet with redundancy at `offset` and gives where it ends. The space must be there, and each
 * block must fit (`fitsRed`).
 *
 * Hot path: allocates nothing.
 */
export function writeRed(target: Uint8Array, offset: number, content: RedContent): number {
  const { payloadType, primary, redundant } = content;
  let position = offset;
  for (let i = 0; i < redundant.length; i++) {
    const block = redundant[i];
    if (block === undefined) continue;
    target[position] = FOLLOWED | (block.payloadType & 0x7f);
    // 14 bits of offset, then 10 bits of length, in three bytes.
    writeU16(target, position + 1, (block.timestampOffset << 2) | (block.payload.length >> 8));
    target[position + 3] = block.payload.length;
    position += BLOCK_HEADER_BYTES;
  }
  target[position] = payloadType & 0x7f;
  position += PRIMARY_HEADER_BYTES;
  for (let i = 0; i < redundant.length; i++) {
    const block = redundant[i];
    if (block === undefined) continue;
    target.set(block.payload, position);
    position += block.payload.length;
  }
  target.set(primary, position);
  return position + primary.length;
}
