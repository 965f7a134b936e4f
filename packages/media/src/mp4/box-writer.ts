/**
 * Appends big-endian fields and nested ISO BMFF boxes (ISO 14496-12 §4.2) to one buffer. The buffer grows when the
 * initial capacity was too small; callers that know the exact size pay for one allocation only.
 */
export class BoxWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** @param capacity bytes to allocate at once. */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Number of bytes written so far, which is the position of the next field. */
  get length(): number {
    return this.#length;
  }

  /** Writes an unsigned 8-bit field. */
  u8(value: number): void {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
  }

  /** Writes an unsigned 16-bit field. */
  u16(value: number): void {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value);
  }

  /** Writes the low 32 bits of an integer; negative values become two's complement. */
  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
  }

  /** Writes a non-negative safe integer as 64 bits. */
  u64(value: number): void {
    this.u32(Math.floor(value / 0x1_0000_0000));
    this.u32(value % 0x1_0000_0000);
  }

  /** Writes `count` zero bytes. */
  zeros(count: number): void {
    const start = this.#reserve(count);
    this.#bytes.fill(0, start, start + count);
  }

  /** Writes the bytes of an ASCII string without terminator. */
  ascii(text: string): void {
    const start = this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[start + i] = text.charCodeAt(i);
  }

  /** Copies `data`. */
  bytes(data: Uint8Array): void {
    const start = this.#reserve(data.length);
    this.#bytes.set(data, start);
  }

  /** Writes one box: `body` writes the content, then the size is filled in. */
  box(type: string, body: () => void): void {
    const start = this.#length;
    this.u32(0);
    this.ascii(type);
    body();
    this.patchU32(start, this.#length - start);
  }

  /** Writes one full box (§4.2.2), that is a box that begins with `version` and 24-bit `flags`. */
  fullBox(type: string, version: number, flags: number, body: () => void): void {
    this.box(type, () => {
      this.u32(version * 0x100_0000 + flags);
      body();
    });
  }

  /** Overwrites the 32-bit field at `position`, for values that are known only later. */
  patchU32(position: number, value: number): void {
    this.#view.setUint32(position, value);
  }

  /** The written bytes: the buffer itself when it is exactly full, otherwise a copy that owns exact memory. */
  finish(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length);
  }

  /** May replace the view: take that only after it. */
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
