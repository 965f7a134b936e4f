import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import {
  type AdaptedStream,
  ENDING_INFO,
  type FanOut,
  FanOuts,
  findStream,
  type Log,
  type MediaSocketGateway,
  type ProtocolDeps,
  type Renditions,
  type Stream,
} from '../../core/index.ts';
import {
  BusyTicks,
  type HttpMount,
  RateLimiter,
  sendToAll,
  type Ticker,
  WEB_SOCKET_CLOSE,
  WebSocketViewer,
} from '../../io/index.ts';
import { FragmentFormat } from './fragments/fragment-format.ts';
import { type MseOptions, resolveMseOptions } from './options.ts';
import { MSE_PREFIX, type MseTarget, parseTarget, type Refusal } from './request.ts';
import { SdkGateway } from './sdk/gateway.ts';
import { MseSession } from './session.ts';

export interface MseDeps extends ProtocolDeps {
  readonly ticker: Ticker;
  /** Says whether pictures in other forms can be made; without it whatever the converter takes. */
  readonly renditions?: Pick<Renditions, 'admit'> | undefined;
}

/** A stream in a form that a viewer can take. The viewer gives it back, the fan-out first. */
export interface MsePlace {
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
export interface MseContext
  extends Pick<MseDeps, 'sessions' | 'connections' | 'access' | 'log' | 'counters' | 'adaptations' | 'renditions'> {
  readonly options: MseOptions;
  /** Limits the log lines about viewers that were refused or dropped. */
  readonly faults: RateLimiter;
  findStream(name: string, from: ViewerStart): Promise<Stream | undefined>;
  /** False when nothing of the stream as it is now can be sent to such a viewer. */
  isPlayable(stream: Stream, target: MseTarget): boolean;
  /** Finds the viewer a place in what goes out of a stream; to be given back with `viewerLeft`. */
  placeFor(stream: Stream, target: MseTarget): MsePlace;
  viewerLeft(place: MsePlace): void;
  sessionWaits(session: MseSession): void;
  sessionGone(session: MseSession): void;
}

const CHECK_INTERVAL_MS = 1000;
const FAULT_LINES_PER_SECOND = 5;
/** What viewers send by WebSocket is ignored, so nothing of size is taken. */
const MAX_INCOMING_BYTES = 1024;
const ADVICE =
  'Streams are played here by WebSocket, as fragmented MP4: connect with ws:// or wss:// to this address.\n';

/**
 * Plays live streams as fragmented MP4 by WebSocket on the web port, `/mse/<stream>`, and, as `gateway`, to the Web SDK's
 * providers MSE and WSPlayer.
 */
export class MseServer implements HttpMount, MseContext {
  readonly prefix = MSE_PREFIX;
  readonly options: MseOptions;
  readonly sessions: MseDeps['sessions'];
  readonly connections: MseDeps['connections'];
  readonly access: MseDeps['access'];
  readonly log: Log;
  readonly counters: MseDeps['counters'];
  readonly adaptations: MseDeps['adaptations'];
  readonly renditions: MseDeps['renditions'];
  readonly faults = new RateLimiter(FAULT_LINES_PER_SECOND);
  readonly #deps: MseDeps;
  readonly #sdk: SdkGateway;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_INCOMING_BYTES,
  });
  readonly #open = new Set<MseSession>();
  readonly #waiting = new Set<MseSession>();
  readonly #fanOuts: FanOuts;
  readonly #polling: BusyTicks;
  #tick: Disposable | undefined;
  #closed = false;

  constructor(deps: MseDeps, options: Partial<MseOptions> = {}) {
    this.options = resolveMseOptions(options);
    this.sessions = deps.sessions;
    this.connections = deps.connections;
    this.access = deps.access;
    this.log = deps.log;
    this.counters = deps.counters;
    this.adaptations = deps.adaptations;
    this.renditions = deps.renditions;
    this.#deps = deps;
    this.#polling = new BusyTicks(deps.ticker, (nowMs) => this.#poll(nowMs));
    this.#fanOuts = new FanOuts({ flushIntervalMs: this.options.flushIntervalMs, sendToAll: sendToAll() });
    this.#sdk = new SdkGateway(deps, this.options, () => this.viewerCount < this.options.maxViewers);
  }

  /** For the web port; undefined when only WSPlayer is on. */
  get mount(): HttpMount | undefined {
    return this.options.enabled ? this : undefined;
  }

  /** For signalling: players of the Web SDK. */
  get gateway(): MediaSocketGateway {
    return this.#sdk;
  }

  /** Begins to look after viewers. Once, before the first request. */
  async start(): Promise<void> {
    this.#tick = this.#deps.ticker.on((nowMs) => this.#check(nowMs), CHECK_INTERVAL_MS);
  }

  /** Viewers of this moment, with those that wait for their stream, and players of the Web SDK. */
  get viewerCount(): number {
    return this.#open.size + this.#sdk.playerCount;
  }

  /** Whatever is asked for, the answer is that this takes a WebSocket (RFC 9110 §15.5.22). */
  request(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    for (const [name, value] of this.options.headers) response.setHeader(name, value);
    response
      .writeHead(426, {
        upgrade: 'websocket',
        connection: 'close, upgrade',
        'content-type': 'text/plain; charset=utf-8',
        'content-length': Buffer.byteLength(ADVICE),
      })
      .end(request.method === 'HEAD' ? undefined : ADVICE);
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const target = this.#admit(request);
    if ('status' in target) return this.#turnAway(socket, target);
    const parts = { server: this.#webSockets, options: this.options };
    const session = new MseSession(target, new WebSocketViewer({ request, socket, head }, parts), this);
    this.#open.add(session);
    session.begin();
  }

  /** Ends all viewers and packagers; resolves when their connections are released. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#tick?.[Symbol.dispose]();
    this.#polling.close();
    this.#sdk.close();
    const open = [...this.#open];
    for (const session of open) session.close('server stops', ENDING_INFO.shutdown, WEB_SOCKET_CLOSE.goingAway);
    this.#fanOuts.close();
    await Promise.all(open.map((session) => session.closed));
  }

  findStream(name: string, from: ViewerStart): Promise<Stream | undefined> {
    return findStream(this.#deps, name, { waitMs: this.options.playWaitMs, ...from });
  }

  isPlayable(stream: Stream, { acceptance }: MseTarget): boolean {
    const { video, audio } = this.#deps.adaptations.needsConversion(stream, acceptance);
    return [video, audio].some((need) => need === 'no' || need === 'yes');
  }

  placeFor(stream: Stream, { acceptance, partMs }: MseTarget): MsePlace {
    const lease = this.#deps.adaptations.lease(stream, acceptance, { steady: true });
    const variant = `${acceptance.key} ${partMs ?? 0}`;
    const fanOut = this.#fanOuts.get(lease.stream, variant, () => {
      return new FragmentFormat(lease.stream, acceptance, partMs);
    });
    return { fanOut, lease };
  }

  viewerLeft({ fanOut, lease }: MsePlace): void {
    this.#fanOuts.viewerLeft(fanOut);
    lease[Symbol.dispose]();
  }

  sessionWaits(session: MseSession): void {
    this.#waiting.add(session);
    this.#polling.begin();
  }

  sessionGone(session: MseSession): void {
    this.#open.delete(session);
    this.#waiting.delete(session);
  }

  #admit(request: IncomingMessage): MseTarget | Refusal {
    if (this.#closed) return { status: 503, message: 'the server stops' };
    const { maxViewers, allowsOrigin } = this.options;
    const { origin } = request.headers;
    if (!allowsOrigin(origin)) return { status: 403, message: `pages of ${origin} may not play here (allow_domains)` };
    if (this.viewerCount >= maxViewers)
      return { status: 503, message: `the limit of ${maxViewers} viewers is reached (mse_max_viewers)` };
    return parseTarget(request.url ?? '');
  }

  #turnAway(socket: Duplex, { status, message }: Refusal): void {
    this.counters.count('mse_refused');
    const suppressed = this.faults.take();
    if (suppressed >= 0) this.log.warn({ status, suppressed }, message);
    socket.on('error', () => socket.destroy());
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const body = `${message}\n`;
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
      'Content-Type: text/plain; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      'Connection: close',
    ];
    socket.once('finish', () => socket.destroy());
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  }

  /** Asks those that wait for their stream; false when nobody is left. */
  #poll(nowMs: number): boolean {
    for (const session of this.#waiting) if (!session.poll(nowMs)) this.#waiting.delete(session);
    return this.#waiting.size > 0;
  }

  #check(nowMs: number): void {
    for (const session of this.#open) session.check(nowMs);
    this.#sdk.check(nowMs);
  }
}
