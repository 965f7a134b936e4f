import { type IncomingMessage, type ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http';
import type { Duplex } from 'node:stream';
import { isFlvCarriable } from '@sluice/media';
import { WebSocketServer } from 'ws';
import {
  type AccessControl,
  type AdaptedStream,
  type ConnectionRegistry,
  type Counters,
  ENDING_INFO,
  type FanOut,
  FanOuts,
  findStream,
  type Log,
  MediaServerError,
  type ProtocolDeps,
  type SessionRegistry,
  type Stream,
} from '../../core/index.ts';
import { BusyTicks, FrameCache, type HttpMount, RateLimiter, sendToAll, type Ticker } from '../../io/index.ts';
import { Answerer } from './answer.ts';
import { HttpTransport } from './http-transport.ts';
import { type FlvOptions, resolveFlvOptions } from './options.ts';
import { FlvFormat } from './packager.ts';
import { FLV_PREFIX, type FlvTarget, parseTarget, type Refusal, type WantedKinds } from './request.ts';
import { FlvSession } from './session.ts';
import type { Transport } from './transport.ts';
import { WebSocketTransport } from './web-socket-transport.ts';

export interface FlvDeps extends ProtocolDeps {
  readonly ticker: Ticker;
}

/** A stream in a form that a viewer can take. The viewer gives it back, the fan-out first. */
export interface FlvPlace {
  readonly fanOut: FanOut;
  readonly lease: AdaptedStream;
}

/** How a viewer looks for its stream. */
export interface ViewerStart {
  readonly signal: AbortSignal;
  /** Where in a file to begin, microseconds. */
  readonly startUs: number | undefined;
}

/** What a session asks of the server that owns it. */
export interface FlvContext
  extends Pick<FlvDeps, 'sessions' | 'connections' | 'access' | 'log' | 'counters' | 'adaptations'> {
  readonly options: FlvOptions;
  /** Limits the log lines about viewers that were refused or dropped. */
  readonly faults: RateLimiter;
  findStream(name: string, from: ViewerStart): Promise<Stream | undefined>;
  /** Which kinds of the stream's tracks can be sent to such a viewer, in whatever codec. */
  carried(stream: Stream, target: FlvTarget): WantedKinds;
  /** Finds the viewer a place in what goes out of a stream; to be given back with `viewerLeft`. */
  placeFor(stream: Stream, target: FlvTarget): FlvPlace;
  viewerLeft(place: FlvPlace): void;
  sessionWaits(session: FlvSession): void;
  sessionGone(session: FlvSession): void;
}

const CHECK_INTERVAL_MS = 1000;
const FAULT_LINES_PER_SECOND = 5;
/** What viewers send by WebSocket is ignored, so nothing of size is taken. */
const MAX_INCOMING_BYTES = 1024;

/** Plays live streams as HTTP-FLV and WebSocket-FLV on the web port: `/flv/<stream>.flv`. */
export class FlvServer implements HttpMount, FlvContext {
  readonly prefix = FLV_PREFIX;
  readonly options: FlvOptions;
  readonly sessions: SessionRegistry;
  readonly connections: ConnectionRegistry;
  readonly access: AccessControl;
  readonly log: Log;
  readonly counters: Counters;
  readonly adaptations: FlvDeps['adaptations'];
  readonly faults = new RateLimiter(FAULT_LINES_PER_SECOND);
  readonly #deps: FlvDeps;
  readonly #answer: Answerer;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_INCOMING_BYTES,
  });
  readonly #frames = new FrameCache();
  readonly #open = new Set<FlvSession>();
  readonly #waiting = new Set<FlvSession>();
  readonly #fanOuts: FanOuts;
  readonly #polling: BusyTicks;
  #tick: Disposable | undefined;
  #closed = false;

  /** @throws MediaServerError CONFIG_INVALID for a header that can't be sent */
  constructor(deps: FlvDeps, options: Partial<FlvOptions> = {}) {
    this.options = resolveFlvOptions(options);
    checkHeaders(this.options.headers);
    this.sessions = deps.sessions;
    this.connections = deps.connections;
    this.access = deps.access;
    this.log = deps.log;
    this.counters = deps.counters;
    this.adaptations = deps.adaptations;
    this.#deps = deps;
    this.#polling = new BusyTicks(deps.ticker, (nowMs) => this.#poll(nowMs));
    this.#fanOuts = new FanOuts({ flushIntervalMs: this.options.flushIntervalMs, sendToAll: sendToAll() });
    this.#answer = new Answerer(this.options);
  }

  /** Begins to look after viewers. Once, before the first request. */
  async start(): Promise<void> {
    this.#tick = this.#deps.ticker.on((nowMs) => this.#check(nowMs), CHECK_INTERVAL_MS);
  }

  /** Viewers of this moment, with those that wait for their stream. */
  get viewerCount(): number {
    return this.#open.size;
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    // A body is of no use to us, and unread it would keep us from noticing that the peer leaves.
    request.resume();
    if (request.method === 'OPTIONS') return this.#answer.preflight(response);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return this.#answer.refuse(response, { status: 405, message: 'streams are read with GET' });
    }
    // Behind an answer without end nothing can ever be answered, so nothing must be kept for it.
    if (response.socket === null) {
      return this.#answer.refuse(response, { status: 400, message: 'send one request for a stream at a time' });
    }
    this.#accept(request, new HttpTransport(response, this.#answer));
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const parts = { server: this.#webSockets, frames: this.#frames, answer: this.#answer, options: this.options };
    this.#accept(request, new WebSocketTransport({ request, socket, head }, parts));
  }

  /** Ends all viewers and packagers; resolves when their connections are released. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#tick?.[Symbol.dispose]();
    this.#polling.close();
    const open = [...this.#open];
    for (const session of open) session.close('server stops', ENDING_INFO.shutdown);
    this.#fanOuts.close();
    await Promise.all(open.map((session) => session.closed));
  }

  findStream(name: string, from: ViewerStart): Promise<Stream | undefined> {
    return findStream(this.#deps, name, { waitMs: this.options.playWaitMs, ...from });
  }

  carried(stream: Stream, { acceptance }: FlvTarget): WantedKinds {
    const { adaptations } = this.#deps;
    const { video, audio } = stream.state;
    if (!adaptations.enabled) {
      return {
        video: video !== undefined && isFlvCarriable(video.codec),
        audio: audio !== undefined && isFlvCarriable(audio.codec),
      };
    }
    const needs = adaptations.needsConversion(stream, acceptance);
    return { video: needs.video !== 'impossible', audio: needs.audio !== 'impossible' };
  }

  placeFor(stream: Stream, { wants, acceptance }: FlvTarget): FlvPlace {
    const lease = this.#deps.adaptations.lease(stream, acceptance, { steady: true });
    const variant = `${wants.video} ${wants.audio}`;
    return { fanOut: this.#fanOuts.get(lease.stream, variant, () => new FlvFormat(wants)), lease };
  }

  viewerLeft({ fanOut, lease }: FlvPlace): void {
    this.#fanOuts.viewerLeft(fanOut);
    lease[Symbol.dispose]();
  }

  sessionWaits(session: FlvSession): void {
    this.#waiting.add(session);
    this.#polling.begin();
  }

  sessionGone(session: FlvSession): void {
    this.#open.delete(session);
    this.#waiting.delete(session);
    if (this.#open.size === 0) this.#frames.clear();
  }

  #accept(request: IncomingMessage, transport: Transport): void {
    const target = this.#admit(request);
    if ('status' in target) return transport.refuse(target);
    const session = new FlvSession(target, transport, this);
    this.#open.add(session);
    session.begin();
  }

  #admit(request: IncomingMessage): ReturnType<typeof parseTarget> {
    if (this.#closed) return { status: 503, message: 'the server stops' };
    const { maxViewers, allowsOrigin } = this.options;
    const { origin } = request.headers;
    if (!allowsOrigin(origin))
      return this.#turnAway({ status: 403, message: `pages of ${origin} may not play here (allow_domains)` });
    if (this.#open.size < maxViewers) return parseTarget(request.url ?? '');
    return this.#turnAway({ status: 503, message: `the limit of ${maxViewers} viewers is reached (flv_max_viewers)` });
  }

  #turnAway(refusal: Refusal): Refusal {
    const suppressed = this.faults.take();
    if (suppressed >= 0) this.log.warn({ suppressed }, refusal.message);
    return refusal;
  }

  /** Asks those that wait for their stream; false when nobody is left. */
  #poll(nowMs: number): boolean {
    for (const session of this.#waiting) if (!session.poll(nowMs)) this.#waiting.delete(session);
    return this.#waiting.size > 0;
  }

  #check(nowMs: number): void {
    for (const session of this.#open) session.check(nowMs);
  }
}

/** Refuses at the door what would make every answer fail. */
function checkHeaders(headers: FlvOptions['headers']): void {
  for (const [name, value] of headers) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch (cause) {
      throw new MediaServerError('CONFIG_INVALID', `"${name}: ${value}" is not a header`, { cause });
    }
  }
}
