import type { FanOutSink, SrtConnection } from '../../../core/index.ts';

/** An SRT connection as a viewer of a fan-out writes to it. */
export class SrtSink implements FanOutSink {
  readonly #connection: SrtConnection;
  readonly #onWrite: (() => void) | undefined;
  readonly #listeners = new Set<() => void>();
  #full = false;
  #destroyed = false;

  constructor(connection: SrtConnection, onWrite?: () => void) {
    this.#connection = connection;
    this.#onWrite = onWrite;
  }

  get writableNeedDrain(): boolean {
    return this.#full;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  write(bytes: Buffer): boolean {
    this.#full = !this.#connection.write(bytes);
    this.#onWrite?.();
    return !this.#full;
  }

  on(_event: 'drain', listener: () => void): void {
    this.#listeners.add(listener);
  }

  off(_event: 'drain', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** The connection takes bytes again. */
  drained(): void {
    this.#full = false;
    for (const listener of this.#listeners) listener();
  }

  /** The connection is over: nothing more is written. */
  destroy(): void {
    this.#destroyed = true;
  }
}
