import type { TwccFeedback } from '@sluice/media';
import { SENT_FIELDS, type SentPackets } from '@sluice/native';
import {
  type BandwidthEstimate,
  type BandwidthFacts,
  FeedbackBandwidth,
  type ViewerBandwidth,
  type ViewerReport,
} from '../viewer-bandwidth.ts';
import { ArrivalClock } from './arrival-clock.ts';
import { DelayTrend } from './delay-trend.ts';
import { LossLimit } from './loss-limit.ts';
import { Probes } from './probes.ts';
import { QueueDelay } from './queue-delay.ts';
import { RateControl } from './rate-control.ts';
import { RateWindow } from './rate-window.ts';
import { type ArrivalListener, SendHistory } from './send-history.ts';

/** Packets leave with this share of the estimate: large frames need not wait for long, and no burst fills the way. */
const PACING_SHARE = 2.5;
/** But no more than this for long, once a limit was seen: who chooses what is sent may not know of it yet. */
const SUSTAINED_SHARE = 1.05;
/** The first of both before anything is known of the way. */
const FIRST_PACING_SHARE = 6;
/** until so much has left, which may be far too much for the way. */
const FIRST_BYTES = 64_000;
/** What is probed for at the beginning, as a share of what is believed then. */
const FIRST_PROBE_SHARE = 6;
const ACKED_MS = 500;
const NEWEST_ACKED_MS = 200;
/** So long without feedback, a round trip more, and so many packets of which nothing is known: nothing arrives. */
const SILENCE_MS = 1000;
const SILENT_PACKETS = 20;
/** Then the estimate is lowered to this share, this often; and goes back to that share when it is over. */
const SILENCE_SHARE = 0.8;
const SILENCE_STEP_MS = 500;
const RESUME_SHARE = 0.75;
/** A player that has said nothing for so long since the beginning does not: others of its words must do. */
const NEVER_MS = 2000;
/** It is too much when more is sent than the estimate by this, */
const SENT_SHARE = 1.1;
/** or when so much waits here, */
const LONG_WAIT_MS = 200;
/** for so long. */
const SUSTAIN_MS = 300;
/** A probe makes a queue, which is gone after so long and a round trip. */
const PROBE_EFFECT_MS = 250;
/** Delays of packets that were sent longer ago say nothing of this moment. */
const FRESH_MS = 500;
/** What a probe proves is a little less than what it is sent with. */
const PROBE_SHARE = 1.15;
/** When nothing arrived of what was sent for so long, the way was cut, as when the player's address changes. */
const OUTAGE_MS = 250;
const START_RTT_MS = 100;
const RTT_WEIGHT = 0.2;
/** A limit of REMB is forgotten when it is not said again for so long. */
const REMB_MS = 5000;

/** Feedback on more than that at once is taken in portions. */
const READ_PACKETS = 512;
/** What was sent is asked for in silence this often. */
const SILENT_READ_MS = 100;
// All calls are synchronous, so all viewers share it.
const READ = new Float64Array(READ_PACKETS * SENT_FIELDS);

/** Tells what left under transport-wide numbers from that one on, as `Egress.sentSince` does. */
export type SentTeller = (number: number, out: Float64Array) => number;

type LimitedBy = BandwidthFacts['limitedBy'];

/**
 * Estimates the way to one viewer by when its packets arrive (draft-ietf-rmcat-gcc-02): growing delays limit it first,
 * losses where they are more than usual, REMB and silence. Before the first feedback it is believed to carry `startBps`,
 * which is not `measured`. Any feedback is harmless.
 */
export class TransportBandwidth implements ViewerBandwidth, ArrivalListener {
  readonly history = new SendHistory();
  readonly probes = new Probes();
  /** How long what waits here has to wait, milliseconds; told by whoever holds it. */
  queueMs: (nowMs: number) => number = () => 0;
  /** False where there is nothing to send for a probe. */
  canProbe: () => boolean = () => true;
  /** Who numbers packets, when it is not the history. */
  #teller: SentTeller | undefined;
  /** When the teller was asked last. */
  #toldMs = 0;
  readonly #startBps: number;
  readonly #clock = new ArrivalClock();
  readonly #trend = new DelayTrend();
  readonly #queue = new QueueDelay();
  readonly #loss = new LossLimit();
  readonly #rate: RateControl;
  readonly #arrived = new RateWindow();
  readonly #sent = new RateWindow();
  readonly #fallback: ViewerBandwidth;
  #beganMs = -1;
  #sentBytes = 0;
  #feedbackMs = -1;
  #newestSentMs = -1;
  /** Since the last feedback. */
  #wasCut = false;
  #rttMs = START_RTT_MS;
  #remb: { readonly bps: number; readonly toldMs: number } | undefined;
  #silence: { readonly beforeBps: number; loweredMs: number } | undefined;
  #tooMuchMs = -1;

