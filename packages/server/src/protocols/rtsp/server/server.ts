import type { Socket } from 'node:net';
import type {
  AccessControl,
  Adaptations,
  ConnectionRegistry,
  Counters,
  Log,
  SessionRegistry,
  StreamRegistry,
  StreamResolver,
} from '../../../core/index.ts';
import { BusyTicks, RateLimiter, type Ticker, type TickListener } from '../../../io/index.ts';
import { RtspConnection } from './connection.ts';
import type { RtspContext, RtspServerDeps } from './context.ts';
import { RtspListener } from './listener.ts';
import { DEFAULT_RTSP_SERVER_OPTIONS, type RtspServerOptions } from './options.ts';
import { Places } from './places.ts';
import { Tunnels } from './tunnels.ts';
import { UdpPorts } from './udp-ports.ts';

const CHECK_INTERVAL_MS = 1000;
const FAULT_LINES_PER_SECOND = 5;

/**
 * Plays and takes streams by RTSP (RFC 2326), RTSPS and RTSP over HTTP: `rtsp://host:5554/<stream>`. Media goes over the
 * connection or by UDP, as each client wants it.
 */
export class RtspServer implements RtspContext {
  readonly options: RtspServerOptions;
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
  readonly places: Places;
  readonly udp: UdpPorts | undefined;
  readonly tunnels = new Tunnels();
  readonly #listeners: readonly RtspListener[];
  readonly #open = new Set<RtspConnection>();
  readonly #ticking = new Set<TickListener>();
  readonly #ticks: BusyTicks;
  #tick: Disposable | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: RtspServerDeps, options: Partial<RtspServerOptions> = {}) {
    this.options = { ...DEFAULT_RTSP_SERVER_OPTIONS, ...options };
    this.streams = deps.streams;
    this.sessions = deps.sessions;
    this.connections = deps.connections;
    this.access = deps.access;
    this.resolvers = deps.resolvers;
    this.adaptations = deps.adaptations;
    this.log = deps.log;
    this.counters = deps.counters;
    this.ticker = deps.ticker;
    this.#ticks = new BusyTicks(deps.ticker, (nowMs) => this.#onTick(nowMs));
    this.places = new Places(deps, this.options);
    const { udp, listen, tls } = this.options;
    this.udp = udp && new UdpPorts(udp, () => this.counters.count('rtsp_malformed_datagrams'));
    this.#listeners = listen.map(
      (address) =>
        new RtspListener({
          address,
          tls,
          onSocket: (socket) => this.#accept(socket),
          onError: (error) => {
            if (this.faults.take() >= 0) this.log.warn({ error: error.message }, 'RTSP connection refused');
          },
        }),
    );
  }

  /** Port of the first plain listener; 0 when there is none, and before `start`. */
  get port(): number {
    return this.#listeners.find((listener) => !listener.secure)?.port ?? 0;
  }

  /** Port of the first RTSPS listener; 0 when there is none, and before `start`. */
  get securePort(): number {
    return this.#listeners.find((listener) => listener.secure)?.port ?? 0;
  }

  /** Connections of this moment. */
  get connectionCount(): number {
    return this.#open.size;
  }

  /** @throws MediaServerError PORT_IN_USE; nothing is left open then */
  async start(): Promise<void> {
    try {
      for (const listener of this.#listeners) await listener.start();
      await this.udp?.start();
    } catch (error) {
      await Promise.all([...this.#listeners.map((listener) => listener.close()), this.udp?.close()]);
      throw error;
    }
    this.#tick = this.ticker.on((nowMs) => this.#check(nowMs), CHECK_INTERVAL_MS);
  }

  everyTick(listener: TickListener): Disposable {
    this.#ticking.add(listener);
    this.#ticks.begin();
    return { [Symbol.dispose]: () => void this.#ticking.delete(listener) };
  }

  /** Closes the listeners and all sessions; resolves when sockets and ports are free. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = Promise.all(this.#listeners.map((listener) => listener.close()));
    const open = [...this.#open];
    for (const connection of open) {
      connection.close('server stops');
      connection.output.destroySoon();
    }
    await Promise.all(open.map((connection) => connection.closed));
    this.places.close();
    await closed;
    this.#tick?.[Symbol.dispose]();
    this.#ticks.close();
    await this.udp?.close();
  }

  #accept(socket: Socket): void {
    this.counters.count('rtsp_connections');
    if (this.#open.size >= this.options.maxConnections || this.#closing !== undefined) {
      this.counters.count('rtsp_refused');
      socket.destroy();
      return;
    }
    const connection = new RtspConnection(socket, this);
    this.#open.add(connection);
    void connection.closed.then(() => this.#open.delete(connection));
  }

  #onTick(nowMs: number): boolean {
    for (const listener of this.#ticking) listener(nowMs);
    return this.#ticking.size > 0;
  }

  #check(nowMs: number): void {
    for (const connection of this.#open) connection.check(nowMs);
  }
}
