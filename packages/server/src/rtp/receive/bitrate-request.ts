/** Loss between these two leaves the request as it is; over the upper one it falls (RFC 8836's spirit, as GCC does). */
const LOSS_LOW = 0.02;
const LOSS_HIGH = 0.1;
/** Jitter that has grown this much over its usual level means that a queue builds up on the way. */
const JITTER_STEP_MS = 40;
const JITTER_WEIGHT = 1 / 8;
const GROWTH = 1.5;
const HEADROOM_BPS = 100_000;
const DECREASE = 0.85;

/** A sender that comes so near to its limit is told of it, from then on. */
const NEAR = 0.9;

export interface BitrateLimits {
  readonly minBps: number;
  readonly maxBps: number;
}

/** Limits by the settings, bits a second; what the client asked for, where that is not 0, beats them. */
export function bitrateLimits(
  settings: { readonly minBitrateBps: number; readonly maxBitrateBps: number },
  wishes: { readonly minBitrateBps?: number | undefined; readonly maxBitrateBps?: number | undefined },
): BitrateLimits {
  const maxBps = wishes.maxBitrateBps || settings.maxBitrateBps;
  return { maxBps, minBps: Math.min(maxBps, wishes.minBitrateBps || settings.minBitrateBps) };
}

/**
 * What to ask of a sender by REMB where that is all it understands: more than it sends while that arrives well, less
 * when packets get lost or their spacing grows uneven (functions-2 §5.5). A plain rule, not an estimator of delay:
 * senders with transport-wide feedback estimate for themselves, and are told no more than the limit.
 */
export class BitrateRequest {
  readonly #limits: BitrateLimits;
  #bps: number;
  #limited: boolean;
  #usualJitterMs = Number.NaN;

  /** @param limited The sender is told its limit from the beginning, not only when it comes near to it. */
  constructor(limits: BitrateLimits, limited = false) {
    this.#limits = limits;
    this.#limited = limited;
    this.#bps = limits.minBps;
  }

  /** Called about once a second with what came since. @returns bits a second, within the limits */
  next(received: { readonly bitsPerSecond: number; readonly lossFraction: number; readonly jitterMs: number }): number {
    const { bitsPerSecond, lossFraction, jitterMs } = received;
    if (Number.isNaN(this.#usualJitterMs)) this.#usualJitterMs = jitterMs;
    const uneven = jitterMs > this.#usualJitterMs + JITTER_STEP_MS;
    this.#usualJitterMs += (jitterMs - this.#usualJitterMs) * JITTER_WEIGHT;
    if (lossFraction > LOSS_HIGH || uneven) this.#set(bitsPerSecond * DECREASE);
    else if (lossFraction < LOSS_LOW) this.#set(Math.max(this.#bps, bitsPerSecond * GROWTH + HEADROOM_BPS));
    return this.#bps;
  }

  /**
   * The same for a sender that estimates for itself: the limit alone, which it keeps to beside its estimate.
   * @param always It is to be told in any case
   * @returns bits a second; undefined for nothing to ask
   */
  limit(bitsPerSecond: number, always: boolean): number | undefined {
    if (bitsPerSecond > this.#limits.maxBps * NEAR) this.#limited = true;
    return this.#limited || always ? this.#limits.maxBps : undefined;
  }

  #set(bps: number): void {
    this.#bps = Math.round(Math.max(this.#limits.minBps, Math.min(this.#limits.maxBps, bps)));
  }
}
