/** A thing that wants to be called on every tick. */
export type TickListener = (nowMs: number) => void;

/**
 * One shared timer for pacing, keep-alive and idle checks, so that thousands of sessions cost one timer.
 * `nowMs` is `performance.now()`.
 */
export class Ticker {
  readonly intervalMs: number;
  #listeners: TickListener[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(intervalMs = 20) {
    this.intervalMs = intervalMs;
  }

  /** Adds a listener; the timer runs while there is one. Dispose of the result to remove it. */
  on(listener: TickListener): Disposable {
    this.#listeners = [...this.#listeners, listener];
    this.#timer ??= setInterval(() => this.#tick(), this.intervalMs);
    return { [Symbol.dispose]: () => this.#remove(listener) };
  }

  #tick(): void {
    const now = performance.now();
    const listeners = this.#listeners;
    for (let i = 0; i < listeners.length; i++) listeners[i]?.(now);
  }

  #remove(listener: TickListener): void {
    this.#listeners = this.#listeners.filter((l) => l !== listener);
    if (this.#listeners.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
