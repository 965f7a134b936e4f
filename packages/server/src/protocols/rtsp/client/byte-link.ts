import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { OutboundAddress } from '../../../core/index.ts';
import { RtspFailure, unreachable } from './failure.ts';

/** Two-way bytes to a server, however they go: one connection, or the two of a tunnel. */
export interface ByteLink {
  readonly remote: OutboundAddress & { readonly port: number };
  readonly bytesIn: number;
  /** Bytes that were handed to the system. */
  readonly sentBytes: number;
  /** Bytes that wait for the other side to read. */
  readonly queuedBytes: number;
  write(bytes: Uint8Array): void;
  /** Holds small writes together until `uncork`. */
  cork(): void;
  uncork(): void;
  /** Ends it and releases all. Idempotent; no event follows. */
  destroy(): void;
}

export interface ByteLinkEvents {
  /** Good until this returns. */
  onData(bytes: Uint8Array): void;
  /** The other side has closed it, or it broke. Once. */
  onClosed(failure: RtspFailure): void;
}

/** A connection to make. */
export interface SocketTarget {
  readonly remote: OutboundAddress & { readonly port: number };
  readonly secure: boolean;
  readonly tlsVerify: boolean;
  readonly localAddress: string | undefined;
}

/**
 * Connects; goes to the address that was resolved, never to a name.
 * Rejects with an `RtspFailure`.
 */
export function openSocket(target: SocketTarget, signal: AbortSignal): Promise<Socket> {
  const { remote, secure, tlsVerify, localAddress } = target;
  const place = { host: remote.address, port: remote.port, localAddress };
  return new Promise((resolve, reject) => {
    const socket = secure
      ? connectTls({ ...place, ...serverName(remote.host), rejectUnauthorized: tlsVerify })
      : connect(place);
    const onAbort = (): void => {
      socket.destroy();
      reject(new RtspFailure('closed', 'the attempt was given up'));
    };
    const onError = (error: Error): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(unreachable(error, `${remote.host}:${remote.port}`));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      // Without this an error before the next listener would end the process.
      socket.on('error', () => undefined);
      socket.setNoDelay(true);
      resolve(socket);
    });
    if (signal.aborted) onAbort();
  });
}

function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}

/** A link of one connection. */
export class SocketLink implements ByteLink {
  readonly remote: ByteLink['remote'];
  readonly #socket: Socket;
  #over = false;

  constructor(socket: Socket, remote: ByteLink['remote'], events: ByteLinkEvents) {
    this.#socket = socket;
    this.remote = remote;
    const place = `${remote.host}:${remote.port}`;
    const over = (failure: RtspFailure): void => {
      if (this.#over) return;
      this.#over = true;
      socket.destroy();
      events.onClosed(failure);
    };
    socket.on('data', (bytes) => {
      if (!this.#over) events.onData(bytes);
    });
    socket.on('error', (error) => over(unreachable(error, place)));
    socket.on('end', () => over(new RtspFailure('unreachable', `${place} closed the connection`)));
    socket.on('close', () => over(new RtspFailure('unreachable', `${place} closed the connection`)));
  }

  get bytesIn(): number {
    return this.#socket.bytesRead;
  }

  get sentBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (!this.#over) this.#socket.write(bytes);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  destroy(): void {
    this.#over = true;
    this.#socket.destroy();
  }
}
