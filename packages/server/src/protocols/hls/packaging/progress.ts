interface Waiter {
  isDue(): boolean;
  callback(): void;
}

/** Requests that wait for something to be there. What they wait for is looked at when something was added. */
export class Progress {
  readonly #waiters = new Set<Waiter>();

  /** How many wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Calls `callback` once, after `isDue` has become true. Dispose of the result to forget it. */
  once(isDue: () => boolean, callback: () => void): Disposable {
    const waiter = { isDue, callback };
    this.#waiters.add(waiter);
    return { [Symbol.dispose]: () => void this.#waiters.delete(waiter) };
  }

  /** Something was added. */
  advance(): void {
    this.#wake((waiter) => waiter.isDue());
  }

  /** Nothing will be added, or who waits is to look again. */
  wakeAll(): void {
    this.#wake(() => true);
  }

  #wake(isDue: (waiter: Waiter) => boolean): void {
    if (this.#waiters.size === 0) return;
    const due = [...this.#waiters].filter(isDue);
    for (const waiter of due) this.#waiters.delete(waiter);
    for (const { callback } of due) callback();
  }
}
