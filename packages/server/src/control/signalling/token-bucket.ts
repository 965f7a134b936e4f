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

  /** Spends `cost`, be it there or not; false when there is nothing left. Debts are at most as high as `burst`. */
  spend(cost = 1, nowMs = performance.now()): boolean {
    this.#fill(nowMs);
    this.#tokens = Math.max(-this.#burst, this.#tokens - cost);
    return this.#tokens > 0;
  }

  /** True while there is nothing left. */
  empty(nowMs = performance.now()): boolean {
    this.#fill(nowMs);
    return this.#tokens <= 0;
  }

  #fill(nowMs: number): void {
    const gained = ((nowMs - this.#filledMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, gained));
    this.#filledMs = nowMs;
  }
}
