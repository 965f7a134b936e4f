import { ProtocolError } from '../packet.ts';

const FIRST_BYTES = 512;

/** Collects big-endian fields in one piece of memory, which doubles when it is full. */
export class ByteWriter {
  readonly #maxBytes: number;
  #view = new DataView(new ArrayBuffer(FIRST_BYTES));
  #length = 0;

  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    this.#maxBytes = maxBytes;
  }

  u8(value: number): void {
    const at = this.#take(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#take(2);
    this.#view.setUint16(at, value);
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value);
  }

  f64(value: number): void {
    const at = this.#take(8);
    this.#view.setFloat64(at, value);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#take(bytes.length);
    new Uint8Array(this.#view.buffer).set(bytes, at);
  }

  /** What was written, as a copy of its own. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer.slice(0, this.#length));
  }

  /** Makes room, by which the view may change, and gives the position. @throws ProtocolError AMF_BAD_VALUE over the limit */
  #take(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#maxBytes) throw new ProtocolError('AMF_BAD_VALUE', `value of over ${this.#maxBytes} bytes`);
    if (needed > this.#view.byteLength) {
      const larger = new Uint8Array(Math.max(needed, this.#view.byteLength * 2));
      larger.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return at;
  }
}
