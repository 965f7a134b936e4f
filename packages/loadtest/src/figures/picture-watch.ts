import type { Counts } from './figures.ts';

/** Looks after one viewer's pictures: how many there are, and when there are none for too long. */
export class PictureWatch {
  readonly #counts: Counts;
  readonly #freezeMs: number;
  #lastMs = Number.NaN;
  /** The gap that goes on is counted already. */
  #frozen = false;

  /** @param freezeMs a gap that is longer than this is a freeze */
  constructor(counts: Counts, freezeMs: number) {
    this.#counts = counts;
    this.#freezeMs = freezeMs;
  }

  /** A picture can be shown. Hot path. */
  onPicture(nowMs: number): void {
    this.check(nowMs);
    if (this.#frozen) this.#counts.frozenMs += nowMs - this.#lastMs;
    this.#frozen = false;
    this.#lastMs = nowMs;
    this.#counts.pictures++;
  }

  /** Notices a freeze that has begun. To be called now and then. */
  check(nowMs: number): void {
    if (this.#frozen || !(nowMs - this.#lastMs > this.#freezeMs)) return;
    this.#frozen = true;
    this.#counts.freezes++;
  }

  /** The viewer leaves: a freeze that goes on ends here. */
  finish(nowMs: number): void {
    this.check(nowMs);
    if (this.#frozen) this.#counts.frozenMs += nowMs - this.#lastMs;
    this.#frozen = false;
    this.#lastMs = Number.NaN;
  }
}
