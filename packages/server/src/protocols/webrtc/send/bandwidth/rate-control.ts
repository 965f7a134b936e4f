import type { DelaySignal } from './delay-trend.ts';

/** What is left of the rate that arrived, once it was too much (draft-ietf-rmcat-gcc-02 §5.5); */
const DECREASE = 0.85;
/** less while a long queue waits on the way, so that it empties within about a second. */
const LONG_QUEUE_MS = 1000;
const DECREASE_LONG = 0.4;
/** What is sent at one moment says little of what is sent at all: so much of the most counts a second later. */
const BUSY_LEFT = 0.7;
/** One decrease leaves at least this share of what is sent while little waits, or not very much: what arrived of late may be little by chance. */
const LEAST_LEFT = 0.75;
const LEAST_LEFT_OF_LONGER = 0.5;
const LONGER_QUEUE_MS = 80;
const CERTAIN_QUEUE_MS = 250;
/** Who sends less than this share of the estimate can't tell what is carried: one decrease halves the estimate at most. */
const IDLE_SHARE = 0.35;
const LEAST_LEFT_OF_IDLE = 0.5;
/** Growing delay counts once so much waits on the way: bursts and jitter pass. */
const SOME_QUEUE_MS = 20;
/** So much waiting counts even if it does not grow. */
const MUCH_QUEUE_MS = 150;
/** Unless that is much, it must be so in more than one feedback: a machine that is busy for a moment delays packets too. */
const SURE_MS = 40;
const SURE_QUEUE_MS = 120;
/** The same before any limit was seen: at the beginning much is sent at once, and the player is busy. */
const FIRST_SURE_MS = 150;
const FIRST_SURE_QUEUE_MS = 250;
/** Who sends less than this share of the estimate sends in bursts: a short queue passes with them. */
const BURSTY_SHARE = 0.7;
/** With so much the rate does not grow. */
const HOLD_QUEUE_MS = 60;
/** A queue that has not become less by this after so long, and two round trips, is none: the way is longer now. */
const STEADY_MS = 600;
const STEADY_SHARE = 0.8;
/** What one decrease must have had time for, beside the round trip, before the next. */
const EFFECT_MS = 150;
const MAX_EFFECT_RTT_MS = 300;
/** Growth a second far from where the limit was last, and while the limit was never seen. */
const FAR_GROWTH = 1.08;
const FIRST_GROWTH = 1.5;
/** Near it, the rate grows by about a packet in each response time (§5.5). */
const PACKET_BITS = 9600;
const RESPONSE_MS = 100;
/** What is near: so many deviations of what was carried when it was too much. */
const NEAR_DEVIATIONS = 3;
const CAPACITY_WEIGHT = 0.3;
/** Once the queue is gone, the rate goes back to this share of what was carried. */
const REFILL = 0.92;
const REFILL_WITHIN_MS = 5000;
/** The rate does not grow beyond this share of what arrives: who sends little learns little. */
const KNOWN_SHARE = 2;
const KNOWN_MORE_BPS = 20_000;
const MIN_BPS = 30_000;
const MAX_BPS = 200_000_000;
const MAX_STEP_MS = 500;

/** What one feedback packet comes to. */
export interface RateObservation {
  readonly signal: DelaySignal;
  /** What waits on the way at this moment, milliseconds. */
  readonly queueMs: number;
  /** What was sent in the last half second. */
  readonly sentBps: number;
  /** What arrived in the last half second and in the last fifth of one; undefined while that is not known. */
  readonly ackedBps: number | undefined;
  readonly newestAckedBps: number | undefined;
  readonly rttMs: number;
  /** More than usual was sent a moment ago to see what becomes of it: a short queue comes of that. */
  readonly probing: boolean;
}

/**
 * The rate that delays allow: additive increase near the limit, multiplicative increase far from it, multiplicative
 * decrease (draft-ietf-rmcat-gcc-02 §5.5).
 */
export class RateControl {
  bps: number;
  /** True once a limit was seen. */
  limited = false;
  readonly #onRouteChange: () => void;
  #updatedMs = -1;
  /** Since then it has looked as if it were too much, with so much waiting. */
  #suspect: { readonly sinceMs: number; readonly queueMs: number } | undefined;
  /** What was sent of late when most was. */
  #busyBps = 0;
  #loweredMs = Number.NEGATIVE_INFINITY;
  /** What arrived when it was too much, smoothed, with its deviation as a share. */
  #capacityBps = 0;
  #deviation = 0.4;
  #refillBps = 0;
  /** A queue that stays as long as it is, although less is sent. */
  #steady: { readonly sinceMs: number; readonly queueMs: number; readonly beforeBps: number } | undefined;

  /** `onRouteChange`: what takes long now is not a queue. */
  constructor(startBps: number, onRouteChange: () => void) {
    this.bps = startBps;
    this.#onRouteChange = onRouteChange;
  }

