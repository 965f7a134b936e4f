import type { IncomingMessage } from 'node:http';
import { createSecureContext } from 'node:tls';
import type { ConnectionRequest } from '@sluice/contract';
import { type WebSocket, WebSocketServer } from 'ws';
import type {
  AccessControl,
  ConnectionRegistry,
  Counters,
  Log,
  MediaSocketGateway,
  PeerGateway,
  ProtocolDeps,
  Recorder,
  Relays,
  Snapshots,
} from '../../core/index.ts';
import { BusyTicks, RateLimiter, type Ticker, type TlsIdentity } from '../../io/index.ts';
import { CLOSE_GOING_AWAY, SignallingConnection } from './client-connection.ts';
import type { MediaTransport } from './media-transport.ts';
import { DEFAULT_SIGNALLING_OPTIONS, type SignallingOptions } from './options.ts';
import { ResumableSessions } from './resumable-sessions.ts';
import { RoomDirectory } from './rooms/room-directory.ts';
import type { SignallingContext, SignallingMedia } from './signalling-context.ts';
import { StreamPlayers } from './stream-players.ts';
import { WebSocketListener } from './web-socket-listener.ts';

export interface SignallingDeps
  extends Pick<ProtocolDeps, 'streams' | 'sessions' | 'connections' | 'access' | 'log' | 'counters'> {
  readonly ticker: Ticker;
  /** Answers the offers of publishers and players. */
  readonly peers: PeerGateway;
  /** Plays by WebSocket; without it players of MSE and WSPlayer are refused. */
  readonly mediaSockets?: MediaSocketGateway | undefined;
  /** Without it nothing is recorded, without the next no pictures are taken. */
  readonly recorder?: SignallingRecorder | undefined;
  /** Sends streams on to the `rtmpUrl` of their publisher. */
  readonly relays?: Pick<Relays, 'push' | 'end'> | undefined;
  readonly snapshots?: Snapshots | undefined;
  /** False for pages that may not connect (`allow_domains`). Default: all may. */
  readonly allowsOrigin?: ((origin: string | undefined) => boolean) | undefined;
}

/** Knows the files of recordings, and records rooms. */
export type SignallingRecorder = Pick<Recorder, 'settled' | 'enabled' | 'of' | 'start'>;

const CHECK_INTERVAL_MS = 100;
const RATE_INTERVAL_MS = 1000;
const FAULT_LINES_PER_SECOND = 5;
/** WebSockets have this long to close properly when the server stops. */
const CLOSE_GRACE_MS = 500;

/**
 * Has unmodified Web SDK applications publish and play: WebSockets with JSON messages (websdk-signalling.md), whose
 * media goes through a PeerGateway.
 */
export class SignallingServer implements SignallingContext {
  readonly options: SignallingOptions;
  readonly access: AccessControl;
  readonly connections: ConnectionRegistry;
  readonly media: SignallingMedia;
  /** All rooms of this moment. */
  readonly rooms: RoomDirectory;
  readonly log: Log;
  readonly counters: Counters;
  readonly faults = new RateLimiter(FAULT_LINES_PER_SECOND);
  readonly #ticks: BusyTicks;
  readonly #listeners: readonly WebSocketListener[];
  readonly #open = new Set<SignallingConnection>();
  readonly #byToken = new Map<string, SignallingConnection>();
  readonly #resumable: ResumableSessions;
  #ratesToldMs = 0;
  #closing: Promise<void> | undefined;

