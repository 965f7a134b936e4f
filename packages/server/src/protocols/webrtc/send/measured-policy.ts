import type { QualityOption } from './quality-policy.ts';
import type { BandwidthEstimate } from './viewer-bandwidth.ts';

/** A quality as far as this choice goes. */
export interface OpenOption extends QualityOption {
  /** It can be had at this moment, and the viewer may have it. */
  readonly open: boolean;
}

/** What a decision is made of. */
export interface MeasuredView {
  /** Best first. */
  readonly all: readonly OpenOption[];
  /** Places among them of what is sent and of what is waited for; -1 for none. */
  readonly at: number;
  readonly coming: number;
  readonly estimate: BandwidthEstimate;
  /** What is sent is too much, whatever the estimate says of it: little of it was left for the viewer. */
  readonly isShort?: boolean;
}

export interface MeasuredPolicyOptions {
  /** After a change, how long before a better quality; longer each time that it was in vain, */
  readonly holdMs: number;
  /** up to this. */
  readonly maxHoldMs: number;
  /** Falling back within this time: it was in vain. */
  readonly probationMs: number;
  /** A quality that could not be had is not asked for again before this. */
  readonly retryMs: number;
}

export const DEFAULT_MEASURED_POLICY: MeasuredPolicyOptions = Object.freeze({
  holdMs: 1000,
  maxHoldMs: 30_000,
  probationMs: 6000,
  retryMs: 8000,
});

/** What is sent may take this share of the estimate, so that it does not go down for a trifle, */
const TAKEN_SHARE = 1.05;
/** and it goes down at once where it takes more than this; else only when that lasts. */
const MUCH_SHARE = 1.25;
const LASTING_MS = 400;
/** Packets that wait for so long here: it is too much, whatever the estimate is. */
const LONG_QUEUE_MS = 250;
/** Share of the estimate that a quality may take which is changed to. */
const FITTING_SHARE = 0.9;
const BETTER_SHARE = 0.85;
/** After a change for want of bandwidth, what still queues up is of the quality before. */
const SETTLE_MS = 400;
const BACK_OFF = 2;

/**
 * Decides which quality one viewer gets whose bandwidth is `measured`: down at once, to the best that fits; up as soon as
 * the estimate carries more, for which the way is probed. Falling back soon after makes the next attempt later.
 */
export class MeasuredPolicy {
  /** What the way is to be probed for, so that a better quality can be had; undefined when there is none. */
  probeBps: number | undefined;
  readonly #options: MeasuredPolicyOptions;
  #blocked: Map<string, number> | undefined;
  #holdMs: number;
  #shortSinceMs = -1;
  #movedMs = Number.NEGATIVE_INFINITY;
  #loweredMs = Number.NEGATIVE_INFINITY;
  #raisedMs = Number.NEGATIVE_INFINITY;

  constructor(options: MeasuredPolicyOptions = DEFAULT_MEASURED_POLICY) {
    this.#options = options;
    this.#holdMs = options.holdMs;
  }

  /** How long after a change there is none for the better, at this moment. */
  get holdMs(): number {
    return this.#holdMs;
  }

  // Asked ten times a second for each viewer: nothing is allocated.
  /** The place of what the viewer is to get: that of `at` when all stays as it is, -1 when there is nothing. */
  decide(view: MeasuredView, nowMs: number): number {
    const { all, at, coming, estimate } = view;
    const bps = estimate.bps ?? 0;
    const present = all[at];
    this.probeBps = undefined;
    if (present === undefined || !present.open) return this.#best(all, bps * FITTING_SHARE, nowMs);
    if (view.isShort === true || this.#isShort(present, estimate, nowMs)) {
      const lower = this.#lower(view, nowMs);
      // What still comes of a quality that is waited for is not more than what is sent now.
      return lower >= 0 && nowMs - this.#loweredMs >= SETTLE_MS ? lower : keepsWaiting(view) ? coming : at;
    }
    if (coming >= 0) return this.#stillFits(view) ? coming : at;
    return this.#better(view, nowMs);
  }

