import type { RtpPayload } from './format.ts';

const CONTINUES = 0x80;
const CONTINUED = 0x40;
const NEW_SEQUENCE = 0x08;
/** W can count so many elements; where there are more it is 0 and all have their length. */
const MAX_COUNTED = 3;
/** Of an OBU that goes on in the next packet, so much at least goes into this one. */
const MIN_FRAGMENT_BYTES = 16;

/** Fills payloads with OBUs, one after the other, for one temporal unit. */
export class Av1Payloads {
  readonly #maxPayloadBytes: number;
  readonly #payloads: Uint8Array[] = [];
  #elements: Uint8Array[] = [];
  /** Bytes of the elements, each with its length. */
  #bytes = 0;
  #continues = false;

  constructor(maxPayloadBytes: number) {
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  add(obu: Uint8Array): void {
    let rest = obu;
    while (rest.length > 0) {
      const room = this.#room();
      if (rest.length <= room) {
        this.#push(rest);
        return;
      }
      const fits = room >= MIN_FRAGMENT_BYTES;
      if (fits) {
        this.#push(rest.subarray(0, room));
        rest = rest.subarray(room);
      }
      this.#flush(fits);
    }
  }

  /** The payloads of the whole temporal unit. */
  end(key: boolean): RtpPayload[] {
    if (this.#elements.length > 0) this.#flush(false);
    const [first] = this.#payloads;
    if (key && first !== undefined) first[0] = (first[0] ?? 0) | NEW_SEQUENCE;
    return this.#payloads.map((payload, index, { length }) => ({
      payload,
      marker: index === length - 1,
      startPoint: key && index === 0,
      timestampOffset: 0,
    }));
  }

  /** Bytes that an element can have in this payload, behind its length. */
  #room(): number {
    const free = this.#maxPayloadBytes - 1 - this.#bytes;
    return free - leb128Bytes(Math.max(0, free));
  }

  #push(element: Uint8Array): void {
    this.#elements.push(element);
    this.#bytes += leb128Bytes(element.length) + element.length;
  }

  #flush(continued: boolean): void {
    const counted = this.#elements.length <= MAX_COUNTED;
    const last = this.#elements.at(-1);
    const saved = counted && last !== undefined ? leb128Bytes(last.length) : 0;
    const payload = new Uint8Array(1 + this.#bytes - saved);
    payload[0] =
      (this.#continues ? CONTINUES : 0) | (continued ? CONTINUED : 0) | (counted ? this.#elements.length << 4 : 0);
    let position = 1;
    for (const [index, element] of this.#elements.entries()) {
      if (!counted || index < this.#elements.length - 1) position = writeLeb128(payload, position, element.length);
      payload.set(element, position);
      position += element.length;
    }
    this.#payloads.push(payload);
    this.#elements = [];
    this.#bytes = 0;
    this.#continues = continued;
  }
}

function leb128Bytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4;
}

function writeLeb128(target: Uint8Array, start: number, value: number): number {
  let position = start;
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) {
    target[position] = 0x80 | (rest & 0x7f);
    position += 1;
  }
  target[position] = rest;
  return position + 1;
}
