/** How much of the past the page keeps and shows. */
export const WINDOW_MS = 300_000;

/** A little more than one sample a second, for the gaps between publications. */
const MAX_SAMPLES = 330;

/** What the server tells of a history: columns of equal length beside what else it tells. */
export interface HistoryBody {
  /** A new value means another publication, session or start of the server. */
  readonly startedMs: number;
  /** Strictly ascending. */
  readonly timesMs: readonly number[];
}

/** Values in the order of `timesMs`; null where nothing was published. */
export type ColumnValues = readonly (number | null)[];

/** The last minutes as columns of equal length, oldest first. Replaced as a whole, never changed. */
export interface HistorySamples {
  /** Which publication the newest sample belongs to; 0 before the first. */
  readonly startedMs: number;
  readonly timesMs: readonly number[];
  readonly columns: Readonly<Record<string, ColumnValues>>;
}

/** Before anything was told. */
export const NO_SAMPLES: HistorySamples = {
  startedMs: 0,
  timesMs: [],
  columns: {},
};

/**
 * What is known after an answer of the server: samples that are new are added, those older than {@link WINDOW_MS} are
 * dropped. Between two publications there is one sample without values, so that charts show a gap.
 */
export function joinSamples(before: HistorySamples, body: HistoryBody): HistorySamples {
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
    columns: Object.fromEntries(
      columnsOf(body).map(([column, values]) => {
        const known = before.columns[column] ?? before.timesMs.map(() => null);
        return [column, [...known, ...(gap ? [null] : []), ...values.slice(firstNew)].slice(from)];
      }),
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

/** All columns of an answer but the times, by name. */
function columnsOf(body: HistoryBody): readonly (readonly [name: string, values: ColumnValues])[] {
  const columns: (readonly [string, ColumnValues])[] = [];
  for (const [name, values] of Object.entries(body) as [string, unknown][]) {
    if (name === 'timesMs' || !isColumn(values, body.timesMs.length)) continue;
    // A key frame's distance of 0 says that no two were seen yet; it would pass for the least of all.
    const known = name === 'keyFrameIntervalMs' ? values.map((value) => (value > 0 ? value : null)) : values;
    columns.push([name, known]);
  }
  return columns;
}

function isColumn(values: unknown, length: number): values is number[] {
  return Array.isArray(values) && values.length === length && typeof values[0] === 'number';
}

function firstKept(timesMs: readonly number[]): number {
  const oldestMs = (timesMs.at(-1) ?? 0) - WINDOW_MS;
  const byTime = timesMs.findIndex((timeMs) => timeMs >= oldestMs);
  return Math.max(byTime, timesMs.length - MAX_SAMPLES, 0);
}
