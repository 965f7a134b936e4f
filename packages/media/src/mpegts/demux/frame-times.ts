import type { UnitTime } from './clock.ts';

/**
 * Times of frames of sound that follow one another without gaps: only the first one of a PES packet has a time stamp, the
 * others are counted on from it.
 */
export class FrameTimes {
  #anchorUs: number | undefined;
  #ticks = 0;

  /** A time stamp, which belongs to the next frame. */
  anchor(time: UnitTime): void {
    this.#anchorUs = time.ptsUs;
    this.#ticks = 0;
  }

  /** The time of the next frame, which lasts so many ticks. */
  take(ticks: number, clockRate: number): number | undefined {
    if (this.#anchorUs === undefined) return undefined;
    const us = this.#anchorUs + Math.round((this.#ticks * 1e6) / clockRate);
    this.#ticks += ticks;
    return us;
  }

  /** What was counted is no longer true. */
  reset(): void {
    this.#anchorUs = undefined;
    this.#ticks = 0;
  }
}
