/** A budget that refills with time: `burst` at once, `perSecond` for long. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledMs: number;

  constructor(perSecond: number, burst: number, nowMs = performance.now()) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledMs = nowMs;
  }

  /** Takes one; false when there was none. */
  take(nowMs = performance.now()): boolean {
    this.#fill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** True while `take` would give false. */
  empty(nowMs = performance.now()): boolean {
    this.#fill(nowMs);
    return this.#tokens < 1;
  }

  #fill(nowMs: number): void {
    const gained = ((nowMs - this.#filledMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, gained));
    this.#filledMs = nowMs;
  }
}
