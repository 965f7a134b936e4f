/**
 * The same packet is not sent again within this time, or within a round trip: requests come several times, and more of
 * them while packets queue up on the way, where answering all would take the room of what they ask for.
 */
const HOLD_MS = 10;
const MAX_HOLD_MS = 1500;
/** Most packets sent again in 100 ms, whatever the peer asks for. */
const LIMIT = 256;
const WINDOW_MS = 100;
/** So many of them for each packet that is sent, over some time: a way that is too narrow gets no wider by more. */
const SHARE = 0.5;
const REMEMBERED = 512;

/** Decides which requests for lost packets are answered. */
export class ResendAllowance {
  #windowMs = 0;
  #count = 0;
  #credit = LIMIT;
  /** Undefined before the first request: most viewers never make one. */
  #recent: Map<number, number> | undefined;

  /** Packets were sent for the first time: more may be sent again. Hot path. */
  earn(packets = 1): void {
    this.#credit = Math.min(LIMIT, this.#credit + SHARE * packets);
  }

  /** True when the packet of that number may be sent again now, which counts then; `rttMs` is the round trip. */
  take(sequence: number, nowMs: number, rttMs: number): boolean {
    if (nowMs - this.#windowMs > WINDOW_MS) {
      this.#windowMs = nowMs;
      this.#count = 0;
    }
    if (this.#count >= LIMIT || this.#credit < 1) return false;
    this.#recent ??= new Map();
    const before = this.#recent.get(sequence);
    if (before !== undefined && nowMs - before < Math.min(MAX_HOLD_MS, Math.max(HOLD_MS, rttMs))) return false;
    if (this.#recent.size >= REMEMBERED) this.#recent.clear();
    this.#recent.set(sequence, nowMs);
    this.#count++;
    this.#credit--;
    return true;
  }

  /** Numbers are of other packets from now on. */
  forget(): void {
    this.#recent?.clear();
  }
}
