import type { Socket } from 'node:net';
import { readShared } from '../../../io/index.ts';
import { DirectExchange, type ReadRequest } from './direct-exchange.ts';
import { type Exchange, type Peer, peerOf } from './exchange.ts';
import { parsePlainRequest } from './plain-request.ts';

/** Bytes that may come behind a request before it is answered. */
const MAX_AHEAD_BYTES = 16 * 1024;
/** A longer request is read anew each time. */
const MAX_REMEMBERED_BYTES = 1024;

export interface DirectConnectionOptions {
  /** Until the first request, milliseconds. */
  readonly requestTimeoutMs: number;
  /** When nothing moves for this long the connection is ended, milliseconds. */
  readonly idleMs: number;
  onExchange(exchange: Exchange): void;
  /** Goes on with the connection, whose next bytes were put back into its socket. */
  handOver(socket: Socket): void;
}

/**
 * A TCP connection of a player. Requests as players send them are read and answered here, which costs a fraction of what
 * Node's HTTP does; at the first one that is not complete, uncommon or wrong, the whole connection becomes Node's, whose
 * parser is strict and whose time limits hold for the rest of that request.
 */
export class DirectConnection {
  readonly socket: Socket;
  readonly #options: DirectConnectionOptions;
  #peer: Peer | undefined;
  #exchange: DirectExchange | undefined;
  /** The last request for a playlist: a player sends the same again and again, with those for segments in between. */
  #remembered: { readonly bytes: Buffer; readonly read: ReadRequest } | undefined;
  /** What came behind a request that is still being answered. */
  #ahead: Buffer | undefined;
  #next: NodeJS.Immediate | undefined;
  #isFirst = true;
  #hearsDrain = false;

  constructor(socket: Socket, options: DirectConnectionOptions) {
    this.socket = socket;
    this.#options = options;
    socket.setTimeout(options.requestTimeoutMs);
    socket.on('timeout', this.#onTimeout);
    socket.on('error', this.#onError);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    readShared(socket, this.#onBytes);
  }

  get peer(): Peer {
    this.#peer ??= peerOf(this.socket);
    return this.#peer;
  }

  /** Called by the exchange. */
  finished(close: boolean): void {
    this.#exchange = undefined;
    if (close) this.socket.end();
    else this.#goOn();
  }

  /** Called by the exchange. */
  hearDrain(): void {
    if (this.#hearsDrain) return;
    this.#hearsDrain = true;
    this.socket.on('drain', this.#onDrain);
  }

  // Hot path: once for each request.
  readonly #onBytes = (bytes: Uint8Array): void => {
    if (this.#exchange === undefined && this.#ahead === undefined && !this.socket.writableNeedDrain) {
      this.#take(bytes);
      return;
    }
    this.#ahead = Buffer.concat(this.#ahead === undefined ? [bytes] : [this.#ahead, bytes]);
    if (this.#ahead.length > MAX_AHEAD_BYTES) this.socket.destroy();
    else if (this.#exchange === undefined) this.#goOn();
  };

  #take(bytes: Uint8Array): void {
    const remembered = this.#remembered;
    const read = remembered?.bytes.equals(bytes) ? remembered.read : this.#read(bytes);
    if (read === undefined) {
      this.#handOver(bytes);
      return;
    }
    if (this.#isFirst) {
      this.#isFirst = false;
      this.socket.setTimeout(this.#options.idleMs);
    }
    const exchange = new DirectExchange(read, this);
    this.#exchange = exchange;
    this.#options.onExchange(exchange);
    if (!exchange.over) exchange.wait();
  }

  /** Undefined for what is not for us to read. */
  #read(bytes: Uint8Array): ReadRequest | undefined {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    const plain = parsePlainRequest(text);
    if (plain === undefined) return undefined;
    const read: ReadRequest = { plain, understood: undefined };
    const isKept = bytes.byteLength <= MAX_REMEMBERED_BYTES && plain.url.includes('.m3u8');
    // The bytes lie in memory that is read into again.
    if (isKept) this.#remembered = { bytes: Buffer.from(bytes), read };
    return read;
  }

  /** Takes what came ahead, once the answer before it is on its way. */
  #goOn(): void {
    if (this.#ahead === undefined || this.#next !== undefined) return;
    if (this.socket.writableNeedDrain) {
      this.hearDrain();
      return;
    }
    // Not at once: whoever ends an exchange is not to find himself in the next one.
    this.#next = setImmediate(() => {
      this.#next = undefined;
      const ahead = this.#ahead;
      this.#ahead = undefined;
      if (ahead !== undefined && !this.socket.destroyed) this.#take(ahead);
    });
  }

  #handOver(bytes: Uint8Array): void {
    const { socket } = this;
    socket.off('timeout', this.#onTimeout);
    socket.off('error', this.#onError);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
    socket.off('drain', this.#onDrain);
    socket.off('data', this.#onBytes);
    // The bytes lie in memory that is read into again.
    socket.unshift(Buffer.from(bytes));
    this.#options.handOver(socket);
  }

  readonly #onDrain = (): void => {
    this.#exchange?.drained();
    if (this.#exchange === undefined) this.#goOn();
  };

  readonly #onTimeout = (): void => {
    this.socket.destroy();
  };

  /** Is followed by `close`. */
  readonly #onError = (): void => {};

  /** The client sends no more: what is on its way to it still goes. */
  readonly #onEnd = (): void => {
    this.socket.end();
    this.#leave();
  };

  readonly #onClose = (): void => {
    clearImmediate(this.#next);
    this.#ahead = undefined;
    this.#leave();
  };

  #leave(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.leave();
  }
}
