import type { StreamHistoryBody } from '@sluice/contract';

/** One sample a second for five minutes. */
export const HISTORY_SAMPLES = 300;
export const HISTORY_INTERVAL_MS = 1000;

/** What is noted of a stream at each sample, in the terms of the contract. */
export const HISTORY_SERIES = [
  'videoBitsPerSecond',
  'audioBitsPerSecond',
  'framesPerSecond',
  'drops',
  'viewers',
  'gopMs',
  'keyFrameIntervalMs',
  'longestGapMs',
] as const satisfies readonly (keyof StreamHistoryBody)[];

export type HistorySeries = (typeof HISTORY_SERIES)[number];

/** One sample: a value for each series. */
export type HistorySample = Readonly<Record<HistorySeries, number>>;

/**
 * The last five minutes of one publication in a ring of typed arrays, made once: 12 KB whatever happens. Values are kept
 * with 24 bits of precision.
 */
export class StreamHistory {
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly #times = new Float64Array(HISTORY_SAMPLES);
  readonly #values = new Float32Array(HISTORY_SAMPLES * HISTORY_SERIES.length);
  #count = 0;

  constructor(startedMs: number) {
    this.startedMs = startedMs;
  }

  /** Samples that are kept. */
  get length(): number {
    return Math.min(this.#count, HISTORY_SAMPLES);
  }

  /** Adds a sample in place of the oldest; times that do not ascend (a clock set back) are moved up to do so. */
  push(timeMs: number, sample: HistorySample): void {
    const last = this.#count === 0 ? 0 : (this.#times[(this.#count - 1) % HISTORY_SAMPLES] ?? 0);
    const slot = this.#count % HISTORY_SAMPLES;
    this.#times[slot] = Math.max(timeMs, last + 1);
    for (const [column, series] of HISTORY_SERIES.entries()) {
      this.#values[column * HISTORY_SAMPLES + slot] = sample[series];
    }
    this.#count++;
  }

  /** The newest `samples` values of a series, oldest first; fewer when there are fewer. */
  latest(series: HistorySeries, samples: number): number[] {
    return this.#column(series, Math.max(this.#count - this.length, this.#count - samples));
  }

  /** Samples taken after `sinceMs`, as columns. */
  since(sinceMs: number): Omit<StreamHistoryBody, 'name'> {
    let from = this.#count - this.length;
    while (from < this.#count && (this.#times[from % HISTORY_SAMPLES] ?? 0) <= sinceMs) from++;
    const timesMs: number[] = [];
    for (let i = from; i < this.#count; i++) timesMs.push(this.#times[i % HISTORY_SAMPLES] ?? 0);
    const columns = HISTORY_SERIES.map((series) => [series, this.#column(series, from)] as const);
    return {
      startedMs: this.startedMs,
      intervalMs: HISTORY_INTERVAL_MS,
      timesMs,
      ...(Object.fromEntries(columns) as Record<HistorySeries, number[]>),
    };
  }

  #column(series: HistorySeries, from: number): number[] {
    const offset = HISTORY_SERIES.indexOf(series) * HISTORY_SAMPLES;
    const values: number[] = [];
    for (let i = from; i < this.#count; i++) {
      values.push(Math.round((this.#values[offset + (i % HISTORY_SAMPLES)] ?? 0) * 10) / 10);
    }
    return values;
  }
}
