import type { SessionFacts } from './explain.ts';
import { RecentList } from './recent-list.ts';
import type { SessionDescription } from './session-registry.ts';

/** A session that failed, with what its protocol knew of it when it did. */
export interface PastSession
  extends Pick<SessionDescription, 'mediaSessionId' | 'sessionId' | 'streamName' | 'protocol' | 'mediaType'> {
  readonly remoteAddress: string;
  /** When it began and ended, milliseconds since 1970. */
  readonly sinceMs: number;
  readonly endedMs: number;
  /** Stable name of the reason: `ice_timeout`, `NO_COMMON_CODECS`. */
  readonly errorCode: string;
  /** The reason for people, in the client's words where it was told. */
  readonly error: string;
  readonly facts: SessionFacts | undefined;
}

const MAX_SESSIONS = 200;
/** Of what clients name; the rest is not remembered. */
const MAX_NAME_CHARACTERS = 256;

/** The last sessions that failed, so that it can still be told why. */
export class PastSessions extends RecentList<PastSession> {
  constructor() {
    super(MAX_SESSIONS);
  }

  override add(session: PastSession): void {
    const { mediaSessionId, streamName } = session;
    super.add({
      ...session,
      mediaSessionId: mediaSessionId.slice(0, MAX_NAME_CHARACTERS),
      streamName: streamName.slice(0, MAX_NAME_CHARACTERS),
    });
  }
}
