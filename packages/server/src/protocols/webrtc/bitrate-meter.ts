const WINDOW_MS = 1000;

/** Tells the bitrate of a count of bytes that only grows, over about the last second. */
export class BitrateMeter {
  bps = 0;
  #bytes = 0;
  #sinceMs = -1;

  /** Call every now and then with the count as it stands. */
  update(bytes: number, nowMs: number): void {
    if (this.#sinceMs >= 0 && nowMs - this.#sinceMs < WINDOW_MS) return;
    if (this.#sinceMs >= 0) this.bps = ((bytes - this.#bytes) * 8000) / (nowMs - this.#sinceMs);
    this.#bytes = bytes;
    this.#sinceMs = nowMs;
  }
}
