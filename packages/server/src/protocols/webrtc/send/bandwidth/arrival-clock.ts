const WRAP_MS = 2 ** 24 * 64;
/** The peer's clock may go by so much more or less than ours between two feedback packets; else it is another clock. */
const MAX_JUMP_MS = 5000;

/** Unwraps the reference times of feedback, which have 24 bits of 64 ms each. */
export class ArrivalClock {
  /** The first one comes to this, so that all times are positive. */
  readonly beginning = WRAP_MS;
  #raw: number | undefined;
  #ms = WRAP_MS;
  #heardMs = 0;

  /** The reference time on a clock that goes on; undefined when it can't be of the one before: `beginning` is now. */
  referenceMs(rawMs: number, nowMs: number): number | undefined {
    const before = this.#raw;
    const passedMs = nowMs - this.#heardMs;
    this.#raw = rawMs;
    this.#heardMs = nowMs;
    if (before === undefined) return this.#ms;
    let stepMs = (((rawMs - before) % WRAP_MS) + WRAP_MS) % WRAP_MS;
    if (stepMs >= WRAP_MS / 2) stepMs -= WRAP_MS;
    if (Math.abs(stepMs - passedMs) > MAX_JUMP_MS) {
      this.#ms = this.beginning;
      return undefined;
    }
    this.#ms += stepMs;
    return this.#ms;
  }
}
