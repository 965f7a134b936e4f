import { formatBitrate } from './format.ts';
import { type ColumnValues, type HistorySamples, movingMean } from './history-samples.ts';

/** How one column is drawn. */
export interface ChartSeries {
  /** Name of a column of the history. */
  readonly column: string;
  readonly label: string;
  /** Which of the theme's chart colours. */
  readonly colour: 1 | 2;
  /** `step` holds a value until the next sample, as counts do; `area` has no line, for values that swing all the time. */
  readonly shape: 'line' | 'step' | 'bars' | 'area';
  /** Fill what is below the line. */
  readonly filled: boolean;
  /** Show the mean over one GOP: the second with the key frame in it has far more bits than the others. */
  readonly smoothed?: boolean;
}

/** One chart of the details view. */
export interface ChartSpec {
  readonly id: string;
  readonly title: string;
  /** What the chart tells, for those who do not know the word. */
  readonly about: string;
  readonly series: readonly ChartSeries[];
  /** A value with its unit. */
  readonly format: (value: number) => string;
  /** A value as short as an axis needs it. */
  readonly tick: (value: number) => string;
  /** The axis reaches at least to this value, so that noise near zero stays small. */
  readonly leastTop: number;
  /** The axis never reaches beyond this value. */
  readonly mostTop?: number;
}

/** A bit rate's values, ticks and axis. */
export const BITRATE: Pick<ChartSpec, 'format' | 'tick' | 'leastTop'> = {
  format: (value) => (value > 0 ? formatBitrate(value) : '0 kbit/s'),
  tick: (value) => (value >= 1_000_000 ? `${value / 1_000_000} M` : value > 0 ? `${value / 1000} k` : '0'),
  leastTop: 100_000,
};

/** All charts of a stream, the most telling first. */
export const STREAM_CHARTS: readonly ChartSpec[] = [
  {
    id: 'bitrate',
    title: 'Bit rate',
    about: 'Bits received from the publisher per second, as mean over one key frame interval',
    series: [
      { column: 'videoBitsPerSecond', label: 'Video', colour: 1, shape: 'line', filled: true, smoothed: true },
      { column: 'audioBitsPerSecond', label: 'Audio', colour: 2, shape: 'line', filled: false, smoothed: true },
    ],
    ...BITRATE,
  },
  {
    id: 'fps',
    title: 'Frames per second',
    about: 'Pictures received from the publisher in each second',
    series: [{ column: 'framesPerSecond', label: 'Video', colour: 1, shape: 'line', filled: true }],
    format: (value) => `${round(value, 1)} fps`,
    tick: String,
    leastTop: 10,
  },
  {
    id: 'key-frames',
    title: 'Key frames',
    about: 'Distance of the last two key frames, and what a new viewer is sent at once: the video since the newest one',
    series: [
      { column: 'keyFrameIntervalMs', label: 'Interval', colour: 2, shape: 'step', filled: false },
      { column: 'gopMs', label: 'Since the newest', colour: 1, shape: 'area', filled: true },
    ],
    format: (value) => `${(value / 1000).toFixed(1)} s`,
    tick: (value) => `${round(value / 1000, 2)} s`,
    leastTop: 2000,
  },
  {
    id: 'pauses',
    title: 'Longest pause',
    about: 'Longest time in each second in which nothing came from the publisher',
    series: [{ column: 'longestGapMs', label: 'Between packets', colour: 1, shape: 'bars', filled: true }],
    format: (value) => (value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value)} ms`),
    tick: (value) => (value >= 1000 ? `${round(value / 1000, 2)} s` : `${value} ms`),
    leastTop: 100,
  },
  {
    id: 'drops',
    title: 'Loss',
    about:
      'Packets in each second that the network lost, or that the server left out, of the publisher and all viewers',
    series: [
      { column: 'lost', label: 'Lost', colour: 1, shape: 'bars', filled: true },
      { column: 'drops', label: 'Left out', colour: 2, shape: 'bars', filled: true },
    ],
    format: String,
    tick: String,
    leastTop: 4,
  },
  {
    id: 'viewers',
    title: 'Viewers',
    about: 'How many watched at that time',
    series: [{ column: 'viewers', label: 'Watching', colour: 1, shape: 'step', filled: true }],
    format: String,
    tick: String,
    leastTop: 4,
  },
];

/** Longest time that a mean is taken over; what changes must show up soon. */
const MAX_MEAN_SAMPLES = 10;
/** Until two key frames were seen. */
const USUAL_GOP_MS = 2000;

/** What a series shows of the samples, in their order. */
export function seriesValues({ column, smoothed }: ChartSeries, samples: HistorySamples): ColumnValues {
  const values = samples.columns[column] ?? [];
  if (smoothed !== true) return values;
  const gopMs = samples.columns['keyFrameIntervalMs']?.at(-1) ?? USUAL_GOP_MS;
  return movingMean(values, Math.min(MAX_MEAN_SAMPLES, Math.max(1, Math.round(gopMs / 1000))));
}

/** Where an axis ends whose highest value is `max`: a round number that halves into a round number. */
export function axisTop(max: number, leastTop: number): number {
  const wanted = Math.max(max * 1.05, leastTop);
  const magnitude = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 4, 6, 8, 10].find((candidate) => candidate * magnitude >= wanted) ?? 10;
  return step * magnitude;
}

/** With at most so many digits behind the point. */
export function round(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
