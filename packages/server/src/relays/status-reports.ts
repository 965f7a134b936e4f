import type { Fields } from '../core/index.ts';

/** So many states are told at once; then one in this time, the newest. */
const BURST = 8;
const INTERVAL_MS = 1000;

/** Tells of states as they come; of those of a connection that comes and goes all the time, only some. */
export class StatusReports {
  readonly #tell: (fields: Fields) => void;
  #left = BURST;
  #refilledMs = performance.now();
  #held: Fields | undefined;

  constructor(tell: (fields: Fields) => void) {
    this.#tell = tell;
  }

  /** The end is told in any case, and nothing after it. */
  report(fields: Fields): void {
    this.#held = fields;
    if (fields['status'] === 'STOPPED') this.#left = Math.max(this.#left, 1);
    this.tick(performance.now());
  }

  /** To be called now and then: tells of the newest state once there is room for it. */
  tick(nowMs: number): void {
    const refill = Math.floor((nowMs - this.#refilledMs) / INTERVAL_MS);
    if (refill > 0) {
      this.#left = Math.min(BURST, this.#left + refill);
      this.#refilledMs += refill * INTERVAL_MS;
    }
    if (this.#held === undefined || this.#left === 0) return;
    const fields = this.#held;
    this.#held = undefined;
    this.#left--;
    this.#tell(fields);
  }
}
