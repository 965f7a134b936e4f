import type { ExplainAnswer, ExplainRequest, ExplainSession } from '@sluice/contract';
import type {
  Adaptations,
  ConnectionRegistry,
  MediaSession,
  RecentEndings,
  SessionRegistry,
  Stream,
  StreamRegistry,
} from '../../core/index.ts';
import type { StreamHistory } from '../console/stream-history.ts';
import type { DescribeTrack } from '../stream-details.ts';
import { explainPast, explainSession } from './explain-session.ts';
import { explainStream } from './explain-stream.ts';
import type { ExplainFacts } from './finding.ts';
import { similarNames } from './similar-names.ts';
import { verdictOf } from './verdict.ts';

export interface ExplainDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly connections: ConnectionRegistry;
  readonly describeTrack: DescribeTrack;
  /** Absent where nothing is converted. */
  readonly adaptations?: Adaptations | undefined;
  /** Absent where nobody keeps them. */
  readonly endings?: RecentEndings | undefined;
  readonly historyOf?: ((stream: Stream) => StreamHistory | undefined) | undefined;
}

const MAX_SESSIONS = 50;
const MAX_PAST = 20;
const MAX_NAME_CHARACTERS = 64;

/** What came of a question: an answer, or why there is none. */
export type Explained =
  | { readonly answer: ExplainAnswer }
  | { readonly problem: 'bad request' | 'not found'; readonly message: string };

/** Explains why there is, or isn't, picture and sound in a stream or a session. */
export function explain(deps: ExplainDeps, { name, mediaSessionId }: ExplainRequest): Explained {
  if (mediaSessionId !== undefined && mediaSessionId !== '') return explainOne(deps, mediaSessionId);
  if (name !== undefined && name !== '') return explainAll(deps, name);
  return { problem: 'bad request', message: 'say what to explain: the name of a stream, or a mediaSessionId' };
}

function explainAll(deps: ExplainDeps, name: string): Explained {
  const sessions = sessionsOf(deps, name);
  const past = pastOf(deps, (session) => session.streamName === name);
  if (deps.streams.get(name) === undefined && sessions.length === 0 && past.length === 0)
    return { problem: 'not found', message: unknownName(deps, name) };
  return { answer: answerOf(deps, { name, sessions, past }) };
}

function explainOne(deps: ExplainDeps, mediaSessionId: string): Explained {
  const session = deps.sessions.get(mediaSessionId);
  const past = session === undefined ? pastOf(deps, (one) => one.mediaSessionId === mediaSessionId) : [];
  const name = session?.describe().streamName ?? past[0]?.streamName;
  if (name === undefined) {
    const shown = mediaSessionId.slice(0, MAX_NAME_CHARACTERS);
    const message = `no session "${shown}" is known: it never came here, or is over for so long that it is forgotten; /rest-api/stream/find_all lists those of this moment`;
    return { problem: 'not found', message };
  }
  // The publisher's side is half of every explanation.
  const publisher = sessionsOf(deps, name).find((one) => one.describe().mediaType === 'publish');
  const sessions = new Set([publisher, session].filter((one) => one !== undefined));
  return { answer: answerOf(deps, { name, sessions: [...sessions], past, asked: mediaSessionId }) };
}

/** Sessions of a stream: its publisher first, then players, the newest first. */
function sessionsOf({ sessions }: ExplainDeps, name: string): MediaSession[] {
  const found: { readonly session: MediaSession; readonly rank: number }[] = [];
  for (const session of sessions.all()) {
    const { streamName, mediaType, createDate } = session.describe();
    if (streamName !== name) continue;
    found.push({ session, rank: mediaType === 'publish' ? Number.POSITIVE_INFINITY : createDate });
  }
  found.sort((a, b) => (a.rank === b.rank ? 0 : b.rank - a.rank));
  return found.map(({ session }) => session);
}

/** Sessions that are over, the latest first: what protocols remember, and what clients were told. */
function pastOf(
  { sessions, endings }: ExplainDeps,
  filter: (session: { readonly streamName: string; readonly mediaSessionId: string }) => boolean,
): ExplainSession[] {
  const remembered = sessions.past.find(filter, MAX_PAST);
  const told = endings?.find(filter, MAX_PAST) ?? [];
  const endingOf = new Map(told.map((ending) => [ending.mediaSessionId, ending]));
  const known = new Set(remembered.map((past) => past.mediaSessionId));
  const all = [
    ...remembered.map((past) => explainPast(past, endingOf.get(past.mediaSessionId))),
    ...told.filter((ending) => !known.has(ending.mediaSessionId)).map((ending) => explainPast(undefined, ending)),
  ].filter((session) => session !== undefined);
  return all.sort((a, b) => (b.endedMs ?? 0) - (a.endedMs ?? 0)).slice(0, MAX_PAST);
}

function answerOf(
  deps: ExplainDeps,
  of: {
    readonly name: string;
    readonly sessions: readonly MediaSession[];
    readonly past: ExplainSession[];
    readonly asked?: string;
  },
): ExplainAnswer {
  const { name, sessions, past, asked } = of;
  const stream = deps.streams.get(name);
  const listed = sessions.slice(0, MAX_SESSIONS);
  const publication = sessions[0]?.describe();
  const facts: ExplainFacts = {
    atMs: Date.now(),
    name,
    live: stream?.live === true,
    ...(stream !== undefined && {
      stream: explainStream({
        stream,
        publication: publication?.mediaType === 'publish' ? publication : undefined,
        history: deps.historyOf?.(stream),
        adaptations: deps.adaptations,
        describeTrack: deps.describeTrack,
      }),
    }),
    sessions: listed.map((session) => explainSession(session, { connections: deps.connections, stream })),
    sessionsOmitted: sessions.length - listed.length,
    ...(stream?.live !== true && { similarNames: similarNames(name, liveNames(deps)).filter((one) => one !== name) }),
    past,
  };
  return { ...facts, verdict: verdictOf(facts, asked) };
}

function liveNames({ streams }: ExplainDeps): string[] {
  const live: string[] = [];
  for (const stream of streams.all()) if (stream.live) live.push(stream.name.slice(0, MAX_NAME_CHARACTERS));
  return live;
}

function unknownName(deps: ExplainDeps, name: string): string {
  const shown = name.slice(0, MAX_NAME_CHARACTERS);
  const live = liveNames(deps);
  const similar = similarNames(name, live);
  const what = `nothing is known of a stream "${shown}": nobody publishes it, and nobody has tried to lately`;
  if (similar.length > 0) return `${what}; did you mean ${similar.map((one) => `"${one}"`).join(', ')}?`;
  if (live.length === 0) return `${what}; no stream is live at all`;
  const some = live.slice(0, 5).map((one) => `"${one}"`);
  return `${what}; live are ${some.join(', ')}${live.length > some.length ? ` and ${live.length - some.length} others` : ''}`;
}
