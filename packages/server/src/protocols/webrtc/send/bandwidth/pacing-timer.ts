/** Packets leave in portions of so much time: the 20 ms of the shared ticker would be bursts. */
const INTERVAL_MS = 5;

/** Who has packets that wait for their time. */
export interface Paced {
  /** Sends what is due. False when nothing waits any more. */
  release(nowMs: number): boolean;
}

/** One timer for all that waits to be sent, which runs only while something does. */
export class PacingTimer {
  readonly #waiting = new Set<Paced>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** How many have something that waits. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Has it called from now on, until it has nothing left. */
  wake(paced: Paced): void {
    if (this.#closed) return;
    this.#waiting.add(paced);
    this.#timer ??= setInterval(() => this.#tick(performance.now()), INTERVAL_MS);
  }

  /** Does not call it any more. */
  forget(paced: Paced): void {
    this.#waiting.delete(paced);
    if (this.#waiting.size === 0) this.#stop();
  }

  /** Nothing is called any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#stop();
  }

  #tick(nowMs: number): void {
    for (const paced of this.#waiting) if (!paced.release(nowMs)) this.#waiting.delete(paced);
    if (this.#waiting.size === 0) this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
