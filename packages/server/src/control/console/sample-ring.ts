/** One sample a second for five minutes. */
export const HISTORY_SAMPLES = 300;
export const HISTORY_INTERVAL_MS = 1000;

/** Samples as columns: every series has the length of `timesMs`, oldest first. */
export type SampleColumns<Series extends string> = {
  readonly startedMs: number;
  readonly intervalMs: number;
  readonly timesMs: number[];
} & Record<Series, number[]>;

/** Room at the beginning; it is doubled until there is enough of it. */
const FIRST_SAMPLES = 20;

/**
 * The last five minutes of some series in a ring of typed arrays: 2.4 KB and 1.2 KB for each series at most, less for those
 * that are younger, and nothing for a series that was never anything but 0. Values are kept with 24 bits of precision.
 */
export class SampleRing<Series extends string> {
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly #series: readonly Series[];
  #times = new Float64Array(FIRST_SAMPLES);
  /** By series; undefined while all of its samples are 0. */
  readonly #values: (Float32Array | undefined)[];
  #count = 0;

  constructor(series: readonly Series[], startedMs: number) {
    this.#series = series;
    this.startedMs = startedMs;
    this.#values = series.map(() => undefined);
  }

  /** Samples that are kept. */
  get length(): number {
    return Math.min(this.#count, HISTORY_SAMPLES);
  }

  /** Adds a sample in place of the oldest; times that do not ascend (a clock set back) are moved up to do so. */
  push(timeMs: number, sample: Readonly<Record<Series, number>>): void {
    const last = this.#count === 0 ? 0 : (this.#times[(this.#count - 1) % HISTORY_SAMPLES] ?? 0);
    if (this.#count === this.#times.length && this.#count < HISTORY_SAMPLES) this.#grow();
    const slot = this.#count % HISTORY_SAMPLES;
    this.#times[slot] = Math.max(timeMs, last + 1);
    for (let i = 0; i < this.#series.length; i++) {
      const value = sample[this.#series[i] as Series];
      let values = this.#values[i];
      if (values === undefined && value === 0) continue;
      values ??= new Float32Array(this.#times.length);
      this.#values[i] = values;
      values[slot] = value;
    }
    this.#count++;
  }

  #grow(): void {
    const size = Math.min(HISTORY_SAMPLES, this.#times.length * 2);
    const times = new Float64Array(size);
    times.set(this.#times);
    this.#times = times;
    for (const [i, values] of this.#values.entries()) {
      if (values === undefined) continue;
      const larger = new Float32Array(size);
      larger.set(values);
      this.#values[i] = larger;
    }
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
    const kept = this.#values[this.#series.indexOf(series)];
    const values: number[] = [];
    for (let i = from; i < this.#count; i++) {
      values.push(Math.round((kept?.[i % HISTORY_SAMPLES] ?? 0) * 10) / 10);
    }
    return values;
  }
}
