import { createHash, randomUUID } from 'node:crypto';
import type {
  MediaSession,
  SessionDescription,
  SessionFacts,
  SessionRegistry,
  Stream,
  ViewerIntroduction,
} from '../../core/index.ts';
import type { Exchange } from './http/exchange.ts';
import { detached } from './request.ts';
import { RequestMeter, type RequestStatistics } from './request-meter.ts';

/** A viewer whose session was closed is refused for this long. */
const BLOCK_MS = 10_000;
const MAX_CUSTOM_PARAMETERS = 64;
const MAX_USER_AGENT = 256;
/** WCS's application key of viewers that name none. */
const DEFAULT_APP_KEY = 'defaultApp';

interface Viewer {
  /** As it asked for the first time. */
  readonly visitor: Visitor;
  readonly meter: RequestMeter;
  readonly session: MediaSession;
  readonly registration: Disposable;
  stream: Stream;
  bytesOut: number;
  seenMs: number;
  /** Silence after which the viewer counts as gone, milliseconds. */
  patienceMs: number;
}

/** What is asked for, and by what kind of player. */
export interface Asked {
  readonly streamName: string;
  /** Of the request, without `?` and without directives: becomes the custom parameters. */
  readonly query: string;
  /** WCS's name for the provider is `HLS`; it has none for DASH. */
  readonly mediaProvider: 'HLS' | 'DASH';
}

/** Whose request it is. */
export interface Visitor {
  /** Tells viewers apart. */
  readonly key: string;
  readonly userAgent: string;
  /** Of the request, see Asked. */
  readonly query: string;
  readonly introduction: ViewerIntroduction;
}

/** What is known of a viewer's requests, by WCS's names (functions-2 §H.6). */
export interface ViewerStatistics {
  /** The id of its session. */
  readonly id: string;
  readonly streamName: string;
  readonly ip: string;
  readonly port: number;
  readonly userAgent: string;
  readonly active: boolean;
  readonly metrics: RequestStatistics;
}

/** A playlist that is being sent. */
export interface Visit {
  readonly visitor: Visitor;
  readonly stream: Stream;
  readonly targetSeconds: number;
  /** Quality that is watched, where there are several. */
  readonly variant?: string | undefined;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}

export interface HlsViewersOptions {
  /** Viewers over this are served and not registered. */
  readonly max: number;
  /** What is known of a viewer of that stream who has asked for nothing for so long. */
  explain(streamName: string, silentMs: number): SessionFacts | undefined;
}

/**
 * Tells viewers of HLS apart, which has no connections: one viewer is an address with a user agent that has asked
 * for a stream's playlist within the last three target durations. Each is a session in the registry.
 */
export class HlsViewers {
  readonly #sessions: SessionRegistry;
  readonly #options: HlsViewersOptions;
  readonly #viewers = new Map<string, Viewer>();
  /** Keys of viewers that were sent away, with the time until which. */
  readonly #blocked = new Map<string, number>();

  constructor(sessions: SessionRegistry, options: HlsViewersOptions) {
    this.#sessions = sessions;
    this.#options = options;
  }

  get size(): number {
    return this.#viewers.size;
  }

