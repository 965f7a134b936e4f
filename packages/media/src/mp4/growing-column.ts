/** Numbers one after the other, in as few bytes as their kind needs. */
export class GrowingColumn<Column extends Uint32Array | Int32Array | Float64Array> {
  #values: Column;
  #length = 0;
  readonly #make: (length: number) => Column;

  /** @param make makes an empty array of the kind. */
  constructor(make: (length: number) => Column) {
    this.#make = make;
    this.#values = make(256);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      // By half, because doubling would cost more than it saves with millions of entries.
      const grown = this.#make(Math.ceil(this.#values.length * 1.5));
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  /** The entry at an index, which must exist. */
  at(index: number): number {
    return this.#values[index] ?? 0;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }
}

export const uint32Column = (): GrowingColumn<Uint32Array> => new GrowingColumn((length) => new Uint32Array(length));
export const int32Column = (): GrowingColumn<Int32Array> => new GrowingColumn((length) => new Int32Array(length));
export const float64Column = (): GrowingColumn<Float64Array> => new GrowingColumn((length) => new Float64Array(length));
