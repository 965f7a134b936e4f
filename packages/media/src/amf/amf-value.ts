import { ProtocolError } from '../packet.ts';
import { decodeUtf8 } from './utf8.ts';

/** A decoded AMF value; dates are numbers (ms since 1970), XML is text, byte arrays are Uint8Array turned to null. */
export type AmfValue = number | boolean | string | null | undefined | AmfValue[] | AmfObject;
/** An AMF object or ECMA array; made without prototype, so that names from the network can do no harm. */
export interface AmfObject {
  [name: string]: AmfValue;
}

/** Deepest nesting that is read; real encoders use two or three. */
export const MAX_DEPTH = 16;
/** Most values that one message may hold; the longest onMetaData seen (key frame lists) hold a few thousand. */
const MAX_VALUES = 20_000;

/** Counts the values of one message, so that a small message can't unfold into a large tree. */
export class ValueBudget {
  #left = MAX_VALUES;

  spend(count = 1): void {
    this.#left -= count;
    if (this.#left < 0) throw new ProtocolError('AMF_BAD_VALUE', `more than ${MAX_VALUES} values in one message`);
  }
}

/** Reads big-endian values in place; every read is bounds-checked. */
export class ByteCursor {
  readonly #data: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get left(): number {
    return this.#data.length - this.#at;
  }

  peek(): number {
    this.#need(1);
    return this.#data[this.#at] ?? 0;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  utf8(length: number): string {
    const at = this.#take(length);
    return decodeUtf8(this.#data.subarray(at, at + length));
  }

  skip(length: number): void {
    this.#take(length);
  }

  #take(length: number): number {
    this.#need(length);
    const at = this.#at;
    this.#at += length;
    return at;
  }

  #need(length: number): void {
    if (length > this.left) throw new ProtocolError('AMF_BAD_VALUE', `${length} bytes wanted, ${this.left} left`);
  }
}
