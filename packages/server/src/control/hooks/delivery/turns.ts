/** What waits for a turn: questions go before events, which nobody waits for. */
export type HookUrgency = 'direct' | 'event';

interface Waiter {
  readonly go: () => void;
}

/**
 * Lets so many hooks go to one back end at once. Events get at most half of the turns: a back end that is slow to take
 * them in still answers questions.
 */
export class Turns {
  readonly #limit: () => number;
  readonly #waiting = { direct: new Set<Waiter>(), event: new Set<Waiter>() };
  readonly #running = { direct: 0, event: 0 };

  /** @param limit Turns at once, 2 or more; asked anew each time. */
  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get running(): number {
    return this.#running.direct + this.#running.event;
  }

  get waiting(): number {
    return this.#waiting.direct.size + this.#waiting.event.size;
  }

  /** Resolves when it is the caller's turn; the turn lasts until what comes back is disposed of. Rejects with an abort. */
  async take(urgency: HookUrgency, signal: AbortSignal): Promise<Disposable> {
    if (signal.aborted) throw signal.reason;
    if (!this.#free(urgency)) await this.#wait(urgency, signal);
    else this.#running[urgency]++;
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#running[urgency]--;
        this.#wake();
      },
    };
  }

  /** To be called when the limit may have grown. */
  wake(): void {
    this.#wake();
  }

  #free(urgency: HookUrgency): boolean {
    const limit = this.#limit();
    if (this.running >= limit) return false;
    return urgency === 'direct' || this.#running.event < Math.max(1, Math.floor(limit / 2));
  }

  #wait(urgency: HookUrgency, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting[urgency];
      const aborted = (): void => {
        waiting.delete(waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        go: () => {
          waiting.delete(waiter);
          signal.removeEventListener('abort', aborted);
          resolve();
        },
      };
      signal.addEventListener('abort', aborted, { once: true });
      waiting.add(waiter);
    });
  }

  #wake(): void {
    for (const urgency of ['direct', 'event'] as const) {
      while (this.#free(urgency)) {
        const [next] = this.#waiting[urgency];
        if (next === undefined) break;
        // The turn is taken here, so that nobody comes between.
        this.#running[urgency]++;
        next.go();
      }
    }
  }
}
