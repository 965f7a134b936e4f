const WINDOW_MS = 4000;

/** Counts packets, bytes and key frames of a track, and tells rates over about the last four seconds. */
export class RateMeter {
  packets = 0;
  bytes = 0;
  keyFrames = 0;
  /** Packets between the last two key frames; 0 until two were seen. */
  gop = 0;
  #sinceKey = 0;
  #markMs = 0;
  #markPackets = 0;
  #markBytes = 0;
  #perSecond = 0;
  #bitsPerSecond = 0;

  /** Hot path: no clock is read here. */
  count(bytes: number, key: boolean): void {
    this.packets++;
    this.bytes += bytes;
    this.#sinceKey++;
    if (!key) return;
    if (this.keyFrames > 0) this.gop = this.#sinceKey;
    this.keyFrames++;
    this.#sinceKey = 0;
  }

  /** Called about once a second by the owner of the clock; `nowMs` is monotonic. */
  sample(nowMs: number): void {
    const elapsed = nowMs - this.#markMs;
    if (this.#markMs > 0 && elapsed > 0) {
      // Exponential smoothing over the window, so that a short stall does not read as the end.
      const weight = Math.min(1, (elapsed / WINDOW_MS) * 2);
      const perSecond = ((this.packets - this.#markPackets) * 1000) / elapsed;
      const bits = ((this.bytes - this.#markBytes) * 8000) / elapsed;
      this.#perSecond += (perSecond - this.#perSecond) * (this.#perSecond === 0 ? 1 : weight);
      this.#bitsPerSecond += (bits - this.#bitsPerSecond) * (this.#bitsPerSecond === 0 ? 1 : weight);
    }
    this.#markMs = nowMs;
    this.#markPackets = this.packets;
    this.#markBytes = this.bytes;
  }

  /** Packets a second: frames a second for video. */
  get packetsPerSecond(): number {
    return this.#perSecond;
  }

  get bitsPerSecond(): number {
    return this.#bitsPerSecond;
  }
}
