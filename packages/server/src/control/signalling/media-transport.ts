import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { MediaSocket } from '../../core/index.ts';
import { sinkOf, type WebSocketSink } from '../../io/index.ts';

/**
 * The second WebSocket of a client whose media goes by WebSocket (websdk-signalling.md §9.1, §10.1). Its connection keeps
 * it alive; players may use it one after the other.
 */
export class MediaTransport implements MediaSocket {
  readonly secure: boolean;
  readonly #socket: Socket;
  readonly #sink: WebSocketSink;
  readonly #disconnect: (reason: string) => void;
  /** Of the player that uses it now: one before it is over. */
  #onGone: (() => void) | undefined;
  #onOver: (() => void) | undefined;

  /** `disconnect` ends the connection after what was written. */
  constructor(webSocket: WebSocket, socket: Socket, disconnect: (reason: string) => void) {
    this.secure = 'encrypted' in socket;
    this.#socket = socket;
    this.#sink = sinkOf(webSocket, socket);
    this.#disconnect = disconnect;
  }

  get writableNeedDrain(): boolean {
    return this.#sink.writableNeedDrain;
  }

  get destroyed(): boolean {
    return this.#sink.destroyed;
  }

  get direct(): WebSocketSink['direct'] {
    return this.#sink.direct;
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Buffer): boolean {
    return this.#sink.write(bytes);
  }

  on(event: 'drain', listener: () => void): unknown {
    return this.#sink.on(event, listener);
  }

  off(event: 'drain', listener: () => void): unknown {
    return this.#sink.off(event, listener);
  }

  onGone(listener: () => void): void {
    this.#onGone = listener;
  }

  /** Called once for the owner of all transports of a client. */
  onOver(listener: () => void): void {
    this.#onOver = listener;
  }

  /** Ends the connection. Idempotent. */
  end(reason: string): void {
    this.#disconnect(reason);
  }

  /** To be called by its connection when that is over. */
  gone(): void {
    this.#onOver?.();
    this.#onGone?.();
    this.#onOver = undefined;
    this.#onGone = undefined;
  }
}
