import { createServer, type Server, type Socket } from 'node:net';
import {
  type ConnectionRegistry,
  type Counters,
  FanOut,
  type Log,
  MediaServerError,
  type SessionRegistry,
  type Stream,
  type StreamRegistry,
  type StreamResolver,
} from '../../core/index.ts';
import { RateLimiter, type Ticker } from '../../io/index.ts';
import { RtmpFormat } from './packager.ts';
import { RtmpSession } from './session.ts';

export interface RtmpOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Chunk size that we send with, bytes. */
  readonly chunkSize: number;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** How long a player waits for a stream that is not there. */
  readonly playWaitMs: number;
  readonly viewerStallTimeoutMs: number;
  /** Most bytes that a viewer who is behind gets in one write. */
  readonly viewerWriteBytes: number;
  readonly flushIntervalMs: number;
  readonly handshakeTimeoutMs: number;
  readonly keepAlive: boolean;
  readonly keepAliveIntervalMs: number;
  readonly keepAliveProbes: number;
}

export const DEFAULT_RTMP_OPTIONS: RtmpOptions = {
  host: '::',
  port: 1935,
  chunkSize: 65536,
  maxMessageBytes: 8 * 1024 * 1024,
  maxConnections: 10_000,
  playWaitMs: 3000,
  viewerStallTimeoutMs: 10_000,
  viewerWriteBytes: 256 * 1024,
  flushIntervalMs: 36,
  handshakeTimeoutMs: 10_000,
  keepAlive: true,
  keepAliveIntervalMs: 5000,
  keepAliveProbes: 10,
};

export interface RtmpDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly connections: ConnectionRegistry;
  readonly resolvers: readonly StreamResolver[];
  readonly log: Log;
  readonly counters: Counters;
  readonly ticker: Ticker;
}

/** What a session asks of the server that owns it. */
export interface RtmpContext extends RtmpDeps {
  readonly options: RtmpOptions;
  readonly faults: RateLimiter;
  findStream(name: string, signal: AbortSignal): Promise<Stream | undefined>;
  fanOutFor(stream: Stream): FanOut;
  viewerLeft(fanOut: FanOut): void;
  sessionClosed(session: RtmpSession): void;
}

const CHECK_INTERVAL_MS = 1000;
const FAULT_LINES_PER_SECOND = 5;

/** Accepts RTMP connections and owns their sessions and the packagers of the streams that they play. */
export class RtmpServer implements RtmpContext {
  readonly options: RtmpOptions;
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly connections: ConnectionRegistry;
  readonly resolvers: readonly StreamResolver[];
  readonly log: Log;
  readonly counters: Counters;
  readonly ticker: Ticker;
  readonly faults = new RateLimiter(FAULT_LINES_PER_SECOND);
  readonly #server: Server;
  readonly #open = new Set<RtmpSession>();
  readonly #fanOuts = new Map<Stream, FanOut>();
  #tick: Disposable | undefined;
  #lastCheckMs = 0;

  constructor(deps: RtmpDeps, options: RtmpOptions = DEFAULT_RTMP_OPTIONS) {
    this.options = options;
    this.streams = deps.streams;
    this.sessions = deps.sessions;
    this.connections = deps.connections;
    this.resolvers = deps.resolvers;
    this.log = deps.log;
    this.counters = deps.counters;
    this.ticker = deps.ticker;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = options.maxConnections;
  }

  /** The port that is listened on; 0 before `start`. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** @throws MediaServerError PORT_IN_USE */
  start(): Promise<void> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? 'is in use by another program' : `can not be opened (${error.code})`;
        const message = `RTMP port ${host}:${port} ${why}; stop that program or choose another with --set rtmp.port=NUMBER`;
        reject(new MediaServerError('PORT_IN_USE', message, { cause: error }));
      });
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        // An accept that fails, for want of file descriptors say, must not end the server.
        this.#server.removeAllListeners('error');
        this.#server.on('error', (error) => {
          if (this.faults.take() >= 0) this.log.error({ err: error }, 'RTMP listener');
        });
        this.#tick = this.ticker.on((now) => this.#check(now));
        resolve();
      });
    });
  }

  /** Closes the listener, all sessions and packagers; resolves when the sockets are gone. Idempotent. */
  async close(): Promise<void> {
    this.#tick?.[Symbol.dispose]();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of [...this.#open]) session.close('server stops');
    for (const fanOut of this.#fanOuts.values()) fanOut.close();
    this.#fanOuts.clear();
    await closed;
  }

  async findStream(name: string, signal: AbortSignal): Promise<Stream | undefined> {
    const present = this.streams.get(name);
    if (present !== undefined) return present;
    const resolver = this.resolvers.find((r) => r.accepts(name));
    if (resolver !== undefined) return resolver.resolve(name);
    return this.streams.waitFor(name, this.options.playWaitMs, signal);
  }

  fanOutFor(stream: Stream): FanOut {
    let fanOut = this.#fanOuts.get(stream);
    if (fanOut === undefined) {
      fanOut = new FanOut(stream, new RtmpFormat(this.options.chunkSize), {
        flushIntervalMs: this.options.flushIntervalMs,
        onEnd: () => this.#fanOuts.delete(stream),
      });
      this.#fanOuts.set(stream, fanOut);
    }
    return fanOut;
  }

  /** Ends a fan-out with its last viewer. */
  viewerLeft(fanOut: FanOut): void {
    if (fanOut.viewerCount > 0) return;
    fanOut.close();
    if (this.#fanOuts.get(fanOut.stream) === fanOut) this.#fanOuts.delete(fanOut.stream);
  }

  sessionClosed(session: RtmpSession): void {
    this.#open.delete(session);
  }

  #accept(socket: Socket): void {
    this.counters.count('rtmp_connections');
    this.#open.add(new RtmpSession(socket, this));
  }

  #check(nowMs: number): void {
    if (nowMs - this.#lastCheckMs < CHECK_INTERVAL_MS) return;
    this.#lastCheckMs = nowMs;
    for (const session of this.#open) session.check(nowMs);
  }
}
