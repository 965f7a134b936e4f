import { performance } from 'node:perf_hooks';

/** Something that has to be done at moments of its own choosing, on the clock of `performance.now()`. */
export interface Scheduled {
  /** Infinity for never. */
  nextAtMs(): number;
  run(nowMs: number): void;
}

/**
 * One timer for all that is to be done. A timer of Node comes up to a millisecond late, more on a busy machine: what is
 * done counts from the moment for which it was due, so that lateness does not add up.
 */
export class Schedule {
  readonly #scheduled: readonly Scheduled[];
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(scheduled: readonly Scheduled[]) {
    this.#scheduled = scheduled;
  }

  /** Does what is due, and sees to the rest; to be called whenever something may be due earlier than before. */
  wake(): void {
    if (this.#closed) return;
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const one of this.#scheduled) {
      if (one.nextAtMs() <= nowMs) one.run(nowMs);
      nextMs = Math.min(nextMs, one.nextAtMs());
    }
    if (nextMs === this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = nextMs;
    this.#timer = nextMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => this.#onTimer(), nextMs - nowMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #onTimer(): void {
    this.#timerAtMs = Number.NaN;
    this.wake();
  }
}
