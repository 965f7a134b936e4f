import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import { MediaServerError } from '../../core/index.ts';
import type { TlsIdentity } from '../../io/index.ts';
import { OpenSockets } from '../open-sockets.ts';
import type { SignallingAddress } from './options.ts';

export interface WebSocketListenerOptions {
  readonly address: SignallingAddress;
  /** Needed when the address is secure. */
  readonly identity: TlsIdentity | undefined;
  readonly webSockets: WebSocketServer;
  /** Status to refuse a new connection with, undefined to take it. */
  refusal(request: IncomingMessage): 403 | 503 | undefined;
  onWebSocket(webSocket: WebSocket, request: IncomingMessage): void;
  /** A failed accept: the listener lives on. */
  onError(error: Error): void;
}

/** Time for the TLS handshake and for the request's header, so that silent peers can't hold sockets. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const CHECK_INTERVAL_MS = 2000;
const MAX_HEADER_BYTES = 16 * 1024;
const ADVICE =
  'This port speaks WebSocket, for the Web SDK: connect with ws:// or wss://. Pages are at the web port.\n';

/** One listening address for WS or WSS, at any path; anything else is told what this port is for. */
export class WebSocketListener {
  readonly #options: WebSocketListenerOptions;
  readonly #server: Server | SecureServer;
  readonly #sockets: OpenSockets;

  constructor(options: WebSocketListenerOptions) {
    this.#options = options;
    const limits = {
      headersTimeout: HANDSHAKE_TIMEOUT_MS,
      requestTimeout: HANDSHAKE_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    this.#server =
      options.address.secure === true
        ? createSecureServer({ ...limits, ...options.identity, handshakeTimeout: HANDSHAKE_TIMEOUT_MS })
        : createServer(limits);
    this.#sockets = new OpenSockets(this.#server);
    this.#server.on('request', answerHttp);
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  get secure(): boolean {
    return this.#options.address.secure === true;
  }

  /** The port that is listened on; 0 before `start`. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** @throws MediaServerError PORT_IN_USE */
  start(): Promise<void> {
    const { host, port } = this.#options.address;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? 'is in use by another program' : `can not be opened (${error.code})`;
        const [name, setting] = this.secure ? ['WSS', 'wss.port'] : ['WebSocket', 'ws.port'];
        const message = `${name} port ${host}:${port} ${why}; stop that program or choose another with --set ${setting}=NUMBER`;
        reject(new MediaServerError('PORT_IN_USE', message, { cause: error }));
      });
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        // An accept that fails, for want of file descriptors say, must not end the server.
        this.#server.removeAllListeners('error');
        this.#server.on('error', (error) => this.#options.onError(error));
        resolve();
      });
    });
  }

  /** Takes another certificate for connections from now on. @throws when it can't be used; the old one stays then */
  setIdentity(identity: TlsIdentity): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext({ ...identity });
  }

  /**
   * Accepts no more, and resolves when all sockets are gone: WebSockets, which their owner closes, are cut off after
   * `graceMs`. Idempotent.
   */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    const timer = setTimeout(() => this.#sockets.destroyAll(), graceMs);
    await closed;
    clearTimeout(timer);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const status = this.#options.refusal(request);
    if (status === undefined) {
      this.#options.webSockets.handleUpgrade(request, socket, head, this.#options.onWebSocket);
      return;
    }
    socket.once('finish', () => socket.destroy());
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
  }
}

/** RFC 9110 §15.5.22: which protocol is needed. */
function answerHttp(_request: IncomingMessage, response: ServerResponse): void {
  response
    .writeHead(426, {
      upgrade: 'websocket',
      connection: 'close, upgrade',
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(ADVICE),
    })
    .end(ADVICE);
}
