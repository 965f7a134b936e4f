import { BITRATE, type ChartSeries, type ChartSpec, round } from './charts.ts';
import { formatBytes } from './format.ts';

/** The charts of the whole server. */
export const SERVER_CHARTS: readonly ChartSpec[] = [
  {
    id: 'server-bitrate',
    title: 'Bit rate',
    about: 'Bits of media that came from all publishers in each second, and that went to all viewers',
    series: [line('bitsInPerSecond', 'In', 1), line('bitsOutPerSecond', 'Out', 2)],
    ...BITRATE,
  },
  {
    id: 'server-sessions',
    title: 'Sessions',
    about: 'How many watched and published at that time',
    series: [
      { column: 'viewers', label: 'Viewers', colour: 1, shape: 'step', filled: true },
      { column: 'publishers', label: 'Publishers', colour: 2, shape: 'step', filled: false },
    ],
    format: String,
    tick: String,
    leastTop: 4,
  },
  {
    id: 'server-cpu',
    title: 'Processors',
    about: 'Share of all processors that the server’s main process used, and all programs of the machine',
    series: [line('cpuPercent', 'Server', 1), line('machineCpuPercent', 'Machine', 2)],
    format: (value) => `${round(value, 0)} %`,
    tick: (value) => `${value} %`,
    leastTop: 20,
    mostTop: 100,
  },
  {
    id: 'server-memory',
    title: 'Memory',
    about: 'Memory of the server’s main process, and what of it is JavaScript’s',
    series: [line('memoryBytes', 'Process', 1), line('heapBytes', 'JavaScript', 2)],
    format: formatBytes,
    tick: formatBytes,
    leastTop: 100_000_000,
  },
  {
    id: 'server-delay',
    title: 'Event loop delay',
    about:
      'How late the server came to what was due: the worst of each second, and the mean; above 100 ms media suffers',
    series: [
      { column: 'eventLoopDelayMs', label: 'Worst', colour: 2, shape: 'bars', filled: true },
      line('eventLoopMeanMs', 'Mean', 1),
    ],
    format: (value) => `${round(value, 1)} ms`,
    tick: (value) => `${value} ms`,
    leastTop: 20,
  },
  {
    id: 'server-connections',
    title: 'Connections',
    about: 'Clients that were connected at that time, idle ones too',
    series: [{ column: 'connections', label: 'Clients', colour: 1, shape: 'step', filled: true }],
    format: String,
    tick: String,
    leastTop: 4,
  },
];

function line(column: string, label: string, colour: 1 | 2): ChartSeries {
  return { column, label, colour, shape: 'line', filled: colour === 1 };
}
