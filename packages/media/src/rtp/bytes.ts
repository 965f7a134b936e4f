/** The 16-bit big-endian number at `offset`; bytes past the end count as zero. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

/** The 24-bit big-endian number at `offset`; bytes past the end count as zero. */
export function readU24(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 16) | readU16(bytes, offset + 1);
}

/** The unsigned 32-bit big-endian number at `offset`; bytes past the end count as zero. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return (readU16(bytes, offset) * 0x10000 + readU16(bytes, offset + 2)) >>> 0;
}

/** Writes the low 16 bits of `value` big-endian; the space must be there. */
export function writeU16(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 8;
  target[offset + 1] = value;
}

/** Writes the low 24 bits of `value` big-endian; the space must be there. */
export function writeU24(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 16;
  writeU16(target, offset + 1, value);
}

/** Writes the low 32 bits of `value` big-endian; the space must be there. */
export function writeU32(target: Uint8Array, offset: number, value: number): void {
  writeU16(target, offset, value >>> 16);
  writeU16(target, offset + 2, value);
}

/** The parts one after the other, as a copy. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let position = 0;
  for (const part of parts) {
    joined.set(part, position);
    position += part.length;
  }
  return joined;
}
