import { RecentList } from './recent-list.ts';

/** How a publication or playback ended, or failed before it began. */
export interface Ending {
  readonly mediaSessionId: string;
  readonly sessionId: string;
  readonly streamName: string;
  readonly protocol: string;
  readonly mediaType: 'publish' | 'play';
  readonly status: 'UNPUBLISHED' | 'STOPPED' | 'FAILED';
  /** Why, in the words that the client got; empty when there were none. */
  readonly info: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

const MAX_ENDINGS = 500;

/** The last publications and playbacks that are over, so that it can be told why. */
export class RecentEndings extends RecentList<Ending> {
  constructor() {
    super(MAX_ENDINGS);
  }
}
