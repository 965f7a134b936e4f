/** What is to be done with the samples of a decoded frame, in samples of the output. */
export interface Placement {
  /** Silence that goes before it: a hole in the source. */
  readonly silence: number;
  /** So many of its first samples are left out: they are earlier than what is out already. */
  readonly trim: number;
  /** The time jumps so far ahead that nobody fills it. */
  readonly jump: number;
  /** Samples to add to (or take from) the next second, to follow the source's clock. */
  readonly stretch: number;
}

/**
 * Times of packets are off by up to this for reasons that mean nothing: milliseconds of RTMP, arrival over a network. A
 * source whose times are exact gets the smaller value, so that a single lost packet is seen.
 */
const LEAST_TOLERATED_US = 10_000;
const MOST_TOLERATED_US = 40_000;
/** How often the mean deviation is tolerated. */
const TOLERANCE_FACTOR = 4;
/** Sound that comes early is shortened slowly up to here; beyond, a piece of it is left out. */
const EARLY_US = 80_000;
/** Longer holes are no loss of packets but a pause. */
const LONGEST_SILENCE_US = 500_000;
/** A clock that is off by less is left alone. */
const DRIFT_US = 5000;
/** Nobody hears a change of pitch as small, and clocks that run more apart are broken. */
const MAX_STRETCH = 0.001;
/** Frames over which the deviation is averaged, about a second and a half. */
const SMOOTHING = 64;

const CONTINUE: Placement = { silence: 0, trim: 0, jump: 0, stretch: 0 };

/**
 * The clock of converted sound. It runs by the samples that go out, so that the trembling of the source's times is not
 * heard; it follows those times only when they are off for good.
 */
export class SampleClock {
  readonly #rate: number;
  #anchorUs: number | undefined;
  #position = 0;
  #averageUs = 0;
  /** Mean deviation from the average: large until the source has shown that it is not. */
  #jitterUs = MOST_TOLERATED_US / TOLERANCE_FACTOR;
  #sinceStretch = 0;

  constructor(rate: number) {
    this.#rate = rate;
  }

  /** Samples since the first one, counting silence and jumps. */
  get position(): number {
    return this.#position;
  }

  /** The source's time of a sample, in integer microseconds. */
  timeUs(position: number): number {
    return Math.round((this.#anchorUs ?? 0) + (position * 1e6) / this.#rate);
  }

  /**
   * Where a frame belongs that the source says is at `ptsUs` (undefined: right after the last one), while `delay`
   * samples before it are still inside the resampler. The clock is moved over silence and jumps at once; it is moved
   * over the samples by {@link SampleClock.advance}.
   */
  place(ptsUs: number | undefined, delay: number): Placement {
    if (ptsUs === undefined) return CONTINUE;
    this.#anchorUs ??= ptsUs;
    const offUs = ptsUs - this.timeUs(this.#position + delay);
    if (offUs > this.#toleratedUs) return this.#skip(offUs);
    if (offUs < -EARLY_US) {
      this.#averageUs = 0;
      return { ...CONTINUE, trim: this.#samples(-offUs) };
    }
    return this.#follow(offUs);
  }

  /** So many samples were put out. */
  advance(samples: number): void {
    this.#position += samples;
    this.#sinceStretch += samples;
  }

  get #toleratedUs(): number {
    return Math.min(MOST_TOLERATED_US, Math.max(LEAST_TOLERATED_US, this.#jitterUs * TOLERANCE_FACTOR));
  }

  #skip(offUs: number): Placement {
    const samples = this.#samples(offUs);
    this.#averageUs = 0;
    this.#position += samples;
    return offUs > LONGEST_SILENCE_US ? { ...CONTINUE, jump: samples } : { ...CONTINUE, silence: samples };
  }

  #follow(offUs: number): Placement {
    this.#averageUs += (offUs - this.#averageUs) / SMOOTHING;
    this.#jitterUs += (Math.abs(offUs - this.#averageUs) - this.#jitterUs) / SMOOTHING;
    if (this.#sinceStretch < this.#rate || Math.abs(this.#averageUs) < DRIFT_US) return CONTINUE;
    this.#sinceStretch = 0;
    const most = this.#rate * MAX_STRETCH;
    return { ...CONTINUE, stretch: Math.round(Math.max(-most, Math.min(most, this.#samples(this.#averageUs)))) };
  }

  #samples(us: number): number {
    return Math.round((us * this.#rate) / 1e6);
  }
}