  /** True when somebody watches the stream. */
  watch(streamName: string): boolean {
    for (const { stream } of this.#viewers.values()) if (stream.name === streamName) return true;
    return false;
  }

  /** Whose request it is, with what that says of itself; the ids are those of its session if it has one already. */
  recognize({ peer, userAgent }: Exchange, { streamName, query, mediaProvider }: Asked): Visitor {
    const key = viewerKey(`${peer.address} ${mediaProvider}`, userAgent, streamName);
    const viewer = this.#viewers.get(key);
    // As nearly always: nothing is made for each request.
    if (viewer !== undefined && viewer.visitor.query === query) return viewer.visitor;
    const known = viewer?.visitor.introduction;
    const custom = query === '' ? NO_PARAMETERS : parametersOf(query);
    return {
      key,
      userAgent,
      query,
      introduction: {
        sessionId: known?.sessionId ?? peer.connectionName,
        mediaSessionId: known?.mediaSessionId ?? `${randomUUID()}-${streamName}-${mediaProvider}`,
        appKey: custom['appKey'] || DEFAULT_APP_KEY,
        protocol: 'hls',
        mediaProvider,
        remoteAddress: peer.address,
        streamName,
        custom,
      },
    };
  }

  /** True for a visitor that `recognize` would give again: what is registered as it asks. */
  isRegistered(visitor: Visitor): boolean {
    return this.#viewers.get(visitor.key)?.visitor === visitor;
  }

  /** True while the viewer is refused because its session was closed. */
  isBlocked({ key }: Visitor, nowMs: number): boolean {
    return this.#blocked.size > 0 && (this.#blocked.get(key) ?? 0) > nowMs;
  }

  /** Notes that a playlist is sent or waited for; registers the viewer when it is a new one and there is room. */
  visit(visit: Visit): void {
    const { visitor, stream, nowMs } = visit;
    const { key } = visitor;
    const viewer = this.#viewers.get(key) ?? this.#add(key, visit);
    if (viewer === undefined) return;
    viewer.seenMs = nowMs;
    viewer.patienceMs = visit.targetSeconds * 3000;
    // Sound of its own is fetched beside every quality of the picture.
    if (visit.variant !== 'audio') viewer.meter.shows(visit.variant, nowMs);
    if (viewer.stream === stream) return;
    viewer.stream.addViewers(-1);
    stream.addViewers(1);
    viewer.stream = stream;
  }

  /** Adds sent bytes to the viewer, if it is known: who fetches media is there, also without asking for playlists. */
  sent({ key }: Visitor, bytes: number): void {
    const viewer = this.#viewers.get(key);
    if (viewer === undefined) return;
    viewer.bytesOut += bytes;
    viewer.seenMs = Math.max(viewer.seenMs, performance.now());
  }

  /** Notes how a request of the viewer was answered, and how long that took; undefined when it was meant to wait. */
  answered({ key }: Visitor, status: number, tookMs: number | undefined): void {
    this.#viewers.get(key)?.meter.answered(status, tookMs);
  }

  /** What is known of the requests of each viewer. */
  statistics(): readonly ViewerStatistics[] {
    return [...this.#viewers.values()].map(
      ({ visitor: { introduction, userAgent }, meter, stream, seenMs, patienceMs }) => ({
        id: introduction.mediaSessionId,
        streamName: stream.name,
        ip: introduction.remoteAddress,
        port: Number(/:(\d+)\//.exec(introduction.sessionId)?.[1] ?? 0),
        userAgent: userAgent.slice(0, MAX_USER_AGENT),
        active: performance.now() - seenMs <= patienceMs,
        metrics: meter.statistics(performance.now()),
      }),
    );
  }

  /** Lets go of viewers that have been silent for too long. */
  sweep(nowMs: number): void {
    for (const [key, viewer] of this.#viewers) if (nowMs - viewer.seenMs > viewer.patienceMs) this.#remove(key);
    for (const [key, untilMs] of this.#blocked) if (untilMs <= nowMs) this.#blocked.delete(key);
  }

  /** Lets go of all viewers. */
  close(): void {
    for (const key of [...this.#viewers.keys()]) this.#remove(key);
    this.#blocked.clear();
  }

  #add(key: string, visit: Visit): Viewer | undefined {
    if (this.#viewers.size >= this.#options.max) return undefined;
    const { stream, nowMs, targetSeconds } = visit;
    const { introduction } = visit.visitor;
    const facts = sessionFacts(introduction);
    const describe = (): SessionDescription => ({ ...facts, bytesOut: this.#viewers.get(key)?.bytesOut ?? 0 });
    const { mediaSessionId } = facts;
    const explain = (): SessionFacts => {
      const silentMs = performance.now() - (this.#viewers.get(key)?.seenMs ?? nowMs);
      return this.#options.explain(stream.name, silentMs) ?? { media: [] };
    };
    const session: MediaSession = { mediaSessionId, describe, explain, close: () => this.#block(key, session) };
    const registration = this.#sessions.add(session);
    const viewer = {
      visitor: ownVisitor(visit.visitor),
      meter: new RequestMeter(nowMs),
      session,
      registration,
      stream,
      bytesOut: 0,
      seenMs: nowMs,
      patienceMs: targetSeconds * 3000,
    };
    this.#viewers.set(key, viewer);
    stream.addViewers(1);
    return viewer;
  }

  #block(key: string, session: MediaSession): void {
    if (this.#viewers.get(key)?.session !== session) return;
    this.#remove(key);
    if (this.#blocked.size < this.#options.max) this.#blocked.set(key, performance.now() + BLOCK_MS);
  }

  #remove(key: string): void {
    const viewer = this.#viewers.get(key);
    if (viewer === undefined) return;
    this.#viewers.delete(key);
    viewer.registration[Symbol.dispose]();
    viewer.stream.addViewers(-1);
  }
}

/** Hashes of user agents that came lately: viewers have few different ones, and ask often. */
const agents = new Map<string, string>();
const MAX_AGENTS = 256;
/** Longer ones are not kept. */
const MAX_KEPT_AGENT = 512;

/** The user agent is hashed: it can be long, and comes from outside. */
function viewerKey(whence: string, userAgent: string, streamName: string): string {
  let agent = agents.get(userAgent);
  if (agent === undefined) {
    agent = createHash('sha1').update(userAgent).digest('base64');
    if (agents.size >= MAX_AGENTS) agents.clear();
    if (userAgent.length <= MAX_KEPT_AGENT) agents.set(detached(userAgent), agent);
  }
  return `${whence} ${agent} ${streamName}`;
}

/** What is kept of a visitor: nothing of its request's text, whose parts are parts of all of it. */
function ownVisitor(visitor: Visitor): Visitor {
  const { query, userAgent } = visitor;
  return { ...visitor, query: detached(query), userAgent: detached(userAgent.slice(0, MAX_USER_AGENT)) };
}

function sessionFacts(introduction: ViewerIntroduction): Omit<SessionDescription, 'bytesOut'> {
  return {
    ...introduction,
    protocol: 'hls',
    mediaType: 'play',
    status: 'PLAYING',
    createDate: Date.now(),
    transport: 'TCP',
    bytesIn: 0,
    packets: 0,
    queuedBytes: 0,
    drops: {},
  };
}

const NO_PARAMETERS: Readonly<Record<string, string>> = {};

function parametersOf(query: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...new URLSearchParams(query)].slice(0, MAX_CUSTOM_PARAMETERS));
}
