import { encodeUtf8 } from '../amf/utf8.ts';
import { ID } from './element-ids.ts';

/** Bytes of the size field of elements whose size is known only afterwards: up to 256 MiB. */
const PATCHED_SIZE_BYTES = 4;
/** A `Void` element with an 8-byte size, as {@link EbmlWriter.room} writes it. */
export const ROOM_HEADER_BYTES = 9;

/**
 * Appends EBML elements (RFC 8794) to one buffer. The buffer grows when the initial capacity was too small; callers that
 * know the exact size pay for one allocation only.
 */
export class EbmlWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** @param capacity bytes to allocate at once. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far, which is the position of the next element. */
  get length(): number {
    return this.#length;
  }

  /** An element id, with its length marker. */
  id(id: number): void {
    this.#bigEndian(id, idBytes(id));
  }

  /**
   * A size in `width` bytes (§4).
   * @throws RangeError when it does not fit
   */
  size(value: number, width = sizeBytes(value)): void {
    // All ones means "unknown".
    if (value >= 2 ** (7 * width) - 1) throw new RangeError(`size ${value} does not fit in ${width} bytes`);
    const start = this.#length;
    this.#bigEndian(value, width);
    // Added afterwards because the sum could be too large for a number.
    this.#bytes[start] = (this.#bytes[start] ?? 0) | (0x100 >> width);
  }

  /** The size of an element that ends where its parent's next child begins. Eight bytes, so that it can be overwritten. */
  unknownSize(): void {
    this.bytes(Uint8Array.of(0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
  }

  /** An element with children: `body` writes them, then the size is filled in. */
  master(id: number, body: () => void): void {
    this.id(id);
    const start = this.#length;
    this.#reserve(PATCHED_SIZE_BYTES);
    body();
    const size = this.#length - start - PATCHED_SIZE_BYTES;
    if (size >= 2 ** 28 - 1) throw new RangeError(`element of ${size} bytes`);
    this.#view.setUint32(start, size + 2 ** 28);
  }

  /** An element that is a non-negative safe integer, in as few bytes as it needs. */
  uint(id: number, value: number): void {
    let width = 1;
    while (value >= 256 ** width) width += 1;
    this.id(id);
    this.size(width);
    this.#bigEndian(value, width);
  }

  /** An element that is a signed 64-bit integer. */
  int64(id: number, value: bigint): void {
    this.id(id);
    this.size(8);
    const at = this.#reserve(8);
    this.#view.setBigInt64(at, value);
  }

  /** An element that is a 64-bit float. */
  float(id: number, value: number): void {
    this.id(id);
    this.size(8);
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value);
  }

  /** An element that is text, in UTF-8. */
  text(id: number, value: string): void {
    this.binary(id, encodeUtf8(value));
  }

  /** An element that is bytes. */
  binary(id: number, value: Uint8Array): void {
    this.id(id);
    this.size(value.length);
    this.bytes(value);
  }

  /** A `Void` element of `bytes` bytes in all, at least {@link ROOM_HEADER_BYTES}, to be overwritten later. */
  room(bytes: number): void {
    this.id(ID.void);
    this.size(bytes - ROOM_HEADER_BYTES, 8);
    this.#reserve(bytes - ROOM_HEADER_BYTES);
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
  }

  i16(value: number): void {
    const at = this.#reserve(2);
    this.#view.setInt16(at, value);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
  }

  /** Copies `data`. */
  bytes(data: Uint8Array): void {
    const start = this.#reserve(data.length);
    this.#bytes.set(data, start);
  }

  /** The written bytes: the buffer itself when it is exactly full, otherwise a copy that owns exact memory. */
  finish(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length);
  }

  #bigEndian(value: number, width: number): void {
    const start = this.#reserve(width);
    let rest = value;
    for (let index = width - 1; index >= 0; index -= 1) {
      this.#bytes[start + index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }

  #reserve(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return start;
  }
}

/** Bytes of an id, which its length marker tells. */
export function idBytes(id: number): number {
  if (id >= 0x1000_0000) return 4;
  if (id >= 0x20_0000) return 3;
  return id >= 0x4000 ? 2 : 1;
}

/** Bytes of the shortest size field that can hold `value`. */
export function sizeBytes(value: number): number {
  let width = 1;
  while (value >= 2 ** (7 * width) - 1) width += 1;
  return width;
}
