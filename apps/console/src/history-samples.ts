import type { StreamHistoryBody } from '@sluice/contract';

/** How much of a stream's past the page keeps and shows. */
export const WINDOW_MS = 300_000;

/** A little more than one sample a second, for the gaps between publications. */
const MAX_SAMPLES = 330;

const COLUMNS = [
  'videoBitsPerSecond',
  'audioBitsPerSecond',
  'framesPerSecond',
  'drops',
  'viewers',
  'gopMs',
  'keyFrameIntervalMs',
  'longestGapMs',
] as const satisfies readonly (keyof StreamHistoryBody)[];

/** Name of one series of the history. */
export type HistoryColumn = (typeof COLUMNS)[number];

/** Values in the order of `timesMs`; null where nothing was published. */
export type ColumnValues = readonly (number | null)[];

/** The last minutes of a stream as columns of equal length, oldest first. Replaced as a whole, never changed. */
export interface HistorySamples {
  /** Which publication the newest sample belongs to; 0 before the first. */
  readonly startedMs: number;
  readonly timesMs: readonly number[];
  readonly columns: Readonly<Record<HistoryColumn, ColumnValues>>;
}

/** Before anything was told. */
export const NO_SAMPLES: HistorySamples = {
  startedMs: 0,
  timesMs: [],
  columns: columnsBy(() => []),
};

/**
 * What is known after an answer of the server: samples that are new are added, those older than {@link WINDOW_MS} are
 * dropped. Between two publications there is one sample without values, so that charts show a gap.
 */
export function joinSamples(before: HistorySamples, body: StreamHistoryBody): HistorySamples {
  const lastMs = before.timesMs.at(-1) ?? -1;
  const firstNew = body.timesMs.findIndex((timeMs) => timeMs > lastMs);
  if (firstNew < 0) return before;
  const newTimesMs = body.timesMs.slice(firstNew);
  const firstMs = newTimesMs[0] ?? 0;
  const gap = before.timesMs.length > 0 && before.startedMs !== body.startedMs && firstMs - 1 > lastMs;
  const joined = [...before.timesMs, ...(gap ? [firstMs - 1] : []), ...newTimesMs];
  const from = firstKept(joined);
  return {
    startedMs: body.startedMs,
    timesMs: joined.slice(from),
    columns: columnsBy((column) =>
      [...before.columns[column], ...(gap ? [null] : []), ...valuesOf(body, column, firstNew)].slice(from),
    ),
  };
}

/** Smallest and largest value of a column; undefined when it has none. */
export function extent(values: ColumnValues): { readonly min: number; readonly max: number } | undefined {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value === null) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? { min, max } : undefined;
}

/**
 * Each value's mean with the `count - 1` before it, not reaching across a gap. The first ones of a run have the mean of
 * its first `count` values, for few values would swing.
 */
export function movingMean(values: ColumnValues, count: number): ColumnValues {
  const means: (number | null)[] = [];
  let [start, end] = [0, -1];
  values.forEach((value, index) => {
    if (value === null) {
      means.push(null);
      return;
    }
    if (index > end) {
      const gap = values.indexOf(null, index);
      [start, end] = [index, (gap < 0 ? values.length : gap) - 1];
    }
    const from = Math.max(start, index - count + 1);
    const window = values.slice(from, Math.min(end + 1, from + count)) as number[];
    means.push(window.reduce((sum, one) => sum + one, 0) / window.length);
  });
  return means;
}

function valuesOf(body: StreamHistoryBody, column: HistoryColumn, from: number): ColumnValues {
  const values = body[column].slice(from);
  // A key frame's distance of 0 says that no two were seen yet; it would pass for the least of all.
  return column === 'keyFrameIntervalMs' ? values.map((value) => (value > 0 ? value : null)) : values;
}

function firstKept(timesMs: readonly number[]): number {
  const oldestMs = (timesMs.at(-1) ?? 0) - WINDOW_MS;
  const byTime = timesMs.findIndex((timeMs) => timeMs >= oldestMs);
  return Math.max(byTime, timesMs.length - MAX_SAMPLES, 0);
}

function columnsBy(values: (column: HistoryColumn) => ColumnValues): Record<HistoryColumn, ColumnValues> {
  return Object.fromEntries(COLUMNS.map((column) => [column, values(column)])) as Record<HistoryColumn, ColumnValues>;
}