  constructor(deps: SignallingDeps, options: Partial<SignallingOptions> = {}) {
    this.options = Object.freeze({ ...DEFAULT_SIGNALLING_OPTIONS, ...options });
    this.access = deps.access;
    this.connections = deps.connections;
    const { streams, sessions, peers, mediaSockets, recorder, relays, snapshots } = deps;
    const players = new StreamPlayers();
    this.media = { streams, sessions, peers, mediaSockets, players, recorder, relays, snapshots };
    this.rooms = new RoomDirectory({ ...deps, options: this.options });
    this.log = deps.log;
    this.counters = deps.counters;
    this.#ticks = new BusyTicks(deps.ticker, (nowMs) => this.#check(nowMs), CHECK_INTERVAL_MS);
    const { resumeWindowMs, maxResumable, maxMessageBytes, listen, identity } = this.options;
    this.#resumable = new ResumableSessions(resumeWindowMs, maxResumable);
    const webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: maxMessageBytes,
    });
    this.#listeners = listen.map(
      (address) =>
        new WebSocketListener({
          address,
          identity,
          webSockets,
          refusal: (request) => this.#refusalOf(request, deps.allowsOrigin),
          onWebSocket: (webSocket, request) => this.#accept(webSocket, request),
          onError: (error) => {
            this.counters.count('signalling_refused');
            if (this.faults.take() >= 0) this.log.warn({ error: error.message }, 'WebSocket connection refused');
          },
        }),
    );
  }

  /** Port of the first WS listener; 0 when there is none, and before `start`. */
  get port(): number {
    return this.#listeners.find((listener) => !listener.secure)?.port ?? 0;
  }

  /** Port of the first WSS listener; 0 when there is none, and before `start`. */
  get securePort(): number {
    return this.#listeners.find((listener) => listener.secure)?.port ?? 0;
  }

  /** Sessions that wait for their clients to come back. */
  get resumable(): number {
    return this.#resumable.size;
  }

  /** @throws MediaServerError PORT_IN_USE; nothing is left open then */
  async start(): Promise<void> {
    try {
      for (const listener of this.#listeners) await listener.start();
    } catch (error) {
      await Promise.all(this.#listeners.map((listener) => listener.close(0)));
      throw error;
    }
  }

  /**
   * Takes another certificate for WSS connections from now on.
   * @throws when certificate and key can't be used together; the present ones stay then
   */
  setIdentity(identity: TlsIdentity): void {
    createSecureContext({ ...identity });
    for (const listener of this.#listeners) if (listener.secure) listener.setIdentity(identity);
  }

  /** Ends all connections with what they publish and play; resolves when the sockets are gone. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  resume(authToken: string): Partial<ConnectionRequest> | undefined {
    const present = this.#byToken.get(authToken);
    if (present === undefined) return this.#resumable.take(authToken);
    if (!present.keepAlive) return undefined;
    // The page was loaded anew, and the server has not noticed yet that its old connection is dead.
    present.giveWay();
    return present.said;
  }

  transport(authToken: string, transport: MediaTransport): boolean {
    return this.#byToken.get(authToken)?.takeTransport(transport) === true;
  }

  established(connection: SignallingConnection): void {
    this.#byToken.set(connection.authToken, connection);
  }

  ended(connection: SignallingConnection, how: 'over' | 'lost' | 'resumed'): void {
    this.#open.delete(connection);
    if (this.#byToken.get(connection.authToken) === connection) this.#byToken.delete(connection.authToken);
    if (how === 'lost' && connection.resumable) this.#resumable.keep(connection.authToken, connection.said);
  }

  async #close(): Promise<void> {
    this.#ticks.close();
    const closed = Promise.all(this.#listeners.map((listener) => listener.close(CLOSE_GRACE_MS)));
    for (const connection of [...this.#open]) connection.disconnect('server stops', CLOSE_GOING_AWAY);
    this.#resumable.clear();
    this.rooms.close();
    await closed;
  }

  /** Status that a request for a WebSocket is refused with, undefined for none. */
  #refusalOf({ headers }: IncomingMessage, allowsOrigin: SignallingDeps['allowsOrigin']): 403 | 503 | undefined {
    const full = this.#open.size >= this.options.maxConnections || this.#closing !== undefined;
    const forbidden = allowsOrigin !== undefined && !allowsOrigin(headers.origin);
    if (!full && !forbidden) return undefined;
    this.counters.count('signalling_refused');
    return forbidden ? 403 : 503;
  }

  #accept(webSocket: WebSocket, request: IncomingMessage): void {
    this.counters.count('signalling_connections');
    this.#open.add(new SignallingConnection(webSocket, request, this));
    this.#ticks.begin();
  }

  /** False when nobody is there and nobody is awaited. */
  #check(nowMs: number): boolean {
    for (const connection of this.#open) connection.check(nowMs);
    this.#resumable.expire(nowMs);
    this.rooms.expire(nowMs);
    if (nowMs - this.#ratesToldMs >= RATE_INTERVAL_MS) {
      this.#ratesToldMs = nowMs;
      for (const connection of this.#open) connection.tellVideoRates(nowMs);
    }
    return this.#open.size + this.#resumable.size + this.rooms.size > 0;
  }
}
