/** So many deaths of workers in this time are the fault of what they were given. */
const MAX_STRIKES = 3;
const STRIKE_WINDOW_MS = 30_000;

/** The deaths of workers that somebody is blamed for. */
export class Strikes {
  #timesMs: number[] = [];

  get any(): boolean {
    return this.#timesMs.length > 0;
  }

  /** Counts one; true when that was once too often. */
  add(nowMs: number): boolean {
    this.#timesMs = this.#timesMs.filter((timeMs) => nowMs - timeMs < STRIKE_WINDOW_MS);
    this.#timesMs.push(nowMs);
    return this.#timesMs.length >= MAX_STRIKES;
  }
}
