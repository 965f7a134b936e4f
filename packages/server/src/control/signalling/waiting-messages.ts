import type { ClientMessage } from './client-message.ts';

/** Messages that wait for their turn, in order; bounded in number and bytes. */
export class WaitingMessages {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  readonly #messages: ClientMessage[] = [];
  #bytes = 0;

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  /** False when there is no room for it. */
  add(message: ClientMessage, bytes: number): boolean {
    if (this.#messages.length >= this.#maxCount || this.#bytes + bytes > this.#maxBytes) return false;
    this.#bytes += bytes;
    this.#messages.push(message);
    return true;
  }

  /** Hands all over. */
  take(): readonly ClientMessage[] {
    this.#bytes = 0;
    return this.#messages.splice(0);
  }
}
