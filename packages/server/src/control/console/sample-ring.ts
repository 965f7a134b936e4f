/** One sample a second for five minutes. */
export const HISTORY_SAMPLES = 300;
export const HISTORY_INTERVAL_MS = 1000;

/** Samples as columns: every series has the length of `timesMs`, oldest first. */
export type SampleColumns<Series extends string> = {
  readonly startedMs: number;
  readonly intervalMs: number;
  readonly timesMs: number[];
} & Record<Series, number[]>;

/**
 * The last five minutes of some series in a ring of typed arrays, made once: 2.4 KB and 1.2 KB for each series, whatever
 * happens. Values are kept with 24 bits of precision.
 */
export class SampleRing<Series extends string> {
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly #series: readonly Series[];
  readonly #times = new Float64Array(HISTORY_SAMPLES);
  readonly #values: Float32Array;
  #count = 0;

  constructor(series: readonly Series[], startedMs: number) {
    this.#series = series;
    this.startedMs = startedMs;
    this.#values = new Float32Array(HISTORY_SAMPLES * series.length);
  }

  /** Samples that are kept. */
  get length(): number {
    return Math.min(this.#count, HISTORY_SAMPLES);
  }

  /** Adds a sample in place of the oldest; times that do not ascend (a clock set back) are moved up to do so. */
  push(timeMs: number, sample: Readonly<Record<Series, number>>): void {
    const last = this.#count === 0 ? 0 : (this.#times[(this.#count - 1) % HISTORY_SAMPLES] ?? 0);
    const slot = this.#count % HISTORY_SAMPLES;
    this.#times[slot] = Math.max(timeMs, last + 1);
    for (const [column, series] of this.#series.entries()) {
      this.#values[column * HISTORY_SAMPLES + slot] = sample[series];
    }
    this.#count++;
  }

  /** The newest `samples` values of a series, oldest first; fewer when there are fewer. */
  latest(series: Series, samples: number): number[] {
    return this.#column(series, Math.max(this.#count - this.length, this.#count - samples));
  }

  /** Samples taken after `sinceMs`, as columns. */
  since(sinceMs: number): SampleColumns<Series> {
    let from = this.#count - this.length;
    while (from < this.#count && (this.#times[from % HISTORY_SAMPLES] ?? 0) <= sinceMs) from++;
    const timesMs: number[] = [];
    for (let i = from; i < this.#count; i++) timesMs.push(this.#times[i % HISTORY_SAMPLES] ?? 0);
    const columns = this.#series.map((series) => [series, this.#column(series, from)] as const);
    return {
      startedMs: this.startedMs,
      intervalMs: HISTORY_INTERVAL_MS,
      timesMs,
      ...(Object.fromEntries(columns) as Record<Series, number[]>),
    };
  }

  #column(series: Series, from: number): number[] {
    const offset = this.#series.indexOf(series) * HISTORY_SAMPLES;
    const values: number[] = [];
    for (let i = from; i < this.#count; i++) {
      values.push(Math.round((this.#values[offset + (i % HISTORY_SAMPLES)] ?? 0) * 10) / 10);
    }
    return values;
  }
}
