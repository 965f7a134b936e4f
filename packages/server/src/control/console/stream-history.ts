import type { StreamHistoryBody } from '@sluice/contract';
import { SampleRing } from './sample-ring.ts';

/** What is noted of a stream at each sample, in the terms of the contract. */
export const HISTORY_SERIES = [
  'videoBitsPerSecond',
  'audioBitsPerSecond',
  'framesPerSecond',
  'drops',
  'lost',
  'viewers',
  'gopMs',
  'keyFrameIntervalMs',
  'longestGapMs',
] as const satisfies readonly (keyof StreamHistoryBody)[];

export type HistorySeries = (typeof HISTORY_SERIES)[number];

/** The last five minutes of one publication: 12 KB whatever happens. */
export class StreamHistory extends SampleRing<HistorySeries> {
  constructor(startedMs: number) {
    super(HISTORY_SERIES, startedMs);
  }
}
