/** A stream that is behind its time by more than this when a track begins has had a pause. */
const PAUSE_US = 300_000;
/** Tracks that begin one after the other, as conversions are slow to start, are of one beginning within this time. */
const BEGINNING_US = 10_000_000;
/** Beyond that it is another beginning all the same. */
const MAX_LATE_US = 5_000_000;

/**
 * Tells a player's tracks what time it is when something of the stream is played: one clock for all of them, which goes
 * on evenly when the stream pauses, as between two publishers.
 */
export class StreamClock {
  readonly #nowUs: () => number;
  #baseUs: number | undefined;
  #setUs = 0;

  /** `nowUs` is the wall clock, microseconds since 1970. */
  constructor(nowUs = () => Date.now() * 1000) {
    this.#nowUs = nowUs;
  }

  /** A track begins, or begins anew; what is newest on it has that time on the stream's timeline. */
  begin(ptsUs: number): void {
    const nowUs = this.#nowUs();
    const lateUs = this.#baseUs === undefined ? Number.POSITIVE_INFINITY : Math.abs(nowUs - this.#baseUs - ptsUs);
    if (lateUs <= (nowUs - this.#setUs < BEGINNING_US ? MAX_LATE_US : PAUSE_US)) return;
    this.#baseUs = nowUs - ptsUs;
    this.#setUs = nowUs;
  }

  /** Unix time of an instant of the stream, microseconds. */
  unixUs(ptsUs: number): number {
    this.#baseUs ??= this.#nowUs() - ptsUs;
    return this.#baseUs + ptsUs;
  }
}
