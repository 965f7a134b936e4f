/** Viewers who lose packets ask again and again; key frames are large. */
const KEY_PACE_US = 500_000;

/** What is known of a picture's place in its source. */
export interface SourcePlace {
  /** It is where the source has a key frame. */
  readonly isKey: boolean;
  /** Time of the source's last key frame, microseconds; the picture's own when it is one. */
  readonly anchorUs: number;
}

export interface KeyFrameRules {
  readonly intervalUs: number;
  /** Pictures from one key frame to the next at most. */
  readonly maxPictures: number;
  /** Half the time of one picture: times jitter by less. */
  readonly halfPictureUs: number;
  /**
   * Key frames are where the source has them, and in intervals counted from there, so that all outputs of a feed have
   * them at the same times whenever they began. Otherwise they are in intervals from the last one.
   */
  readonly aligned: boolean;
}

/** Says which pictures of an output become key frames. */
export class KeyFrameClock {
  readonly #rules: KeyFrameRules;
  #slot = 0;
  #lastUs = Number.NEGATIVE_INFINITY;
  #sinceLast = 0;
  #wanted = false;

  constructor(rules: KeyFrameRules) {
    this.#rules = rules;
  }

  /** One of the next pictures shall be a key frame, out of turn. */
  request(): void {
    this.#wanted = true;
  }

  /** True when this picture must be in the output, whatever its rate is: others have a key frame there too. */
  isDue(timeUs: number, place: SourcePlace): boolean {
    if (!this.#rules.aligned) return timeUs - this.#lastUs >= this.#rules.intervalUs;
    return place.isKey || this.#slotOf(timeUs, place) !== this.#slot;
  }

  /** Counts a picture that is put out; true when it is to be a key frame. */
  take(timeUs: number, place: SourcePlace): boolean {
    const isWanted = this.#wanted && timeUs - this.#lastUs >= KEY_PACE_US;
    const isLate = this.#rules.aligned && this.#sinceLast >= this.#rules.maxPictures;
    const isFirst = this.#lastUs === Number.NEGATIVE_INFINITY;
    const isKey = isFirst || isWanted || isLate || this.isDue(timeUs, place);
    this.#slot = this.#slotOf(timeUs, place);
    this.#sinceLast++;
    if (!isKey) return false;
    this.#sinceLast = 1;
    this.#lastUs = timeUs;
    this.#wanted = false;
    return true;
  }

  #slotOf(timeUs: number, { anchorUs }: SourcePlace): number {
    const { halfPictureUs, intervalUs } = this.#rules;
    return Math.floor((timeUs - anchorUs + halfPictureUs) / intervalUs);
  }
}

/** Pictures that may be made up for after others came late. */
const MAX_CREDIT = 1.5;
/** Times are rounded to microseconds, and to milliseconds by some sources. */
const FULL_CREDIT = 0.96;

/** Leaves out pictures so that no more than a number of them remain in a second, evenly. */
export class RateGate {
  readonly #intervalUs: number;
  #credit = 1;
  #lastUs: number | undefined;

  /** @param fps Undefined: all pictures remain. */
  constructor(fps: number | undefined) {
    this.#intervalUs = fps === undefined ? 0 : 1e6 / fps;
  }

  /** True for a picture that remains; `must` is true for one that has to, and with which counting begins anew. */
  passes(timeUs: number, must: boolean): boolean {
    if (this.#intervalUs === 0) return true;
    const elapsed = this.#lastUs === undefined ? 0 : (timeUs - this.#lastUs) / this.#intervalUs;
    this.#lastUs = timeUs;
    this.#credit = Math.min(MAX_CREDIT, this.#credit + elapsed);
    if (must) {
      this.#credit = 0;
      return true;
    }
    if (this.#credit < FULL_CREDIT) return false;
    this.#credit -= 1;
    return true;
  }
}
