import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { type Counters, type Log, MediaServerError } from '../../../core/index.ts';
import type { TlsIdentity } from '../../../io/index.ts';
import type { HlsSecureOptions } from '../options.ts';
import { DirectConnection, type DirectConnectionOptions } from './direct-connection.ts';
import type { Exchange } from './exchange.ts';
import { NodeExchange } from './node-exchange.ts';
import { KEEP_ALIVE_SECONDS } from './response-head.ts';
import { SessionGuards } from './session-guard.ts';

const MAX_HEADER_BYTES = 16 * 1024;
/** How often time limits are looked at; Node's own half a minute would more than double them. */
const CHECK_MS = 2000;
const CHECKS = 5;
/** Requests of one HTTP/2 connection at the same time: a player has some playlists, parts and segments under way. */
const MAX_STREAMS = 100;
/** Mebibytes that one HTTP/2 connection may take. */
const MAX_SESSION_MIB = 16;
const MAX_HEADERS = 100;
const BACKLOG = 1024;

export interface DoorOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /**
   * Time for a TLS handshake, for the head of a request, and for all of it: no request that we answer has a body.
   * Milliseconds.
   */
  readonly requestTimeoutMs: number;
  /** A connection on which nothing moves for this long is ended. */
  readonly idleMs: number;
  /** Takes a request, by whatever version of HTTP. */
  onExchange(exchange: Exchange): void;
  readonly log: Log;
  readonly counters: Counters;
}

/** One listening address of the HLS server. */
export interface Door {
  /** The port that is listened on; 0 before `start`. */
  readonly port: number;
  /** @throws MediaServerError PORT_IN_USE, CONFIG_INVALID */
  start(): Promise<void>;
  /** Ends what is stuck; called now and then. */
  sweep(nowMs: number): void;
  /** Resolves when the port and all connections are released. Idempotent. */
  close(): Promise<void>;
}

/** The door without TLS: HTTP/1.1. Requests as players send them don't go through Node's HTTP: see DirectConnection. */
export class PlainDoor implements Door {
  readonly #options: DoorOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#server = createServer(limitsOf(options), (request, response) =>
      options.onExchange(new NodeExchange(request, response)),
    );
    this.#server.timeout = options.idleMs;
    this.#takeConnections();
  }

  /** Connections come to us before Node's HTTP has them. */
  #takeConnections(): void {
    const server = this.#server;
    const listeners = server.listeners('connection') as ((socket: Socket) => void)[];
    const { requestTimeoutMs, idleMs } = this.#options;
    const direct: DirectConnectionOptions = {
      requestTimeoutMs,
      idleMs,
      onExchange: (exchange) => this.#options.onExchange(exchange),
      handOver: (socket) => {
        for (const listener of listeners) listener.call(server, socket);
      },
    };
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      new DirectConnection(socket, direct);
    });
  }

  get port(): number {
    return portOf(this.#server);
  }

  async start(): Promise<void> {
    await listen(this.#server, this.#options, 'hls.port');
  }

  /** Limits of sockets and of Node's HTTP do all that there is to do. */
  sweep(): void {}

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** The door with TLS: HTTP/2 and, for whoever does not know that, HTTP/1.1 (ALPN, RFC 7301). */
export class SecureDoor implements Door {
  readonly #options: DoorOptions;
  readonly #server: Http2SecureServer;
  readonly #guards: SessionGuards;
  /** Also those in the middle of a TLS handshake, which nothing else can end. */
  readonly #sockets = new Set<Socket>();

  constructor(options: DoorOptions, { identity }: Pick<HlsSecureOptions, 'identity'>) {
    this.#options = options;
    this.#guards = new SessionGuards(options.counters);
    const server = createSecureServer({
      ...identity,
      allowHTTP1: true,
      handshakeTimeout: options.requestTimeoutMs,
      maxSessionMemory: MAX_SESSION_MIB,
      maxHeaderListPairs: MAX_HEADERS,
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES, enablePush: false },
    });
    this.#server = server;
    // What Node's HTTP/1.1 server takes from its options, it takes here from the server itself.
    Object.assign(server, {
      ...limitsOf(options),
      timeout: options.idleMs,
    });
    server.on('connection', (socket: Socket) => this.#track(socket));
    server.on('session', (session: ServerHttp2Session) => this.#guards.add(session));
    server.on('sessionError', () => {});
    // A connection of HTTP/1.1 has a listener of its own for that.
    server.on('timeout', (idle: ServerHttp2Session | Socket) => idle.destroy());
    server.on('request', (request, response) => this.#receive(request, response));
  }

  get port(): number {
    return portOf(this.#server);
  }

  async start(): Promise<void> {
    await listen(this.#server, this.#options, 'hls.https.port');
  }

  /** Takes another certificate for connections from now on. @throws when it can't be used; the old one stays then */
  setIdentity(identity: TlsIdentity): void {
    createSecureContext({ ...identity });
    this.#server.setSecureContext({ ...identity });
  }

  sweep(nowMs: number): void {
    this.#guards.sweep(nowMs);
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #track(socket: Socket): void {
    this.#options.counters.count('hls_secure_connections');
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #receive(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
    if (!(request instanceof Http2ServerRequest)) {
      this.#options.onExchange(new NodeExchange(request, response));
      return;
    }
    const { session } = request.stream;
    const guard = session === undefined ? undefined : this.#guards.of(session);
    if (guard === undefined) {
      request.stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    const exchange = new NodeExchange(request, response, guard.peer);
    guard.opened(request.stream, exchange);
    this.#options.onExchange(exchange);
  }
}

/** By the names that Node has for them. */
function limitsOf({ requestTimeoutMs }: DoorOptions) {
  return {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, Math.ceil(requestTimeoutMs / CHECKS)),
    keepAliveTimeout: KEEP_ALIVE_SECONDS * 1000,
  };
}

function portOf(server: Pick<NetServer, 'address'>): number {
  return (server.address() as AddressInfo | null)?.port ?? 0;
}

/** Resolves when the server listens. */
function listen(server: NetServer, { host, port, log }: DoorOptions, setting: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      const place = `${host}:${port}`;
      reject(
        cause.code === 'EADDRINUSE'
          ? new MediaServerError('PORT_IN_USE', `${place} is taken by another program, change ${setting}`, { cause })
          : new MediaServerError('CONFIG_INVALID', `can not listen on ${place} (${setting}): ${cause.message}`, {
              cause,
            }),
      );
    };
    server.once('error', failed);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', failed);
      // An accept that fails, for want of file descriptors say, must not end the server.
      server.on('error', (error) => log.error({ error: String(error) }, 'hls listener failed'));
      resolve();
    });
  });
}
