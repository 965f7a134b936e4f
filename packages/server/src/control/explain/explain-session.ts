import type { ExplainSession } from '@sluice/contract';
import {
  type ConnectionRegistry,
  type Ending,
  type MediaSession,
  type PastSession,
  publisherFacts,
  type SessionDescription,
  type SessionFacts,
  type Stream,
} from '../../core/index.ts';
import { defined } from './defined.ts';
import { codeOfInfo } from './ending-codes.ts';

const MAX_AGENT_CHARACTERS = 256;
const NOTHING: SessionFacts = { media: [] };

/** What is known of a session of this moment. Parameters that its client came with are left out: they have tokens. */
export function explainSession(
  session: MediaSession,
  hub: { readonly connections: ConnectionRegistry; readonly stream: Stream | undefined },
): ExplainSession {
  const description = session.describe();
  const { tcp, webrtc, media } = session.explain?.() ?? factsOf(description, hub.stream);
  const { mediaSessionId, sessionId, streamName, protocol, mediaType, status, remoteAddress } = description;
  const connection = tcp && hub.connections.get(sessionId)?.describe();
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

/** For protocols that tell nothing of themselves: what has come of a publisher is known here. */
function factsOf({ mediaType }: SessionDescription, stream: Stream | undefined): SessionFacts {
  return mediaType === 'publish' && stream !== undefined ? { media: publisherFacts(stream) } : NOTHING;
}

/** What is remembered of a session that is over: by its protocol, or by who told its client. */
export function explainPast(past: PastSession | undefined, ending: Ending | undefined): ExplainSession | undefined {
  const base = past ?? ending;
  if (base === undefined) return undefined;
  const { mediaSessionId, sessionId, streamName, protocol, mediaType } = base;
  const { webrtc, tcp, media } = past?.facts ?? NOTHING;
  return defined({
    ...{ mediaSessionId, sessionId, streamName, protocol, mediaType },
    status: past === undefined ? (ending?.status ?? 'FAILED') : 'FAILED',
    remoteAddress: past?.remoteAddress,
    sinceMs: past?.sinceMs,
    endedMs: past?.endedMs ?? ending?.atMs,
    lastError: errorOf(past, ending),
    errorCode: past?.errorCode ?? (ending?.status === 'FAILED' ? codeOfInfo(ending.info) : undefined),
    drops: {},
    webrtc,
    tcp,
    media,
  }) as ExplainSession;
}

function errorOf(past: PastSession | undefined, ending: Ending | undefined): string {
  const told = ending?.info ?? '';
  if (past === undefined) return told;
  return told === '' || told === past.error ? past.error : `${past.error} (the client was told: ${told})`;
}

function dropsOf({ drops }: SessionDescription): Record<string, number> {
  return Object.fromEntries(Object.entries(drops).filter(([, count]) => count > 0));
}
