const MAX_MARKS = 64;

interface Mark<T> {
  at: number;
  readonly value: T;
}

/** Bytes of an elementary stream that wait to be cut, with marks where PES packets began. Bounded. */
export class EsBuffer<T> {
  readonly #maxBytes: number;
  #bytes: Uint8Array;
  #length = 0;
  #marks: Mark<T>[] = [];

  constructor(firstBytes: number, maxBytes: number) {
    this.#bytes = new Uint8Array(firstBytes);
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#length;
  }

  /** The memory itself; valid until the next call that changes something. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Marks the place of the next byte. */
  mark(value: T): void {
    // A packet without bytes says nothing of what follows.
    if (this.#marks.at(-1)?.at === this.#length) this.#marks.pop();
    if (this.#marks.length === MAX_MARKS) this.#marks.shift();
    this.#marks.push({ at: this.#length, value });
  }

  /** Appends a copy; false, without effect, when that would be too much. */
  append(bytes: Uint8Array): boolean {
    const length = this.#length + bytes.length;
    if (length > this.#maxBytes) return false;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(length, this.#bytes.length * 2)));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
    return true;
  }

  /** The newest mark up to `position`, which is used up: it stands for what begins first behind it. */
  takeMark(position: number): T | undefined {
    let value: T | undefined;
    while (this.#marks[0] !== undefined && this.#marks[0].at <= position) value = this.#marks.shift()?.value;
    return value;
  }

  /** Drops the first bytes. */
  drop(count: number): void {
    if (count === 0) return;
    this.#bytes.copyWithin(0, count, this.#length);
    this.#length -= count;
    for (const mark of this.#marks) mark.at = Math.max(0, mark.at - count);
  }

  clear(): void {
    this.#length = 0;
    this.#marks = [];
  }
}
