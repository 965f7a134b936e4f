import type { Counts } from '../figures/figures.ts';

/** What a player of segments has to show, and when it has nothing. */
export class PlaybackBuffer {
  readonly #counts: Counts;
  readonly #freezeMs: number;
  /** When what is there will have been shown; NaN before the first piece. */
  #endMs = Number.NaN;
  #frozen = false;

  constructor(counts: Counts, freezeMs: number) {
    this.#counts = counts;
    this.#freezeMs = freezeMs;
  }

  /** Something more can be shown. */
  add(durationMs: number, nowMs: number): void {
    this.check(nowMs);
    if (this.#frozen) this.#counts.frozenMs += nowMs - this.#endMs;
    this.#frozen = false;
    const fromMs = Number.isNaN(this.#endMs) ? nowMs : Math.max(this.#endMs, nowMs);
    this.#endMs = fromMs + durationMs;
  }

  /** Notices a freeze that has begun. */
  check(nowMs: number): void {
    if (this.#frozen || !(nowMs - this.#endMs > this.#freezeMs)) return;
    this.#frozen = true;
    this.#counts.freezes++;
  }

  finish(nowMs: number): void {
    this.check(nowMs);
    if (this.#frozen) this.#counts.frozenMs += nowMs - this.#endMs;
    this.#frozen = false;
    this.#endMs = Number.NaN;
  }
}
