import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type {
  MediaSession,
  SessionDescription,
  SessionFacts,
  SessionRegistry,
  Stream,
  ViewerIntroduction,
} from '../../core/index.ts';
import { connectionName, plainAddress } from '../../io/index.ts';

/** A viewer whose session was closed is refused for this long. */
const BLOCK_MS = 10_000;
const MAX_CUSTOM_PARAMETERS = 64;
/** WCS's application key of viewers that name none. */
const DEFAULT_APP_KEY = 'defaultApp';

interface Viewer {
  readonly introduction: ViewerIntroduction;
  readonly session: MediaSession;
  readonly registration: Disposable;
  stream: Stream;
  bytesOut: number;
  seenMs: number;
  /** Silence after which the viewer counts as gone, milliseconds. */
  patienceMs: number;
}

/** Whose request it is. */
export interface Visitor {
  /** Tells viewers apart. */
  readonly key: string;
  readonly introduction: ViewerIntroduction;
}

/** A playlist that is being sent. */
export interface Visit {
  readonly visitor: Visitor;
  readonly stream: Stream;
  readonly targetSeconds: number;
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

  /**
   * Whose request it is, with what that says of itself; the ids are those of its session if it has one already.
   * @param query Of the request, without `?`: becomes the custom parameters.
   */
  recognize(request: IncomingMessage, streamName: string, query: string): Visitor {
    const { socket } = request;
    const key = viewerKey(request, streamName);
    const known = this.#viewers.get(key)?.introduction;
    const custom = query === '' ? NO_PARAMETERS : parametersOf(query);
    return {
      key,
      introduction: {
        sessionId: known?.sessionId ?? connectionName(socket),
        mediaSessionId: known?.mediaSessionId ?? `${randomUUID()}-${streamName}-HLS`,
        appKey: custom['appKey'] || DEFAULT_APP_KEY,
        protocol: 'hls',
        mediaProvider: 'HLS',
        remoteAddress: plainAddress(socket.remoteAddress),
        streamName,
        custom,
      },
    };
  }

  /** True while the viewer is refused because its session was closed. */
  isBlocked({ key }: Visitor, nowMs: number): boolean {
    return this.#blocked.size > 0 && (this.#blocked.get(key) ?? 0) > nowMs;
  }

  /** Notes that a playlist is being sent; registers the viewer when it is a new one and there is room. */
  visit(visit: Visit): void {
    const { visitor, stream, nowMs } = visit;
    const { key } = visitor;
    const viewer = this.#viewers.get(key) ?? this.#add(key, visit);
    if (viewer === undefined) return;
    viewer.seenMs = nowMs;
    viewer.patienceMs = visit.targetSeconds * 3000;
    if (viewer.stream === stream) return;
    viewer.stream.addViewers(-1);
    stream.addViewers(1);
    viewer.stream = stream;
  }

  /** Adds sent bytes to the viewer, if it is known. */
  sent({ key }: Visitor, bytes: number): void {
    const viewer = this.#viewers.get(key);
    if (viewer !== undefined) viewer.bytesOut += bytes;
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
      introduction,
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

/** The user agent is hashed: it can be long, and comes from outside. */
function viewerKey(request: IncomingMessage, streamName: string): string {
  const agent = createHash('sha1')
    .update(request.headers['user-agent'] ?? '')
    .digest('base64');
  return `${request.socket.remoteAddress ?? ''} ${agent} ${streamName}`;
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
