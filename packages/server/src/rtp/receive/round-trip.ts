/** As for TCP, RFC 6298 §2. */
const WEIGHT = 1 / 8;
/** Longer than any path; such a sample is a lie or a mistake. */
const MAX_RTT_MS = 10_000;

/** The smoothed round trip to a peer. */
export class RoundTrip {
  #rttMs: number | undefined;
  #reported = false;

  /** Milliseconds; undefined while unknown. */
  get ms(): number | undefined {
    return this.#rttMs;
  }

  /** Takes a sample that the peer's report makes exact; ones that can't be are left out. */
  sample(rttMs: number): void {
    this.#take(rttMs);
    this.#reported = true;
  }

  /** Takes how long a lost packet took to come again, which is all that there is of peers that do not report. */
  guess(rttMs: number): void {
    if (!this.#reported) this.#take(rttMs);
  }

  #take(rttMs: number): void {
    if (!(rttMs >= 0 && rttMs <= MAX_RTT_MS)) return;
    this.#rttMs = this.#rttMs === undefined ? rttMs : this.#rttMs + (rttMs - this.#rttMs) * WEIGHT;
  }
}
