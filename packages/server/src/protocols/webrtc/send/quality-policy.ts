import type { BandwidthEstimate } from './viewer-bandwidth.ts';

/** A quality as far as the choice goes. */
export interface QualityOption {
  readonly name: string;
  /** Bits a second that it takes, with sound. */
  readonly bandwidthBps: number;
}

/** `other`: the present one can't be had any more. */
export type QualityDirection = 'down' | 'up' | 'other';

export interface QualityPolicyOptions {
  /** How long all must be well before a better quality is tried; longer each time that was in vain, */
  readonly stableMs: number;
  /** up to this. */
  readonly maxStableMs: number;
  /** A better quality that brings congestion within this time was in vain. */
  readonly probationMs: number;
  /** After a change, the next one down is not before this. */
  readonly settleMs: number;
  /** A quality that could not be had is not asked for again before this. */
  readonly retryMs: number;
}

export const DEFAULT_QUALITY_POLICY: QualityPolicyOptions = Object.freeze({
  stableMs: 8000,
  maxStableMs: 120_000,
  probationMs: 15_000,
  settleMs: 3000,
  retryMs: 30_000,
});

/** Share of the estimate that a quality may take: the rest is for what is sent again and for peaks. */
const USABLE_SHARE = 0.85;
/** Growth of the time before the next attempt, after one in vain. */
const BACK_OFF = 2;

/**
 * Decides which quality one viewer gets: down at once when the way to it is too narrow, to the best that fits; up one
 * step at a time, after a while in which all was well.
 */
export class QualityPolicy {
  readonly #options: QualityPolicyOptions;
  #blocked: Map<string, number> | undefined;
  #stableMs: number;
  #wellSinceMs: number;
  #movedMs = Number.NEGATIVE_INFINITY;
  #raisedMs = Number.NEGATIVE_INFINITY;

  constructor(options: QualityPolicyOptions, nowMs: number) {
    this.#options = options;
    this.#stableMs = options.stableMs;
    this.#wellSinceMs = nowMs;
  }

  /** How long all must be well before a better quality is tried, at this moment. */
  get stableMs(): number {
    return this.#stableMs;
  }

  /** In which direction a change is due, if there is a quality in it. Keeps account of the time: call it regularly. */
  due(estimate: BandwidthEstimate, nowMs: number): 'down' | 'up' | undefined {
    if (estimate.congested) {
      this.#wellSinceMs = nowMs;
      return nowMs - this.#movedMs >= this.#options.settleMs ? 'down' : undefined;
    }
    // A limit that is not confirmed yet is no good time for more.
    if (estimate.bps !== undefined) this.#wellSinceMs = nowMs;
    return nowMs - this.#wellSinceMs >= this.#stableMs ? 'up' : undefined;
  }

  /** The quality to change to in that direction; `all` are best first. Undefined: there is none for now. */
  choose<T extends QualityOption>(
    direction: QualityDirection,
    { all, current }: { readonly all: readonly T[]; readonly current: string | undefined },
    { estimate, nowMs }: { readonly estimate: BandwidthEstimate; readonly nowMs: number },
  ): T | undefined {
    const at = all.findIndex(({ name }) => name === current);
    const isOpen = ({ name }: T): boolean => (this.#blocked?.get(name) ?? Number.NEGATIVE_INFINITY) <= nowMs;
    if (direction === 'up') {
      // One that is not among them any more stands below the best.
      const better = all[at < 0 ? 0 : at - 1];
      if (better !== undefined && isOpen(better)) return better;
      // Nobody need ask again at once.
      this.#wellSinceMs = nowMs;
      return undefined;
    }
    if (direction === 'other') return all.find((option) => option.name !== current && isOpen(option));
    // A still picture may take less as it is than what a lower quality is made for.
    const presentBps = all[at]?.bandwidthBps ?? Number.POSITIVE_INFINITY;
    const lower = all.slice(at + 1).filter((option) => isOpen(option) && option.bandwidthBps < presentBps);
    const usableBps = (estimate.bps ?? 0) * USABLE_SHARE;
    return lower.find(({ bandwidthBps }) => bandwidthBps <= usableBps) ?? lower.at(-1);
  }

  /** The viewer gets another quality now. */
  onMoved(direction: QualityDirection, nowMs: number): void {
    const { probationMs, maxStableMs, stableMs } = this.#options;
    if (direction === 'up') this.#raisedMs = nowMs;
    else if (direction === 'down' && nowMs - this.#raisedMs <= probationMs)
      this.#stableMs = Math.min(maxStableMs, this.#stableMs * BACK_OFF);
    else if (direction === 'down') this.#stableMs = stableMs;
    this.#movedMs = nowMs;
    this.#wellSinceMs = nowMs;
  }

  /** A quality could not be had. */
  onFailed(name: string, nowMs: number): void {
    this.#blocked ??= new Map();
    this.#blocked.set(name, nowMs + this.#options.retryMs);
    this.#wellSinceMs = nowMs;
  }
}
