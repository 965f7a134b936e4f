import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { MediaServerError } from '../../../core/index.ts';
import type { TlsIdentity } from '../../../io/index.ts';
import type { RtspAddress } from './options.ts';

export interface RtspListenerOptions {
  readonly address: RtspAddress;
  /** Needed when the address is secure. */
  readonly tls: TlsIdentity | undefined;
  /** Takes over a connection, for RTSPS before its TLS handshake: that goes on when the socket is read. */
  onSocket(socket: Socket): void;
  /** A failed accept: the listener lives on. */
  onError(error: Error): void;
}

/** One listening address for RTSP or RTSPS. */
export class RtspListener {
  readonly #options: RtspListenerOptions;
  readonly #server: Server;

  constructor(options: RtspListenerOptions) {
    this.#options = options;
    const { address, tls } = options;
    const secureContext = address.secure === true ? createSecureContext({ ...tls }) : undefined;
    this.#server = createServer({ noDelay: true }, (socket) =>
      options.onSocket(secureContext === undefined ? socket : new TLSSocket(socket, { isServer: true, secureContext })),
    );
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
        const [name, setting] = this.secure ? ['RTSPS', 'rtsps.port'] : ['RTSP', 'rtsp.port'];
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

  /** Accepts no more; resolves when the sockets are gone too, which their owner closes. Idempotent. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
