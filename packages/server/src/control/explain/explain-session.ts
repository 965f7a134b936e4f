import type { ExplainSession } from '@sluice/contract';
import type {
  ConnectionRegistry,
  Ending,
  MediaSession,
  PastSession,
  SessionDescription,
  SessionFacts,
} from '../../core/index.ts';
import { defined } from './defined.ts';

const MAX_AGENT_CHARACTERS = 256;
const NOTHING: SessionFacts = { media: [] };

/** What is known of a session of this moment. Parameters that its client came with are left out: they have tokens. */
export function explainSession(session: MediaSession, connections: ConnectionRegistry): ExplainSession {
  const description = session.describe();
  const { tcp, webrtc, media } = session.explain?.() ?? NOTHING;
  const { mediaSessionId, sessionId, streamName, protocol, mediaType, status, remoteAddress } = description;
  const connection = tcp && connections.get(sessionId)?.describe();
  return defined({
    ...{ mediaSessionId, sessionId, streamName, protocol, mediaType, status, remoteAddress },
    sinceMs: description.createDate,
    bytesIn: description.bytesIn,
    bytesOut: description.bytesOut,
    drops: dropsOf(description),
    webrtc,
    tcp: tcp && { ...tcp, agent: connection?.clientVersion.slice(0, MAX_AGENT_CHARACTERS) },
    media,
  }) as ExplainSession;
}

/** What is remembered of a session that is over: by its protocol, or by who told its client. */
export function explainPast(past: PastSession | undefined, ending: Ending | undefined): ExplainSession | undefined {
  const base = past ?? ending;
  if (base === undefined) return undefined;
  const { mediaSessionId, sessionId, streamName, protocol, mediaType } = base;
  const { webrtc, tcp, media } = past?.facts ?? NOTHING;
  const info = ending?.info ?? '';
  return defined({
    ...{ mediaSessionId, sessionId, streamName, protocol, mediaType },
    status: past === undefined ? (ending?.status ?? 'FAILED') : 'FAILED',
    remoteAddress: past?.remoteAddress,
    sinceMs: past?.sinceMs,
    endedMs: past?.endedMs ?? ending?.atMs,
    lastError: past === undefined ? info : past.error,
    errorCode: past?.errorCode,
    drops: {},
    webrtc,
    tcp,
    media,
  }) as ExplainSession;
}

function dropsOf({ drops }: SessionDescription): Record<string, number> {
  return Object.fromEntries(Object.entries(drops).filter(([, count]) => count > 0));
}
