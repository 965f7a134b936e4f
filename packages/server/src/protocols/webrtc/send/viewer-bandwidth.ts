import type { TwccFeedback } from '@sluice/media';

/** What is known of the way to a viewer at a moment. */
export interface BandwidthEstimate {
  /**
   * Bits a second of RTP, of all tracks together, that it is believed to carry. Where it is `measured` it is always there;
   * elsewhere undefined while nothing speaks of a limit.
   */
  readonly bps: number | undefined;
  /** It does not carry what is sent, and that has lasted for a while. */
  readonly congested: boolean;
  /** What shows the limit, for people: `12 % of the packets are lost`. */
  readonly reason: string | undefined;
  /**
   * True when `bps` comes of when packets arrive: it falls within some 100 ms of a way that becomes thin. It does not grow
   * beyond about twice what is sent: `probe` tells whether the way carries more.
   */
  readonly measured?: boolean | undefined;
  /** How much of what is meant to be sent waits here, milliseconds; with `measured`. */
  readonly queueMs?: number | undefined;
}

/** What a viewer says of the picture that it gets (RFC 3550 §6.4). */
export interface ViewerReport {
  /** Share of the packets since the report before, 0 to 1. */
  readonly lossFraction: number;
  /** Of this report alone; undefined when it can't be told. */
  readonly rttMs: number | undefined;
}

/** What is told to people of the way to a viewer. Bits a second of RTP. */
export interface BandwidthFacts {
  readonly estimateBps: number;
  /** What arrives there. */
  readonly acknowledgedBps: number | undefined;
  /** What packets may leave with. */
  readonly pacingBps: number;
  /** What waits to leave. */
  readonly queueMs: number;
  /** What the estimate is held down by. */
  readonly limitedBy: 'start' | 'delay' | 'loss' | 'remb' | 'silence' | undefined;
  /** How much longer packets take than the shortest did of late. */
  readonly delayMs: number;
  /** Share of packets that did not arrive, 0 to 1. */
  readonly lossFraction: number;
  readonly probes: number;
  /** Those of them that the way carried. */
  readonly probesCarried: number;
}

/**
 * Estimates what can be sent to one viewer. All times are those of `performance.now()`. Whoever chooses qualities knows
 * no more of it than this, so that another way to estimate can take its place.
 */
export interface ViewerBandwidth {
  estimate(nowMs: number): BandwidthEstimate;
  onReport(report: ViewerReport, nowMs: number): void;
  /** The viewer's own estimate (draft-alvestrand-rmcat-remb). */
  onRemb(bitrateBps: number, nowMs: number): void;
  /** What is sent to the viewer of the picture, measured over about the last second. */
  onSent(bps: number, nowMs: number): void;
  /** Another quality is sent from now on: what is reported next speaks of the one before. */
  onChanged(nowMs: number): void;
  /** When packets arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01). */
  onFeedback?(feedback: TwccFeedback, nowMs: number): void;
  /**
   * Finds out whether the way carries so much, all in all, by sending more than the media for some ten milliseconds; the
   * estimate tells about half a second later. May be called on every look: it is tried every few seconds at most. False
   * when it can't be tried now or at all, as for want of a stream of retransmissions.
   */
  probe?(targetBps: number, nowMs: number): boolean;
  /** Undefined where nothing is measured. */
  facts?(nowMs: number): BandwidthFacts | undefined;
}

/** Loss from which on the way is too narrow, and below which it is not: some networks always lose a little. */
const MUCH_LOSS = 0.1;
const LITTLE_LOSS = 0.05;
/** Estimates of a viewer's below this share of what is sent tell of a limit: both are measured over some time. */
const REMB_SHARE = 0.9;
/** An estimate that becomes less than this share of the one before has fallen; that counts for so long. */
const REMB_FALL = 0.97;
const REMB_FALL_MS = 6000;
/** Round trips that are longer than the shortest by so much: packets queue up on the way. */
const QUEUE_MS = 250;
const NO_QUEUE_MS = 150;
/** What is believed to be carried while packets queue up: less than is sent. */
const QUEUE_SHARE = 0.8;
/** A limit is forgotten when it is not spoken of for so long. */
const FORGET_MS = 4000;
/** The shortest round trip is looked for anew after so long: routes change. */
const BASE_RTT_MS = 60_000;
/** Weight of a second's rate: key frames make one second unlike the other. */
const SENT_WEIGHT = 0.3;

export interface FeedbackBandwidthOptions {
  /** A limit must be confirmed for so long before it counts. */
  readonly sustainMs: number;
  /** What is said of the beginning does not count: a player that joins gets the past in a burst. */
  readonly beginMs: number;
  /** The same after a change: reports of what was sent before it are waited out. */
  readonly settleMs: number;
}

export const DEFAULT_FEEDBACK_BANDWIDTH: FeedbackBandwidthOptions = Object.freeze({
  sustainMs: 900,
  beginMs: 3000,
  settleMs: 1500,
});

