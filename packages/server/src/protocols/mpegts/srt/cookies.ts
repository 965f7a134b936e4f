import { createHmac, randomBytes } from 'node:crypto';

/** A cookie is taken for this long, and as long again. */
const PERIOD_MS = 60_000;

/**
 * Cookies of handshakes: what a caller can only have when it gets what is sent to its address. Nothing is kept of those
 * that were given out.
 */
export class Cookies {
  readonly #secret = randomBytes(32);

  /** The cookie for a caller; never 0. */
  give(caller: string, nowMs = performance.now()): number {
    return this.#of(caller, Math.floor(nowMs / PERIOD_MS));
  }

  /** True for a cookie that was given to that caller in the last minute or two. */
  isGood(cookie: number, caller: string, nowMs = performance.now()): boolean {
    const period = Math.floor(nowMs / PERIOD_MS);
    return cookie === this.#of(caller, period) || cookie === this.#of(caller, period - 1);
  }

  #of(caller: string, period: number): number {
    const digest = createHmac('sha256', this.#secret).update(`${caller} ${period}`).digest();
    return digest.readUInt32BE(0) || 1;
  }
}
