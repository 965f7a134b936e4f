/** Losses are looked at over so long, and so many packets, at least. */
const WINDOW_MS = 500;
const WINDOW_PACKETS = 60;
/** More than this beside what the way loses in any case tells that it is sent too much (draft-ietf-rmcat-gcc-02 §6). */
const MUCH_LOSS = 0.1;
const LITTLE_LOSS = 0.03;
/** Sending less by this makes losses less that come of sending too much: by more than this. */
const LESS_SENT = 0.92;
const LESS_LOST = 0.75;
/** Weight of a window in what is lost in any case, when that becomes less. */
const FORGET = 0.3;
/** Weight of a window in it while no packet waits on the way: radio loses without queues. Not learned beyond much loss. */
const LEARN = 0.15;
const NO_QUEUE_MS = 30;
/** Growth of the limit a second, once there are no such losses any more. */
const GROWTH = 1.15;
/** Who sends less than this share of what delays allow can't tell what is carried: one window of losses halves it at most. */
const IDLE_SHARE = 0.35;
const LEAST_LEFT_OF_IDLE = 0.5;

/** What is sent, what arrives and what delays allow, bits a second, with what waits on the way. */
export interface LossyWay {
  readonly sentBps: number;
  readonly ackedBps: number;
  readonly rateBps: number;
  readonly queueMs: number;
}

/**
 * A limit by losses, for ways that drop what is too much instead of delaying it. Radio loses packets however little is
 * sent: losses that stay when less is sent are those, and count for nothing.
 */
export class LossLimit {
  /** Of the last window, 0 to 1. */
  fraction = 0;
  /** Undefined: losses speak of no limit. */
  bps: number | undefined;
  /** What is lost however little is sent, 0 to 1. */
  #inherent = 0;
  /** What was lost, of how much, when the limit was lowered last. */
  #lowered: { readonly fraction: number; readonly sentBps: number } | undefined;
  #windowMs = -1;
  #lost = 0;
  #reported = 0;

  /** Counts since the beginning, and how it stands at this moment. Call after each feedback. */
  update(counts: { readonly lost: number; readonly reported: number }, way: LossyWay, nowMs: number): void {
    if (this.#windowMs < 0) this.#windowMs = nowMs;
    const passedMs = nowMs - this.#windowMs;
    const packets = counts.reported - this.#reported;
    if (passedMs < WINDOW_MS || packets < WINDOW_PACKETS) return;
    this.fraction = Math.min(1, Math.max(0, (counts.lost - this.#lost) / packets));
    this.#windowMs = nowMs;
    this.#lost = counts.lost;
    this.#reported = counts.reported;
    if (way.sentBps > 0 && way.ackedBps > 0) this.#judge(way, passedMs);
  }

  /** What was lost until now was lost since the way was cut: that says nothing of what it carries. */
  forgive(counts: { readonly lost: number; readonly reported: number }): void {
    this.#windowMs = -1;
    this.#lost = counts.lost;
    this.#reported = counts.reported;
  }

  #judge({ sentBps, ackedBps, queueMs, rateBps }: LossyWay, passedMs: number): void {
    const { fraction } = this;
    if (fraction < this.#inherent) this.#inherent += (fraction - this.#inherent) * FORGET;
    else if (fraction < MUCH_LOSS && queueMs < NO_QUEUE_MS) this.#inherent += (fraction - this.#inherent) * LEARN;
    const lowered = this.#lowered;
    if (lowered !== undefined && sentBps < lowered.sentBps * LESS_SENT) {
      if (fraction > lowered.fraction * LESS_LOST) {
        this.#inherent = Math.max(this.#inherent, fraction);
        this.bps = undefined;
      }
      this.#lowered = undefined;
    }
    const excess = fraction - this.#inherent;
    if (excess > MUCH_LOSS) {
      const beforeBps = this.bps ?? Number.POSITIVE_INFINITY;
      const knownBps = Math.min(rateBps, beforeBps);
      const leastBps = sentBps < knownBps * IDLE_SHARE ? knownBps * LEAST_LEFT_OF_IDLE : 0;
      this.bps = Math.min(beforeBps, Math.max(ackedBps, leastBps));
      this.#lowered = { fraction, sentBps };
    } else if (this.bps !== undefined && excess < LITTLE_LOSS) {
      this.bps *= GROWTH ** (passedMs / 1000);
      if (this.bps > rateBps) this.bps = undefined;
    }
  }
}
