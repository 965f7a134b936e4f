import { BITRATE, type ChartSpec } from './charts.ts';
import { formatBytes } from './format.ts';

/** The charts of one session. */
export const SESSION_CHARTS: readonly ChartSpec[] = [
  {
    id: 'session-bitrate',
    title: 'Bit rate',
    about: 'Bits that came from the client in each second, and that went to it',
    series: [
      { column: 'bitsInPerSecond', label: 'In', colour: 1, shape: 'line', filled: true },
      { column: 'bitsOutPerSecond', label: 'Out', colour: 2, shape: 'line', filled: false },
    ],
    ...BITRATE,
  },
  {
    id: 'session-drops',
    title: 'Loss',
    about: 'Packets in each second that the network lost, where the protocol can tell, or that the server left out',
    series: [
      { column: 'lost', label: 'Lost', colour: 1, shape: 'bars', filled: true },
      { column: 'drops', label: 'Left out', colour: 2, shape: 'bars', filled: true },
    ],
    format: String,
    tick: String,
    leastTop: 4,
  },
  {
    id: 'session-queue',
    title: 'Queue',
    about: 'Bytes that waited in the server for the client to read them',
    series: [{ column: 'queuedBytes', label: 'Bytes', colour: 1, shape: 'step', filled: true }],
    format: formatBytes,
    tick: formatBytes,
    leastTop: 10_000,
  },
];