type LimitKind = 'loss' | 'queue' | 'remb';

interface Limit {
  readonly sinceMs: number;
  readonly toldMs: number;
  readonly bps: number;
  readonly reason: string;
}

const NO_LIMITS: ReadonlyMap<LimitKind, Limit> = new Map();

/**
 * Estimates by what any viewer tells: losses and round trips of its reports, and REMB where it sends that. None of them
 * tells how much more could be sent, only that what is sent is too much: there is no estimate while all is well.
 */
export class FeedbackBandwidth implements ViewerBandwidth {
  readonly #options: FeedbackBandwidthOptions;
  /** Undefined while none was ever told. */
  #limits: Map<LimitKind, Limit> | undefined;
  #sentBps = 0;
  #rembBps = 0;
  #rembFellMs = Number.NEGATIVE_INFINITY;
  #baseRttMs = Number.POSITIVE_INFINITY;
  #baseRttSinceMs = 0;
  /** Undefined before anything was sent. */
  #deafUntilMs: number | undefined;

  constructor(options: Partial<FeedbackBandwidthOptions> = {}) {
    this.#options = { ...DEFAULT_FEEDBACK_BANDWIDTH, ...options };
  }

  estimate(nowMs: number): BandwidthEstimate {
    let lowest: Limit | undefined;
    let congested = false;
    for (const [kind, limit] of this.#limits ?? NO_LIMITS) {
      if (nowMs - limit.toldMs > FORGET_MS) this.#limits?.delete(kind);
      else {
        if (lowest === undefined || limit.bps < lowest.bps) lowest = limit;
        congested ||= limit.toldMs - limit.sinceMs >= this.#options.sustainMs;
      }
    }
    return { bps: lowest?.bps, congested, reason: lowest?.reason };
  }

  onReport({ lossFraction, rttMs }: ViewerReport, nowMs: number): void {
    if (!this.#hears(nowMs)) return;
    if (lossFraction > MUCH_LOSS) {
      const reason = `${Math.round(lossFraction * 100)} % of the packets are lost`;
      this.#limit('loss', { bps: this.#sentBps * (1 - lossFraction), reason }, nowMs);
    } else if (lossFraction < LITTLE_LOSS) this.#limits?.delete('loss');
    if (rttMs !== undefined) this.#onRoundTrip(rttMs, nowMs);
  }

  onRemb(bitrateBps: number, nowMs: number): void {
    if (bitrateBps < this.#rembBps * REMB_FALL) this.#rembFellMs = nowMs;
    this.#rembBps = bitrateBps;
    if (!this.#hears(nowMs)) return;
    // What a viewer estimates follows what it gets, slowly when that becomes more: only a fall below it tells of a limit.
    if (nowMs - this.#rembFellMs <= REMB_FALL_MS && bitrateBps < this.#sentBps * REMB_SHARE) {
      const reason = `the player estimates ${Math.round(bitrateBps / 1000)} kbit/s`;
      this.#limit('remb', { bps: bitrateBps, reason }, nowMs);
    } else this.#limits?.delete('remb');
  }

  onSent(bps: number, nowMs: number): void {
    this.#deafUntilMs ??= nowMs + this.#options.beginMs;
    if (nowMs < this.#deafUntilMs) return;
    this.#sentBps += (bps - this.#sentBps) * (this.#sentBps === 0 ? 1 : SENT_WEIGHT);
  }

  onChanged(nowMs: number): void {
    this.#limits?.clear();
    this.#sentBps = 0;
    this.#deafUntilMs = nowMs + this.#options.settleMs;
  }

  /** While it is not known what is sent, nothing can be said of what would be too much. */
  #hears(nowMs: number): boolean {
    return this.#sentBps > 0 && this.#deafUntilMs !== undefined && nowMs >= this.#deafUntilMs;
  }

  #onRoundTrip(rttMs: number, nowMs: number): void {
    if (rttMs < this.#baseRttMs || nowMs - this.#baseRttSinceMs > BASE_RTT_MS) {
      this.#baseRttMs = rttMs;
      this.#baseRttSinceMs = nowMs;
    }
    const queueMs = rttMs - this.#baseRttMs;
    if (queueMs > QUEUE_MS) {
      const reason = `packets wait ${Math.round(queueMs)} ms on the way`;
      this.#limit('queue', { bps: this.#sentBps * QUEUE_SHARE, reason }, nowMs);
    } else if (queueMs < NO_QUEUE_MS) this.#limits?.delete('queue');
  }

  #limit(kind: LimitKind, limit: { bps: number; reason: string }, nowMs: number): void {
    this.#limits ??= new Map();
    const sinceMs = this.#limits.get(kind)?.sinceMs ?? nowMs;
    this.#limits.set(kind, { ...limit, sinceMs, toldMs: nowMs });
  }
}