  update(seen: RateObservation, nowMs: number): void {
    const passedMs = this.#updatedMs < 0 ? 0 : Math.min(MAX_STEP_MS, Math.max(0, nowMs - this.#updatedMs));
    this.#updatedMs = nowMs;
    const { signal, queueMs } = seen;
    this.#busyBps = Math.max(seen.sentBps, this.#busyBps * BUSY_LEFT ** (passedMs / 1000));
    const isBurst = seen.sentBps < this.bps * BURSTY_SHARE && queueMs < LONGER_QUEUE_MS;
    const grows = signal === 'over' && queueMs >= SOME_QUEUE_MS && !seen.probing && !isBurst;
    const isTooMuch = grows || (queueMs >= MUCH_QUEUE_MS && signal !== 'under');
    if (this.#isSure(seen, isTooMuch, nowMs)) this.#tooMuch(seen, grows, nowMs);
    else if (signal === 'normal' && queueMs < HOLD_QUEUE_MS) this.#increase(seen, passedMs, nowMs);
    if (queueMs < HOLD_QUEUE_MS) this.#steady = undefined;
  }

  /** What the way carries was found out otherwise. */
  set(bps: number): void {
    this.bps = clamp(bps);
    if (bps > this.#capacityBps * 1.2) this.#capacityBps = 0;
  }

  #isSure({ queueMs, signal }: RateObservation, isTooMuch: boolean, nowMs: number): boolean {
    const suspect = this.#suspect;
    if (!isTooMuch && (suspect === undefined || queueMs < suspect.queueMs || signal === 'under')) {
      this.#suspect = undefined;
      return false;
    }
    this.#suspect ??= { sinceMs: nowMs, queueMs };
    const sureQueueMs = this.limited ? SURE_QUEUE_MS : FIRST_SURE_QUEUE_MS;
    return queueMs >= sureQueueMs || nowMs - this.#suspect.sinceMs >= (this.limited ? SURE_MS : FIRST_SURE_MS);
  }

  #tooMuch(seen: RateObservation, grows: boolean, nowMs: number): void {
    if (nowMs - this.#loweredMs < Math.min(seen.rttMs, MAX_EFFECT_RTT_MS) + EFFECT_MS) return;
    if (grows) this.#steady = undefined;
    else if (this.#isRouteChange(seen, nowMs)) return;
    this.#decrease(seen, nowMs);
  }

  #isRouteChange({ queueMs, rttMs }: RateObservation, nowMs: number): boolean {
    const steady = this.#steady;
    if (steady === undefined || queueMs < steady.queueMs * STEADY_SHARE) {
      this.#steady = { sinceMs: nowMs, queueMs, beforeBps: this.bps };
      return false;
    }
    if (nowMs - steady.sinceMs < STEADY_MS + 2 * rttMs) return false;
    this.#onRouteChange();
    this.bps = Math.max(this.bps, steady.beforeBps);
    this.#steady = undefined;
    return true;
  }

  #decrease({ sentBps, ackedBps, newestAckedBps, queueMs }: RateObservation, nowMs: number): void {
    const newestBps = newestAckedBps ?? this.bps;
    const longerBps = ackedBps ?? newestBps;
    // While little waits, one of both may be little by chance: packets were held back, or few were sent.
    const carriedBps = queueMs >= HOLD_QUEUE_MS ? Math.min(longerBps, newestBps) : Math.max(longerBps, newestBps);
    const share = DECREASE - (DECREASE - DECREASE_LONG) * Math.min(1, queueMs / LONG_QUEUE_MS);
    const isIdle = this.limited && sentBps < this.bps * IDLE_SHARE;
    if (!isIdle) this.#learn(carriedBps);
    const busyBps = Math.min(this.bps, this.#busyBps);
    const leastBps = isIdle ? this.bps * LEAST_LEFT_OF_IDLE : busyBps * this.#leastLeft(queueMs);
    this.bps = clamp(Math.min(this.bps, Math.max(carriedBps * share, leastBps)));
    this.#refillBps = carriedBps * REFILL;
    this.#loweredMs = nowMs;
    this.limited = true;
  }

  #leastLeft(queueMs: number): number {
    if (!this.limited || queueMs >= CERTAIN_QUEUE_MS) return 0;
    return queueMs >= LONGER_QUEUE_MS ? LEAST_LEFT_OF_LONGER : LEAST_LEFT;
  }

  #learn(carriedBps: number): void {
    if (this.#capacityBps === 0) {
      this.#capacityBps = carriedBps;
      return;
    }
    const error = (carriedBps - this.#capacityBps) / Math.max(this.#capacityBps, 1);
    this.#capacityBps += (carriedBps - this.#capacityBps) * CAPACITY_WEIGHT;
    this.#deviation += (Math.abs(error) - this.#deviation) * CAPACITY_WEIGHT;
    this.#deviation = Math.min(0.4, Math.max(0.05, this.#deviation));
  }

  #increase({ ackedBps, newestAckedBps, queueMs, rttMs }: RateObservation, passedMs: number, nowMs: number): void {
    if (ackedBps === undefined) return;
    const reach = this.#capacityBps * (1 + NEAR_DEVIATIONS * this.#deviation);
    if (this.#capacityBps > 0 && ackedBps > reach) this.#capacityBps = 0;
    let next = this.bps;
    if (queueMs < SOME_QUEUE_MS && nowMs - this.#loweredMs < REFILL_WITHIN_MS) next = Math.max(next, this.#refillBps);
    const near = this.#capacityBps > 0 && next > this.#capacityBps * (1 - NEAR_DEVIATIONS * this.#deviation);
    const growth = this.limited ? FAR_GROWTH : FIRST_GROWTH;
    const added = near ? (PACKET_BITS / (rttMs + RESPONSE_MS)) * passedMs : next * (growth ** (passedMs / 1000) - 1);
    // What arrives without waiting is carried.
    if (queueMs < SOME_QUEUE_MS) next = Math.max(next, Math.min(ackedBps, newestAckedBps ?? 0));
    const mostBps = ackedBps * KNOWN_SHARE + KNOWN_MORE_BPS;
    this.bps = clamp(Math.max(this.bps, Math.min(next + added, mostBps)));
  }
}

function clamp(bps: number): number {
  return Math.min(MAX_BPS, Math.max(MIN_BPS, bps));
}
