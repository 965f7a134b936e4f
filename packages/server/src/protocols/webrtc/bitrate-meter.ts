const WINDOW_MS = 1000;

/** Tells the bitrate of a count of bytes that only grows, over about the last second. */
export class BitrateMeter {
  bps = 0;
  #bytes = 0;
  #sinceMs = -1;

  /** False when an update would change nothing. */
  isDue(nowMs: number): boolean {
    return this.#sinceMs < 0 || nowMs - this.#sinceMs >= WINDOW_MS;
  }

  /** Call every now and then with the count as it stands. */
  update(bytes: number, nowMs: number): void {
    if (!this.isDue(nowMs)) return;
    if (this.#sinceMs >= 0) this.bps = ((bytes - this.#bytes) * 8000) / (nowMs - this.#sinceMs);
    this.#bytes = bytes;
    this.#sinceMs = nowMs;
  }
}
