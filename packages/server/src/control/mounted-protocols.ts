import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../core/index.ts';
import { type HttpMount, RateLimiter } from '../io/index.ts';

interface Destroyable {
  destroy(): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** Hands requests to the protocols that answer under a path of the web port, and knows which of them are still open. */
export class MountedProtocols {
  readonly #mounts: readonly HttpMount[];
  readonly #log: Log;
  readonly #errorLog = new RateLimiter(5);
  readonly #open = new Set<Destroyable>();
  #onIdle: (() => void) | undefined;

  constructor(mounts: readonly HttpMount[], log: Log) {
    this.#mounts = mounts;
    this.#log = log;
  }

  /** Requests and upgraded connections that mounts have not ended yet. */
  get open(): number {
    return this.#open.size;
  }

  /** True when the request is under a mount's prefix. */
  covers(request: IncomingMessage): boolean {
    return this.#mountOf(request) !== undefined;
  }

  /** Gives the request to its mount. */
  request(request: IncomingMessage, response: ServerResponse): void {
    const mount = this.#mountOf(request);
    if (mount === undefined) return;
    this.#track(response);
    try {
      mount.request(request, response);
    } catch (error) {
      this.#fault(error, mount, response);
    }
  }

  /** Gives the request for an upgrade to its mount; false when there is none. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const mount = this.#mountOf(request);
    if (mount === undefined) return false;
    this.#track(socket);
    try {
      mount.upgrade(request, socket, head);
    } catch (error) {
      this.#fault(error, mount, socket);
    }
    return true;
  }

  /** Resolves when the mounts' owners have ended all connections; those still open after `timeoutMs` are destroyed. */
  async released(timeoutMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
    for (const left of this.#open) left.destroy();
  }

  #mountOf(request: IncomingMessage): HttpMount | undefined {
    const url = request.url ?? '';
    return this.#mounts.find(({ prefix }) => url.startsWith(prefix));
  }

  #track(connection: Destroyable): void {
    this.#open.add(connection);
    connection.once('close', () => {
      this.#open.delete(connection);
      if (this.#open.size === 0) this.#onIdle?.();
    });
  }

  #fault(error: unknown, mount: HttpMount, connection: Destroyable): void {
    const suppressed = this.#errorLog.take();
    if (suppressed >= 0) this.#log.error({ err: error, mount: mount.prefix, suppressed }, 'mounted protocol failed');
    connection.destroy();
  }
}
