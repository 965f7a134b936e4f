import type { Socket } from 'node:net';
import {
  type AccessControl,
  type Adaptations,
  type AdaptedStream,
  type ConnectionRegistry,
  type Counters,
  ENDING_INFO,
  type FanOut,
  FanOuts,
  findStream,
  type Log,
  type ProtocolDeps,
  type SessionRegistry,
  type Stream,
  type StreamRegistry,
  type StreamResolver,
} from '../../core/index.ts';
import { RateLimiter, RestedReads, sendToAll, type Ticker } from '../../io/index.ts';
import { type ConnectFacts, leftOut, notTaken } from './connect.ts';
import { RtmpListener } from './listener.ts';
import { DEFAULT_RTMP_OPTIONS, type RtmpOptions } from './options.ts';
import { RtmpFormat } from './packager.ts';
import type { AdmittedRequest, Outcome } from './peer.ts';
import { RtmpSession } from './session.ts';

export interface RtmpDeps extends ProtocolDeps {
  readonly ticker: Ticker;
}

/** How a viewer wants a stream; viewers that want the same share everything. */
export interface RtmpWish {
  readonly facts: ConnectFacts;
  /** Silence in place of the sound. */
  readonly silent: boolean;
}

/** A stream in a form that a viewer can take. The viewer gives it back, the fan-out first. */
export interface RtmpPlace {
  readonly fanOut: FanOut;
  readonly lease: AdaptedStream;
  /** A sentence for each track that is left out. */
  readonly leftOut: readonly string[];
}

/** What a session asks of the server that owns it. */
export interface RtmpContext extends RtmpDeps {
  readonly options: RtmpOptions;
  readonly faults: RateLimiter;
  /** For publishers whom nobody watches; undefined where that can't be had, and while the server does not run. */
  readonly rested: RestedReads | undefined;
  findStream(request: AdmittedRequest, signal: AbortSignal): Promise<Stream | undefined>;
  /** Finds the viewer a place in what goes out of a stream; to be given back with `viewerLeft`. */
  placeFor(stream: Stream, wish: RtmpWish): RtmpPlace;
  viewerLeft(place: RtmpPlace): void;
  sessionClosed(session: RtmpSession): void;
}

const CHECK_INTERVAL_MS = 1000;
const FAULT_LINES_PER_SECOND = 5;
const SERVER_STOPS: Outcome = { failed: false, info: ENDING_INFO.shutdown };

