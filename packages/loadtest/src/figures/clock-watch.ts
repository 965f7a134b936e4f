import type { PictureClock } from '../source/clock.ts';
import type { Figures } from './figures.ts';

/** More than this is not pictures that were left out, but a publisher that began anew. */
const MAX_MISSING = 3000;

/** Reads the clocks in one viewer's pictures: their delay, and those that are missing between them. */
export class ClockWatch {
  readonly #figures: Figures;
  #last = -1;

  constructor(figures: Figures) {
    this.#figures = figures;
  }

  /**
   * A picture with a clock is there, whole. Its delay is counted when the picture came as early as the viewer could
   * have it, which is not so for those that a viewer is given at the start.
   * @param delayUs undefined when it tells nothing
   */
  onClock({ number }: PictureClock, delayUs: number | undefined): void {
    if (delayUs !== undefined) this.#figures.delayMs.add(Math.max(0, delayUs) / 1000);
    const missing = number - this.#last - 1;
    if (this.#last >= 0 && missing > 0 && missing < MAX_MISSING) this.#figures.counts.picturesMissing += missing;
    this.#last = number;
  }
}
