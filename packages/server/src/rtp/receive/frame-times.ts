/** Frames that share a timestamp are this far apart while it is not known what their source's pace is. */
const USUAL_STEP_US = 1000;
const MAX_STEP_US = 200_000;

/**
 * Gives each picture a time of its own where a source gives several in a row the same one, as cameras do whose clock
 * ticks slower than they take pictures: they are spread by the pace of those before them. Times of other sources stay
 * as they are, reordered ones too.
 */
export class FrameTimes {
  #sourceUs = Number.NaN;
  #givenUs = Number.NEGATIVE_INFINITY;
  #stepUs = USUAL_STEP_US;
  /** Pictures so far with the newest timestamp. */
  #count = 0;

  /** Takes the time of the next picture, microseconds, and returns the one that it is to have. */
  next(ptsUs: number): number {
    if (ptsUs === this.#sourceUs) {
      this.#count++;
      this.#givenUs += this.#stepUs;
      return this.#givenUs;
    }
    const passedUs = ptsUs - this.#sourceUs;
    const spread = this.#count > 1;
    if (spread && passedUs > 0)
      this.#stepUs = Math.min(MAX_STEP_US, Math.max(USUAL_STEP_US, Math.floor(passedUs / this.#count)));
    const behind = spread && passedUs > 0 && ptsUs <= this.#givenUs;
    this.#sourceUs = ptsUs;
    this.#count = 1;
    this.#givenUs = behind ? this.#givenUs + USUAL_STEP_US : ptsUs;
    return this.#givenUs;
  }
}
