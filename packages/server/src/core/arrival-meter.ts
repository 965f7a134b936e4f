/** Measures how evenly a stream's packets arrive, whatever their track. */
export class ArrivalMeter {
  #lastMs = 0;
  #longestMs = 0;

  /** Hot path. `nowMs` is `performance.now()`. */
  count(nowMs: number): void {
    if (this.#lastMs > 0 && nowMs - this.#lastMs > this.#longestMs) this.#longestMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
  }

  /** The longest pause between packets since the last call, one that still lasts included; 0 before the first packet. */
  takeLongestGapMs(nowMs: number): number {
    const longest = this.#lastMs > 0 ? Math.max(this.#longestMs, nowMs - this.#lastMs) : 0;
    this.#longestMs = 0;
    return longest;
  }

  /** Forgets what was; called when another publication begins, as the pause before it is none of the new source's. */
  restart(): void {
    this.#lastMs = 0;
    this.#longestMs = 0;
  }
}
