import { once } from 'node:events';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import type { TlsIdentity } from '../../../io/index.ts';
import type { Admission } from './admission.ts';
import type { TurnLimits } from './options.ts';
import { StreamClient, type StreamClientOptions } from './stream-client.ts';

export interface StreamListenerOptions extends Omit<StreamClientOptions, 'transport'> {
  /** TLS with it, TCP without. */
  readonly identity: TlsIdentity | undefined;
  readonly limits: TurnLimits;
  /** Counts connections, of this listener and others. */
  readonly admission: Admission;
}

/** A port of clients by TCP or TLS. */
export class StreamListener {
  readonly #options: StreamListenerOptions;
  readonly #server: Server;
  readonly #tls: TlsServer | undefined;
  /** Connections, with those whose TLS handshake is not done. */
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Set<StreamClient>();
  #closing: Promise<void> | undefined;

  constructor(options: StreamListenerOptions) {
    this.#options = options;
    const { identity, limits } = options;
    if (identity === undefined) {
      this.#server = createTcpServer({ noDelay: true });
      this.#server.on('connection', (socket) => this.#begin(socket, 'tcp'));
    } else {
      const tls = createTlsServer({ ...identity, minVersion: 'TLSv1.2', handshakeTimeout: limits.handshakeTimeoutMs });
      this.#tls = tls;
      this.#server = tls;
      tls.on('secureConnection', (socket) => this.#begin(socket, 'tls'));
      tls.on('tlsClientError', (_error, socket) => socket.destroy());
    }
    this.#server.prependListener('connection', (socket) => this.#admit(socket));
  }

  /** The port that is listened on; 0 before `start`. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Rejects with the system's error. */
  start(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        // An accept that fails, for want of file descriptors say, must not end the server.
        this.#server.off('error', reject);
        this.#server.on('error', () => {});
        resolve();
      });
    });
  }

  /**
   * Takes another certificate for connections from now on.
   * @throws Error for a pair that does not belong together; the former one stays
   */
  setIdentity(identity: TlsIdentity): void {
    this.#tls?.setSecureContext({ ...identity, minVersion: 'TLSv1.2' });
  }

  /** Call every second or so. */
  tick(nowMs: number): void {
    for (const client of this.#clients) client.tick(nowMs);
  }

  /** Ends all connections; resolves when the port is free. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const serverGone = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const client of this.#clients) client.close();
    const socketsGone = [...this.#sockets].map((socket) => once(socket.destroy(), 'close'));
    await Promise.all([serverGone, ...socketsGone]);
  }

  #admit(socket: Socket): void {
    const ticket = this.#options.admission.admit(socket.remoteAddress);
    socket.on('error', () => socket.destroy());
    if (ticket === undefined || socket.destroyed || this.#closing !== undefined) {
      socket.destroy();
      ticket?.[Symbol.dispose]();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      ticket[Symbol.dispose]();
    });
  }

  #begin(socket: Socket, transport: 'tcp' | 'tls'): void {
    // One that was reset already has no address any more.
    if (socket.remoteAddress === undefined || this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    const { limits, receive, onMalformed } = this.#options;
    const onGone = (client: StreamClient): void => {
      this.#clients.delete(client);
      this.#options.onGone(client);
    };
    this.#clients.add(new StreamClient(socket, { transport, limits, receive, onMalformed, onGone }, performance.now()));
  }
}