/** Accepts RTMP and RTMPS connections and owns their sessions and the fan-outs of the streams that they play. */
export class RtmpServer implements RtmpContext {
  readonly options: RtmpOptions;
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly connections: ConnectionRegistry;
  readonly access: AccessControl;
  readonly resolvers: readonly StreamResolver[];
  readonly adaptations: Adaptations;
  readonly log: Log;
  readonly counters: Counters;
  readonly ticker: Ticker;
  readonly faults = new RateLimiter(FAULT_LINES_PER_SECOND);
  readonly #listeners: readonly RtmpListener[];
  readonly #open = new Set<RtmpSession>();
  readonly #fanOuts: FanOuts;
  #rested: RestedReads | undefined;
  #tick: Disposable | undefined;
  /** Called when the last session is gone, while the server closes. */
  #onEmpty: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: RtmpDeps, options: RtmpOptions = DEFAULT_RTMP_OPTIONS) {
    this.options = options;
    this.streams = deps.streams;
    this.sessions = deps.sessions;
    this.connections = deps.connections;
    this.access = deps.access;
    this.resolvers = deps.resolvers;
    this.adaptations = deps.adaptations;
    this.log = deps.log;
    this.counters = deps.counters;
    this.ticker = deps.ticker;
    this.#fanOuts = new FanOuts({
      flushIntervalMs: options.flushIntervalMs,
      videoFirst: options.sendVideoFirst,
      sendToAll: sendToAll(),
    });
    this.#listeners = options.listen.map(
      (address) =>
        new RtmpListener({
          address,
          tls: options.tls,
          onSocket: (socket) => this.#accept(socket),
          onError: (error) => {
            this.counters.count('rtmp_refused');
            if (this.faults.take() >= 0) this.log.warn({ error: error.message }, 'RTMP connection refused');
          },
        }),
    );
  }

  get rested(): RestedReads | undefined {
    return this.#rested;
  }

  /** Port of the first plain listener; 0 when there is none, and before `start`. */
  get port(): number {
    return this.#listeners.find((listener) => !listener.secure)?.port ?? 0;
  }

  /** Port of the first RTMPS listener; 0 when there is none, and before `start`. */
  get securePort(): number {
    return this.#listeners.find((listener) => listener.secure)?.port ?? 0;
  }

  /** @throws MediaServerError PORT_IN_USE; nothing is left open then */
  async start(): Promise<void> {
    try {
      for (const listener of this.#listeners) await listener.start();
    } catch (error) {
      await Promise.all(this.#listeners.map((listener) => listener.close()));
      throw error;
    }
    this.#rested = RestedReads.begin(this.ticker);
    this.#tick = this.ticker.on((now) => this.#check(now), CHECK_INTERVAL_MS);
  }

  /**
   * Closes the listeners, all sessions and fan-outs; resolves when the sockets are gone. Peers that can reconnect
   * (Enhanced RTMP v2, "Reconnect Request") are asked to before, and get some time for it. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = Promise.all(this.#listeners.map((listener) => listener.close()));
    await this.#letReconnect();
    this.#tick?.[Symbol.dispose]();
    this.#rested?.close();
    for (const session of [...this.#open]) session.close('server stops', SERVER_STOPS);
    this.#fanOuts.close();
    await closed;
  }

  /** Asks who can to reconnect; resolves when they have left, at the latest after the grace time. */
  async #letReconnect(): Promise<void> {
    const { reconnectGraceMs, reconnectUrl } = this.options;
    const asked = [...this.#open].filter((session) => session.requestReconnect(reconnectUrl));
    if (asked.length === 0) return;
    this.log.info({ peers: asked.length }, 'asked RTMP peers to reconnect');
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, reconnectGraceMs);
      this.#onEmpty = () => {
        if (asked.some((session) => this.#open.has(session))) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  findStream({ name, startUs }: AdmittedRequest, signal: AbortSignal): Promise<Stream | undefined> {
    return findStream(this, name, { waitMs: this.options.playWaitMs, signal, startUs });
  }

  placeFor(stream: Stream, { facts, silent }: RtmpWish): RtmpPlace {
    const lease = this.adaptations.lease(stream, facts.acceptance, { steady: true });
    const asItIs = lease.stream === stream;
    const without = asItIs ? notTaken(stream.state, facts) : new Set<never>();
    const key = `${silent} ${[...without].sort().join()}`;
    const format = { chunkSize: this.options.chunkSize, silent, without };
    const fanOut = this.#fanOuts.get(lease.stream, key, () => new RtmpFormat(format));
    const reasons = Object.entries(lease.leftOut).map(([kind, reason]) => `${kind} is left out: ${reason}`);
    return { fanOut, lease, leftOut: asItIs ? leftOut(stream.state, facts) : reasons };
  }

  viewerLeft({ fanOut, lease }: RtmpPlace): void {
    this.#fanOuts.viewerLeft(fanOut);
    lease[Symbol.dispose]();
  }

  sessionClosed(session: RtmpSession): void {
    this.#open.delete(session);
    this.#onEmpty?.();
  }

  #accept(socket: Socket): void {
    this.counters.count('rtmp_connections');
    if (this.#open.size >= this.options.maxConnections || this.#closing !== undefined) {
      this.counters.count('rtmp_refused');
      socket.destroy();
      return;
    }
    this.#open.add(new RtmpSession(socket, this));
  }

  #check(nowMs: number): void {
    for (const session of this.#open) session.check(nowMs);
  }
}
