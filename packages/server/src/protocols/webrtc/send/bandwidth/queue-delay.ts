/** The shortest time is that of the last one to two of these: clocks drift, and routes change. */
const BASE_WINDOW_MS = 10_000;
/** So many packets, of this last time before the newest, tell how long the queue is at this moment: the fastest of them. */
const NEWEST_MS = 40;
const NEWEST_PACKETS = 6;
/** A time that is off by more than this is of another clock. */
const OTHER_CLOCK_MS = 10_000;

/** How much longer packets take than the fastest of the last seconds: what waits on the way. */
export class QueueDelay {
  #base = Number.POSITIVE_INFINITY;
  #nextBase = Number.POSITIVE_INFINITY;
  #windowMs = -1;
  readonly #sentMs = new Float64Array(NEWEST_PACKETS).fill(Number.NEGATIVE_INFINITY);
  readonly #takenMs = new Float64Array(NEWEST_PACKETS);
  #count = 0;
  #newestMs = Number.NEGATIVE_INFINITY;

  /** A packet arrived, by the peer's clock. False when that clock is not the one of before any more. Hot path. */
  add(sentMs: number, arrivalMs: number): boolean {
    const takenMs = arrivalMs - sentMs;
    if (this.#base !== Number.POSITIVE_INFINITY && Math.abs(takenMs - this.#base) > OTHER_CLOCK_MS) return false;
    if (this.#windowMs < 0) this.#windowMs = sentMs;
    if (sentMs - this.#windowMs >= BASE_WINDOW_MS) {
      this.#base = this.#nextBase;
      this.#nextBase = Number.POSITIVE_INFINITY;
      this.#windowMs = sentMs;
    }
    this.#base = Math.min(this.#base, takenMs);
    this.#nextBase = Math.min(this.#nextBase, takenMs);
    const at = this.#count++ % NEWEST_PACKETS;
    this.#sentMs[at] = sentMs;
    this.#takenMs[at] = takenMs;
    this.#newestMs = Math.max(this.#newestMs, sentMs);
    return true;
  }

  /** Milliseconds that the fastest of the newest packets waited; 0 before the first. */
  get ms(): number {
    const least = this.#leastTaken();
    return least === Number.POSITIVE_INFINITY ? 0 : Math.max(0, least - this.#base);
  }

  /** What the packets of this moment take is the shortest from now on: the way is another one. */
  rebase(): void {
    const least = this.#leastTaken();
    this.#base = least;
    this.#nextBase = least;
  }

  reset(): void {
    this.#base = Number.POSITIVE_INFINITY;
    this.#nextBase = Number.POSITIVE_INFINITY;
    this.#windowMs = -1;
    this.#sentMs.fill(Number.NEGATIVE_INFINITY);
    this.#newestMs = Number.NEGATIVE_INFINITY;
  }

  #leastTaken(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < NEWEST_PACKETS; i++)
      if ((this.#sentMs[i] ?? 0) >= this.#newestMs - NEWEST_MS) least = Math.min(least, this.#takenMs[i] ?? least);
    return least;
  }
}
