/** Values below this fall into the first bucket. */
const SMALLEST = 0.1;
/** Each bucket is so much wider than the one before: what is read out is wrong by 2.5 % at most. */
const GROWTH = 1.05;
const LOG_GROWTH = Math.log(GROWTH);
/** Enough for ten minutes in milliseconds. */
const BUCKETS = 330;

/** A histogram as it goes between threads. */
export interface HistogramData {
  readonly counts: readonly number[];
  readonly max: number;
}

/** Counts of times in milliseconds, in buckets that grow: bounded memory for any number of values. */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  /** The largest value, exactly. */
  get max(): number {
    return this.#max;
  }

  /** Hot path: allocates nothing. */
  add(value: number): void {
    const bucket = value <= SMALLEST ? 0 : Math.ceil(Math.log(value / SMALLEST) / LOG_GROWTH);
    const index = Math.min(bucket, BUCKETS - 1);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count++;
    if (value > this.#max) this.#max = value;
  }

  merge({ counts, max }: HistogramData): void {
    for (const [index, count] of counts.entries()) {
      this.#counts[index] = (this.#counts[index] ?? 0) + count;
      this.#count += count;
    }
    this.#max = Math.max(this.#max, max);
  }

  /** The value that a share (0 to 1) of all values does not exceed; undefined without any. */
  percentile(share: number): number | undefined {
    if (this.#count === 0) return undefined;
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen >= wanted) return Math.min(this.#max, SMALLEST * GROWTH ** (index - 0.5));
    }
    return this.#max;
  }

  data(): HistogramData {
    return { counts: [...this.#counts], max: this.#max };
  }
}