  /** The viewer gets another quality from now on, or one for want of bandwidth is asked for. */
  onMoved(direction: 'down' | 'up', nowMs: number): void {
    const { holdMs, maxHoldMs, probationMs } = this.#options;
    this.#movedMs = nowMs;
    this.#shortSinceMs = -1;
    if (direction === 'up') {
      this.#raisedMs = nowMs;
      return;
    }
    const wasInVain = nowMs - this.#raisedMs <= probationMs;
    // Once for each time that it went up.
    if (wasInVain) this.#raisedMs = Number.NEGATIVE_INFINITY;
    this.#holdMs = wasInVain ? Math.min(maxHoldMs, this.#holdMs * BACK_OFF) : this.#fadedHold(nowMs, holdMs);
    this.#loweredMs = nowMs;
  }

  /** A quality could not be had. */
  onFailed(name: string, nowMs: number): void {
    this.#blocked ??= new Map();
    this.#blocked.set(name, nowMs + this.#options.retryMs);
  }

  /** It could not be had a short time ago. */
  isBlocked(name: string, nowMs: number): boolean {
    return (this.#blocked?.get(name) ?? Number.NEGATIVE_INFINITY) > nowMs;
  }

  /** Several steps down are one fall: it says nothing about the attempt before. */
  #fadedHold(nowMs: number, holdMs: number): number {
    return nowMs - this.#loweredMs <= this.#holdMs * BACK_OFF ? this.#holdMs : holdMs;
  }

  /** An estimate that is low because little was sent yet shows no limit: there is no reason for it. */
  #isShort({ bandwidthBps }: OpenOption, estimate: BandwidthEstimate, nowMs: number): boolean {
    const { bps = 0, congested, queueMs = 0, reason } = estimate;
    const waits = queueMs > LONG_QUEUE_MS;
    if (!waits && (reason === undefined || bandwidthBps <= bps * TAKEN_SHARE)) {
      this.#shortSinceMs = -1;
      return false;
    }
    if (this.#shortSinceMs < 0) this.#shortSinceMs = nowMs;
    const isMuch = waits || congested || bandwidthBps > bps * MUCH_SHARE;
    return isMuch || nowMs - this.#shortSinceMs >= LASTING_MS;
  }

  /** The best below what is sent that fits, else the least there is; -1 when nothing takes less, or it is waited for. */
  #lower({ all, at, coming, estimate }: MeasuredView, nowMs: number): number {
    const roomBps = (estimate.bps ?? 0) * FITTING_SHARE;
    const presentBps = all[at]?.bandwidthBps ?? 0;
    let least = -1;
    for (let i = at + 1; i < all.length; i++) {
      const option = all[i];
      if (option === undefined || !this.#isOpen(option, nowMs) || option.bandwidthBps >= presentBps) continue;
      least = i;
      if (option.bandwidthBps <= roomBps) break;
    }
    return least > coming ? least : -1;
  }

  #best(all: readonly OpenOption[], roomBps: number, nowMs: number): number {
    let least = -1;
    for (let i = 0; i < all.length; i++) {
      const option = all[i];
      if (option === undefined || !this.#isOpen(option, nowMs)) continue;
      least = i;
      if (option.bandwidthBps <= roomBps) return i;
    }
    return least;
  }

  #better({ all, at, estimate }: MeasuredView, nowMs: number): number {
    const { bps = 0, queueMs = 0 } = estimate;
    if (nowMs - this.#movedMs < this.#holdMs || queueMs > LONG_QUEUE_MS) return at;
    let best = -1;
    for (let i = 0; i < at; i++) {
      const option = all[i];
      if (option === undefined || !this.#isOpen(option, nowMs)) continue;
      if (option.bandwidthBps <= bps * BETTER_SHARE) return i;
      if (best < 0) best = i;
    }
    const bestBps = all[best]?.bandwidthBps;
    this.probeBps = bestBps === undefined ? undefined : bestBps / BETTER_SHARE;
    return at;
  }

  /** What is on the way is a better quality, and there is room for it no more. */
  #stillFits({ all, at, coming, estimate }: MeasuredView): boolean {
    return coming > at || (all[coming]?.bandwidthBps ?? 0) <= (estimate.bps ?? 0) * TAKEN_SHARE;
  }

  #isOpen({ name, open }: OpenOption, nowMs: number): boolean {
    return open && !this.isBlocked(name, nowMs);
  }
}

/** A lower quality is on the way. */
function keepsWaiting({ at, coming }: MeasuredView): boolean {
  return coming > at;
}
