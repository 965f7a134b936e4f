/** Of what was told last, what is available must differ by this share to be told anew, */
const MUCH = 0.2;
/** and not within this time. */
const INTERVAL_MS = 1000;

/** What a viewer gets at a moment, beside what it could get. */
export interface SupplyView {
  /** It gets less than there is, for want of bandwidth. */
  readonly isShort: boolean;
  /** What the best takes that it may have, and what the way is believed to carry; bits a second. */
  readonly streamBps: number;
  readonly availableBps: number;
}

/** Tells when the way to a viewer does not carry the stream: at the beginning of each such time, and when that changes much. */
export class Shortage {
  readonly #tell: (streamBps: number, availableBps: number) => void;
  #toldBps = -1;
  #toldMs = 0;

  constructor(tell: (streamBps: number, availableBps: number) => void) {
    this.#tell = tell;
  }

  /** To be called regularly. */
  update({ isShort, streamBps, availableBps }: SupplyView, nowMs: number): void {
    if (!isShort) {
      this.#toldBps = -1;
      return;
    }
    // It may carry more by now than the stream takes, and that is about to be tried.
    if (availableBps >= streamBps) return;
    const isFirst = this.#toldBps < 0;
    const change = Math.abs(availableBps - this.#toldBps);
    if (!isFirst && (nowMs - this.#toldMs < INTERVAL_MS || change < this.#toldBps * MUCH)) return;
    // Those times are not many either.
    if (isFirst && this.#toldMs > 0 && nowMs - this.#toldMs < INTERVAL_MS) return;
    this.#toldBps = availableBps;
    this.#toldMs = nowMs;
    this.#tell(Math.round(streamBps), Math.round(availableBps));
  }
}
