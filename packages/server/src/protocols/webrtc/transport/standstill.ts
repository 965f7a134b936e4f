/** Longer gaps are those of a line that stood still, and tell nothing of how often the other end speaks. */
const MAX_GAP_MS = 1000;
/** Players that report no more often (RTCP alone may be seconds apart) can't be told from a line that stands still. */
const MOST_USUAL_MS = 400;
/** Share of a new gap in the usual one. */
const SHARE = 1 / 8;

/**
 * Knows whether a connection stands still. What is written to one goes into the system's memory first, which takes
 * seconds of media, and all of that comes before anything newer when the line goes on. So whoever hears nothing of a
 * player that reports on media several times a second had better stop writing. Times are of `performance.now()`.
 */
export class Standstill {
  readonly #afterMs: number;
  #usualMs = MAX_GAP_MS;
  /** When the first media was written that nothing was heard after; -1 for none. */
  #unansweredSinceMs = -1;

  /** @param afterMs so long after media was written something must have been heard */
  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  /** Something came from the other end. Hot path. */
  heard(nowMs: number): void {
    if (this.#unansweredSinceMs < 0) return;
    const gapMs = Math.min(MAX_GAP_MS, nowMs - this.#unansweredSinceMs);
    this.#usualMs += (gapMs - this.#usualMs) * SHARE;
    this.#unansweredSinceMs = -1;
  }

  /** Media was written. Hot path. */
  wrote(nowMs: number): void {
    if (this.#unansweredSinceMs < 0) this.#unansweredSinceMs = nowMs;
  }

  /** True from when an answer is overdue until something is heard. Hot path. */
  isOverdue(nowMs: number): boolean {
    const sinceMs = this.#unansweredSinceMs;
    return sinceMs >= 0 && nowMs - sinceMs > this.#afterMs && this.#usualMs < MOST_USUAL_MS;
  }
}
