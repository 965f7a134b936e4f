/** Frames in the largest decoded picture buffer (ITU-T H.264 §A.3.1), so the deepest possible reordering. */
const MAX_REORDER = 16;

/**
 * Derives decoding times for sources that send presentation times only (RTP), in decoding order.
 *
 * With a reordering depth of N the decoding time of a picture is the smallest of the N + 1 largest presentation times
 * seen so far, the way FFmpeg does it: without reordering it equals the presentation time, with B pictures it lags by
 * N pictures. The depth grows when the stream reorders deeper than announced.
 *
 * The first N pictures share the presentation time of the first one as their decoding time.
 */
export class DtsExtractor {
  #depth: number;
  /** The largest presentation times seen, ascending, at most MAX_REORDER + 1. */
  readonly #history: number[] = [];
  #lastDts = Number.NEGATIVE_INFINITY;

  /** @param maxReorder Known reordering depth, such as `H264Sps.maxReorderFrames`; 0 when left out. */
  constructor(maxReorder = 0) {
    this.#depth = Math.max(0, Math.min(MAX_REORDER, Math.trunc(maxReorder)));
  }

  /**
   * Takes the next picture in decoding order and returns its decoding time in microseconds.
   *
   * The result never decreases. It never exceeds `ptsUs` either, with one exception that no method can avoid: a
   * picture shown before a decoding time that was already handed out (the depth was unknown, or the source's clock
   * jumped back) gets that last decoding time again. The caller sees it as a result above `ptsUs`.
   * @param ptsUs Presentation time in microseconds.
   * @param key True for an IDR picture: nothing before it is shown after it.
   */
  next(ptsUs: number, key: boolean): number {
    const later = this.#countLater(ptsUs);
    if (later > this.#depth) {
      // A key picture, or more pictures than any buffer holds: the clock jumped back, this is no reordering.
      if (key || later > MAX_REORDER) this.#history.length = 0;
      else this.#depth = later;
    }
    this.#insert(ptsUs);
    const index = Math.max(0, this.#history.length - 1 - this.#depth);
    this.#lastDts = Math.max(this.#lastDts, this.#history[index] ?? ptsUs);
    return this.#lastDts;
  }

  /** How many of the remembered pictures are shown after `ptsUs`. */
  #countLater(ptsUs: number): number {
    let later = 0;
    for (const known of this.#history) if (known > ptsUs) later += 1;
    return later;
  }

  #insert(ptsUs: number): void {
    const position = this.#history.length - this.#countLater(ptsUs);
    this.#history.splice(position, 0, ptsUs);
    if (this.#history.length > MAX_REORDER + 1) this.#history.shift();
  }
}
