import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { TlsIdentity } from '../io/index.ts';
import { listenError } from './listen-error.ts';
import { OpenSockets } from './open-sockets.ts';
import type { RequestLimits } from './request-limits.ts';

export interface SecureListenerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly identity: TlsIdentity;
  readonly limits: RequestLimits;
}

/** Time for the TLS handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A second door of a web server, for HTTPS: requests are answered by the same handler. */
export class SecureListener {
  /** For the listeners that the first door has too. */
  readonly server: Server;
  readonly #options: SecureListenerOptions;
  readonly #sockets: OpenSockets;
  #closed: Promise<void> | undefined;

  constructor(options: SecureListenerOptions, handler: RequestListener) {
    const { identity, limits } = options;
    this.server = createServer({ ...identity, ...limits, handshakeTimeout: HANDSHAKE_TIMEOUT_MS }, handler);
    this.#options = options;
    this.#sockets = new OpenSockets(this.server);
  }

  /** The port that is listened on; before `start` the one that is configured. */
  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#options.port;
  }

  /** @throws MediaServerError PORT_IN_USE or CONFIG_INVALID */
  start(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const onError = (error: Error): void => reject(listenError(error, `${host}:${port}`, 'https.port') as Error);
      this.server.once('error', onError);
      this.server.listen({ host, port }, () => {
        this.server.off('error', onError);
        // An accept that fails, for want of file descriptors say, must not end the server.
        this.server.on('error', () => {});
        resolve();
      });
    });
  }

  /** Takes another certificate for connections from now on. @throws when it can't be used; the old one stays then */
  setIdentity(identity: TlsIdentity): void {
    createSecureContext({ ...identity });
    this.server.setSecureContext({ ...identity });
  }

  /** Accepts no more; connections go on until `close`. Idempotent. */
  stopListening(): void {
    this.#closed ??= new Promise((resolve) => {
      this.server.close(() => resolve());
    });
  }

  /** Resolves when the port and all connections are released. Idempotent. */
  async close(): Promise<void> {
    this.stopListening();
    this.#sockets.destroyAll();
    await this.#closed;
  }
}