  constructor(startBps: number, fallback: ViewerBandwidth = new FeedbackBandwidth()) {
    this.#startBps = startBps;
    this.#fallback = fallback;
    this.#rate = new RateControl(startBps, () => this.#queue.rebase());
  }

  /**
   * Packets are numbered by somebody else, who tells by `takeSent` what left before each feedback, and is asked while none
   * comes. Before the first packet.
   */
  askOthers(teller: SentTeller): void {
    this.#teller = teller;
  }

  /** True when packets are numbered by somebody else. */
  get asksOthers(): boolean {
    return this.#teller !== undefined;
  }

  /** A packet of `bytes` leaves, with the history's next number unless others give it. Gives the probe that it is of, 0 for none. Hot path. */
  onPacket(bytes: number, nowMs: number): number {
    if (this.#beganMs < 0) {
      this.#beganMs = nowMs;
      if (this.canProbe()) this.probes.begin(this.#startBps * FIRST_PROBE_SHARE, this.#startBps, nowMs);
    }
    const probe = this.probes.id;
    if (probe !== 0) this.probes.onSent(bytes, nowMs);
    this.#sentBytes += bytes;
    if (this.#teller === undefined) this.#onSent(bytes, probe, nowMs);
    return probe;
  }

  /**
   * True when the way carries so much, no more than that waits on it, and nothing is tried out on it: what is sent need not
   * be watched packet by packet. Only where others number.
   */
  isRoomy(neededBps: number, mostDelayMs: number, nowMs: number): boolean {
    if (this.#teller === undefined || this.probes.id !== 0) return false;
    if (this.#isDeaf(nowMs)) return true;
    if (this.#feedbackMs < 0 || this.#silence !== undefined) return false;
    return this.delayMs(nowMs) < mostDelayMs && this.#bps(nowMs) >= neededBps;
  }

  /** What packets may leave with, bits a second; infinite where nothing is measured. */
  pacingBps(nowMs: number): number {
    if (this.#isDeaf(nowMs)) return Number.POSITIVE_INFINITY;
    const firstShare = this.#sentBytes < FIRST_BYTES ? FIRST_PACING_SHARE : 1;
    const share = this.#feedbackMs < 0 ? firstShare : PACING_SHARE;
    return Math.max(this.probes.bps, this.#bps(nowMs) * share);
  }

  /** What packets may leave with for longer than a moment, bits a second. */
  sustainedBps(nowMs: number): number {
    const knows = this.#feedbackMs >= 0 && this.#limitedBy(nowMs) !== undefined;
    return knows ? this.#bps(nowMs) * SUSTAINED_SHARE : Number.POSITIVE_INFINITY;
  }

  /** How much longer packets take than the shortest did of late, milliseconds; 0 while none tells. */
  delayMs(nowMs: number): number {
    return nowMs - this.#newestSentMs < FRESH_MS + this.#rttMs ? this.#queue.ms : 0;
  }

  estimate(nowMs: number): BandwidthEstimate {
    if (this.#isDeaf(nowMs)) return this.#fallback.estimate(nowMs);
    const bps = this.#bps(nowMs);
    const queueMs = this.queueMs(nowMs);
    if (this.#feedbackMs < 0) return { bps, congested: false, reason: undefined, measured: false, queueMs };
    const tooMuch = (this.#sentBps(nowMs) ?? 0) > bps * SENT_SHARE || queueMs > LONG_WAIT_MS;
    if (!tooMuch) this.#tooMuchMs = -1;
    else if (this.#tooMuchMs < 0) this.#tooMuchMs = nowMs;
    const congested = tooMuch && nowMs - this.#tooMuchMs >= SUSTAIN_MS;
    return { bps, congested, reason: this.#reason(nowMs), measured: true, queueMs };
  }

  onFeedback(feedback: TwccFeedback, nowMs: number): void {
    const referenceMs = this.#clock.referenceMs(feedback.referenceTimeMs, nowMs);
    if (referenceMs === undefined) this.#forgetClock();
    const before = this.#newestSentMs;
    this.history.read(feedback, referenceMs ?? this.#clock.beginning, this);
    if (this.#newestSentMs <= before) return;
    if (this.#wasCut) this.#loss.forgive(this.history);
    this.#wasCut = false;
    this.#feedbackMs = nowMs;
    this.#rttMs += (nowMs - this.#newestSentMs - this.#rttMs) * RTT_WEIGHT;
    this.#resume();
    const ackedBps = this.#arrived.bps(ACKED_MS);
    const newestAckedBps = this.#arrived.bps(NEWEST_ACKED_MS);
    const queueMs = this.#queue.ms;
    const rateBps = this.#rate.bps;
    const sentBps = this.#sentBps(nowMs) ?? 0;
    this.#loss.update(this.history, { sentBps, ackedBps: ackedBps ?? 0, rateBps, queueMs }, nowMs);
    const probing = this.probes.isRecent(nowMs - this.#rttMs - PROBE_EFFECT_MS);
    const { signal } = this.#trend;
    const rttMs = this.#rttMs;
    this.#rate.update({ signal, queueMs, sentBps, ackedBps, newestAckedBps, rttMs, probing }, nowMs);
    if (this.#rate.bps < rateBps) this.probes.stop(nowMs);
    const proved = this.probes.result({ knownBps: this.#rate.bps, queueMs }, nowMs);
    if (proved !== undefined) this.#rate.set(proved);
  }

  onArrived(slot: number, arrivalMs: number): void {
    const { history } = this;
    const sentMs = history.sentMs(slot);
    const bytes = history.bytes(slot);
    if (!this.#queue.add(sentMs, arrivalMs)) {
      this.#forgetClock();
      this.#queue.add(sentMs, arrivalMs);
    }
    this.#trend.add(sentMs, arrivalMs);
    this.#arrived.add(bytes, arrivalMs);
    if (this.#newestSentMs >= 0 && sentMs - this.#newestSentMs > OUTAGE_MS) this.#wasCut = true;
    this.#newestSentMs = Math.max(this.#newestSentMs, sentMs);
    const probe = history.probe(slot);
    if (probe !== 0) this.probes.onArrived(probe, bytes, arrivalMs);
  }

  onReport(report: ViewerReport, nowMs: number): void {
    this.#fallback.onReport(report, nowMs);
  }

  onRemb(bitrateBps: number, nowMs: number): void {
    this.#remb = { bps: bitrateBps, toldMs: nowMs };
    this.#fallback.onRemb(bitrateBps, nowMs);
  }

  onSent(bps: number, nowMs: number): void {
    this.#fallback.onSent(bps, nowMs);
  }

  onChanged(nowMs: number): void {
    this.#tooMuchMs = -1;
    this.#fallback.onChanged(nowMs);
  }

  probe(targetBps: number, nowMs: number): boolean {
    if (this.#feedbackMs < 0 || this.#silence !== undefined || !this.canProbe()) return false;
    if (this.#trend.signal === 'over' || this.#loss.bps !== undefined) return false;
    return this.probes.begin(targetBps * PROBE_SHARE, this.#rate.bps, nowMs);
  }

  facts(nowMs: number): BandwidthFacts | undefined {
    if (this.#isDeaf(nowMs)) return undefined;
    const acknowledged = this.#arrived.bps(ACKED_MS);
    return {
      estimateBps: Math.round(this.#bps(nowMs)),
      acknowledgedBps: acknowledged === undefined ? undefined : Math.round(acknowledged),
      pacingBps: Math.round(this.pacingBps(nowMs)),
      queueMs: Math.round(this.queueMs(nowMs)),
      limitedBy: this.#limitedBy(nowMs),
      delayMs: Math.round(this.#queue.ms),
      lossFraction: this.#loss.fraction,
      probes: this.probes.sent,
      probesCarried: this.probes.carried,
    };
  }

  /** Takes in what left. Hot path. */
  takeSent(packets: SentPackets, at: number): void {
    const from = packets.sentFrom(at);
    const count = packets.sentCount(at);
    this.#toldMs = packets.atMs(at);
    // Those before were asked for.
    let packet = Math.max(0, this.history.next - from);
    if (packet < count) this.history.skipTo(from + packet);
    for (; packet < count; packet++)
      this.#onSent(packets.sentBytes(at, packet), packets.sentMark(at, packet), packets.sentMs(at, packet));
  }

  /** Asks for what left by now. */
  #readSent(nowMs: number): void {
    const teller = this.#teller;
    if (teller === undefined) return;
    this.#toldMs = nowMs;
    for (let count = READ_PACKETS; count === READ_PACKETS; ) {
      count = teller(this.history.next, READ);
      for (let at = 0; at < count * SENT_FIELDS; at += SENT_FIELDS) {
        this.history.skipTo(READ[at] ?? 0);
        this.#onSent(READ[at + 2] ?? 0, READ[at + 3] ?? 0, READ[at + 1] ?? 0);
      }
    }
  }

  #onSent(bytes: number, probe: number, nowMs: number): void {
    this.history.add(bytes, probe, nowMs);
    this.#sent.add(bytes, nowMs);
  }

  #bps(nowMs: number): number {
    this.#lowerInSilence(nowMs);
    const remb = this.#rembBps(nowMs) ?? Number.POSITIVE_INFINITY;
    return Math.min(this.#rate.bps, this.#loss.bps ?? Number.POSITIVE_INFINITY, remb);
  }

  #rembBps(nowMs: number): number | undefined {
    return this.#remb !== undefined && nowMs - this.#remb.toldMs < REMB_MS ? this.#remb.bps : undefined;
  }

  #limitedBy(nowMs: number): LimitedBy {
    if (this.#feedbackMs < 0) return 'start';
    if (this.#silence !== undefined) return 'silence';
    const bps = this.#bps(nowMs);
    if (bps === this.#rembBps(nowMs)) return 'remb';
    if (bps === this.#loss.bps) return 'loss';
    return this.#rate.limited ? 'delay' : undefined;
  }

  #reason(nowMs: number): string | undefined {
    switch (this.#limitedBy(nowMs)) {
      case 'delay':
        return `packets wait on the way when more than ${kilobits(this.#rate.bps)} is sent`;
      case 'loss':
        return `${Math.round(this.#loss.fraction * 100)} % of the packets are lost`;
      case 'remb':
        return `the player estimates ${kilobits(this.#bps(nowMs))}`;
      case 'silence':
        return 'the player has not told for a while what arrives';
      default:
        return undefined;
    }
  }

  #sentBps(nowMs: number): number | undefined {
    // What left since the teller was asked is not known.
    this.#sent.passTo(this.#teller === undefined ? nowMs : this.#toldMs);
    return this.#sent.bps(ACKED_MS);
  }

  #isDeaf(nowMs: number): boolean {
    return this.#feedbackMs < 0 && this.#beganMs >= 0 && nowMs - this.#beganMs > NEVER_MS;
  }

  #lowerInSilence(nowMs: number): void {
    if (this.#feedbackMs < 0 || nowMs - this.#feedbackMs < SILENCE_MS + this.#rttMs) return;
    if (nowMs - this.#toldMs >= SILENT_READ_MS) this.#readSent(nowMs);
    if (this.history.unreported < SILENT_PACKETS) return;
    this.#silence ??= { beforeBps: this.#rate.bps, loweredMs: Number.NEGATIVE_INFINITY };
    if (nowMs - this.#silence.loweredMs < SILENCE_STEP_MS) return;
    this.#silence.loweredMs = nowMs;
    this.#rate.set(this.#rate.bps * SILENCE_SHARE);
  }

  /** It was silence on the way back, or a way that was cut: neither tells that it became thinner. */
  #resume(): void {
    if (this.#silence === undefined) return;
    this.#rate.set(Math.max(this.#rate.bps, this.#silence.beforeBps * RESUME_SHARE));
    this.#silence = undefined;
  }

  #forgetClock(): void {
    this.#queue.reset();
    this.#trend.reset();
    this.#arrived.reset();
  }
}

function kilobits(bps: number): string {
  return `${Math.round(bps / 1000)} kbit/s`;
}
