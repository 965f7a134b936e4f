import type { BandwidthEstimate } from './viewer-bandwidth.ts';

/**
 * How much of a picture one viewer gets, most first: all of it; without frames of temporal layers above 1, above 0; key
 * frames alone, as many as the way carries; none of it.
 */
export const PICTURE_LIMITS = ['all', 'layer_1', 'layer_0', 'key_frames', 'none'] as const;
export type PictureLimit = (typeof PICTURE_LIMITS)[number];

/** What the picture that is followed takes under each limit, measured over about the last second, bits a second of RTP. */
export interface PictureRates {
  readonly all: number;
  /** Undefined where the publisher does not mark such a layer, or there is none above it. */
  readonly layer1: number | undefined;
  readonly layer0: number | undefined;
  /** Size of a key frame, bytes; undefined before the first. */
  readonly keyFrameBytes: number | undefined;
}

/** Of a picture that has not been measured yet. */
export const NO_RATES: PictureRates = Object.freeze({
  all: 0,
  layer1: undefined,
  layer0: undefined,
  keyFrameBytes: undefined,
});

/** What a decision is made of. */
export interface ThinningView {
  readonly estimate: BandwidthEstimate;
  readonly rates: PictureRates;
  /** What is sent beside the picture. */
  readonly audioBps: number;
}

/** What is decided: `probeBps` is what the way is to be probed for, because more of the picture would be had with it. */
export interface ThinningDecision {
  readonly limit: PictureLimit;
  readonly probeBps: number | undefined;
}

/** Share of the estimate that may be used: the rest is for what is sent again and for peaks. */
const USABLE_SHARE = 0.9;
/** More of the picture than now is given only when there is some more room than it takes: what is less may be very little, */
const RAISE_SHARE = 0.92;
/** and not within this time after a change; longer each time that it was in vain, up to `MAX_HOLD_MS`. */
const HOLD_MS = 1500;
const MAX_HOLD_MS = 8000;
/** Falling back within this time: it was in vain. */
const PROBATION_MS = 5000;
/** What takes hardly more than may be used is not given up before it has done so for this long: key frames come now and then. */
const LASTING_MS = 1200;
/** What another layer or quality takes is not known before: it begins with a key frame, and what queues up is of the one before. */
const SETTLE_MS = 1500;
/** Ways below this are left to the sound. */
const LEAST_PICTURE_BPS = 40_000;

/**
 * The last resort, where there is no lower layer and no lower quality: decides how much of a picture a viewer gets, down
 * at once, up after a while. Used only with estimates that are `measured`.
 */
export class ThinningPolicy {
  #limit: PictureLimit = 'all';
  #changedMs = Number.NEGATIVE_INFINITY;
  #raisedMs = Number.NEGATIVE_INFINITY;
  #resetMs = Number.NEGATIVE_INFINITY;
  #holdMs = HOLD_MS;
  #shortSinceMs = -1;

  get limit(): PictureLimit {
    return this.#limit;
  }

  /** To be asked every 100 to 250 ms; the limit that comes of it is for `SendTrack.limit`. */
  decide({ estimate, rates, audioBps }: ThinningView, nowMs: number): ThinningDecision {
    const { bps } = estimate;
    if (bps === undefined || estimate.measured !== true) return { limit: this.#limit, probeBps: undefined };
    const roomBps = bps * USABLE_SHARE - audioBps;
    const fits = bestThatFits(rates, roomBps);
    const isShort = isLess(fits, this.#limit) && nowMs - this.#resetMs >= SETTLE_MS;
    if (!isShort || this.#shortSinceMs < 0) this.#shortSinceMs = isShort ? nowMs : -1;
    const lasts = nowMs - this.#shortSinceMs >= LASTING_MS;
    // It may be more than is usual, but not more than there is.
    if (isShort && (lasts || isLess(bestThatFits(rates, bps - audioBps), this.#limit))) this.#lower(fits, nowMs);
    else if (isLess(this.#limit, fits)) this.#raise(bestThatFits(rates, roomBps * RAISE_SHARE), nowMs);
    const probeBps = this.#limit === 'all' ? undefined : (rates.all / RAISE_SHARE + audioBps) / USABLE_SHARE;
    return { limit: this.#limit, probeBps };
  }

  /** Another layer or quality is sent now: all of it is tried. */
  reset(nowMs: number): void {
    this.#limit = 'all';
    this.#changedMs = nowMs;
    this.#resetMs = nowMs;
  }

  #lower(limit: PictureLimit, nowMs: number): void {
    this.#shortSinceMs = -1;
    this.#holdMs = nowMs - this.#raisedMs < PROBATION_MS ? Math.min(MAX_HOLD_MS, this.#holdMs * 2) : HOLD_MS;
    this.#limit = limit;
    this.#changedMs = nowMs;
  }

  #raise(limit: PictureLimit, nowMs: number): void {
    if (!isLess(this.#limit, limit)) return;
    const passedMs = nowMs - this.#changedMs;
    if (passedMs >= this.#holdMs) {
      this.#limit = limit;
      this.#changedMs = nowMs;
      this.#raisedMs = nowMs;
      // Key frames keep to what the way carries by themselves: who has no picture at all need not wait longer.
    } else if (this.#limit === 'none' && passedMs >= HOLD_MS) this.#limit = 'key_frames';
  }
}

function isLess(one: PictureLimit, other: PictureLimit): boolean {
  return PICTURE_LIMITS.indexOf(one) > PICTURE_LIMITS.indexOf(other);
}

function bestThatFits({ all, layer1, layer0 }: PictureRates, roomBps: number): PictureLimit {
  if (all <= roomBps) return 'all';
  if (layer1 !== undefined && layer1 <= roomBps) return 'layer_1';
  if (layer0 !== undefined && layer0 <= roomBps) return 'layer_0';
  return roomBps >= LEAST_PICTURE_BPS ? 'key_frames' : 'none';
}
