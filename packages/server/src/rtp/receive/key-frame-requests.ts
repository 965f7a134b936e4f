/** No setting makes requests closer than this: the answer to one could not be here yet. */
const MIN_INTERVAL_MS = 100;

/**
 * Decides when to ask a source for a key frame: at once where the last request is long enough ago, else when it is;
 * again and again until one begins to arrive.
 */
export class KeyFrameRequests {
  readonly #intervalMs: number;
  readonly #periodMs: number;
  #wanted = false;
  #askedMs = Number.NEGATIVE_INFINITY;

  /**
   * @param intervalMs Least time between two requests.
   * @param periodMs Requests are made this often without any need; 0 for never.
   */
  constructor(intervalMs: number, periodMs: number) {
    this.#intervalMs = Math.max(MIN_INTERVAL_MS, intervalMs);
    this.#periodMs = periodMs;
  }

  /** A key frame is needed. */
  want(): void {
    this.#wanted = true;
  }

  /** A key frame begins to arrive. */
  arrived(): void {
    this.#wanted = false;
  }

  /** True when a request is to be sent now. Cheap, so that it can be asked for each packet. */
  isDue(nowMs: number): boolean {
    const sinceMs = nowMs - this.#askedMs;
    return (this.#wanted && sinceMs >= this.#intervalMs) || (this.#periodMs > 0 && sinceMs >= this.#periodMs);
  }

  /** A request has been sent. */
  asked(nowMs: number): void {
    this.#askedMs = nowMs;
  }
}
