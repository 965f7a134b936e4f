/** Lets at most `perSecond` events a second through and tells how many were held back. */
export class RateLimiter {
  readonly #perSecond: number;
  #windowStart = 0;
  #count = 0;
  #suppressed = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** The number held back since the last event that was let through, or -1 when this one is held back too. */
  take(nowMs = performance.now()): number {
    if (nowMs - this.#windowStart >= 1000) {
      this.#windowStart = nowMs;
      this.#count = 0;
    }
    if (this.#count >= this.#perSecond) {
      this.#suppressed++;
      return -1;
    }
    this.#count++;
    const held = this.#suppressed;
    this.#suppressed = 0;
    return held;
  }
}
