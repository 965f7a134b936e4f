import { type TwccArrivalTime, type TwccFeedback, twccFeedback } from '@sluice/media';
import { SENT_FIELDS } from '@sluice/native';
import { TransportBandwidth } from '../transport-bandwidth.ts';

const TICK_MS = 5;
const FRAME_MS = 1000 / 30;
const AUDIO_MS = 20;
const AUDIO_BYTES = 110;
const PACKET_BYTES = 1200;
const PADDING_BYTES = 1000;
const MAX_QUEUE_MS = 2000;

/** A way to a viewer, in virtual time. */
export interface LinkConditions {
  /** Bits a second; what is too much waits, up to `queueMs`, and is lost beyond that. */
  rateBps: number;
  queueMs: number;
  delayMs: number;
  /** Share of packets lost at random, 0 to 1. */
  loss: number;
  /** What other flows take of the rate at a time. */
  crossBps: (nowMs: number) => number;
  /** Delay of one packet beside that, without changing the order of the others. */
  jitterMs: (nowMs: number) => number;
  /** The way holds all packets back until then, and gives them all at once. */
  heldUntilMs: (nowMs: number) => number;
  /** The viewer's clock runs so many millionths faster. */
  driftPpm: number;
  feedbackMs: number;
  /** What becomes of a feedback packet on its way back. */
  feedback: (feedback: TwccFeedback, deliver: (feedback: TwccFeedback, afterMs: number) => void) => void;
}

const GOOD: LinkConditions = {
  rateBps: 2_000_000,
  queueMs: MAX_QUEUE_MS,
  delayMs: 25,
  loss: 0,
  crossBps: () => 0,
  jitterMs: () => 0,
  heldUntilMs: () => 0,
  driftPpm: 0,
  feedbackMs: 100,
  feedback: (feedback, deliver) => deliver(feedback, 0),
};

interface Due {
  readonly atMs: number;
  run(): void;
}

/** A sender of sound and of a picture that takes what the estimate allows, on a way that is made worse and better. */
export class SimulatedLink {
  readonly conditions: LinkConditions;
  readonly bandwidth: TransportBandwidth;
  nowMs = 1000;
  /** What the picture takes of the estimate, and at most. */
  wantsBps = Number.POSITIVE_INFINITY;
  share = 0.9;
  /** Has the way probed for what is wanted, as one does who looks for room. */
  probes = true;
  readonly delays: { readonly atMs: number; readonly ms: number }[] = [];
  readonly arrived: { readonly atMs: number; readonly bytes: number }[] = [];
  #due: Due[] = [];
  #waiting = 0;
  #budget = 0;
  #freeMs = 0;
  #frameMs = 0;
  #audioMs = 0;
  #feedbackMs = 0;
  #arrivals: TwccArrivalTime[] = [];
  #reported = 0;
  #feedbacks = 0;
  #sequence = 1;
  #random: number;
  /** What left, where others number. */
  #asked: number[][] | undefined;
  #told = 0;

  constructor(conditions: Partial<LinkConditions> = {}, startBps = 1_000_000, seed = 1) {
    this.conditions = { ...GOOD, ...conditions };
    this.bandwidth = new TransportBandwidth(startBps);
    this.#random = seed;
  }

  /** Packets are numbered by somebody else, as where they are encrypted, who tells what left and can be asked for it. */
  askOthers(): this {
    this.#asked = [];
    this.bandwidth.askOthers((number, out) => {
      const sent = this.#asked?.slice(number - 1, number - 1 + Math.floor(out.length / SENT_FIELDS)) ?? [];
      for (const [at, fields] of sent.entries()) out.set(fields, at * SENT_FIELDS);
      return sent.length;
    });
    return this;
  }

  /** Lets that many seconds pass. */
  run(seconds: number): this {
    const endMs = this.nowMs + seconds * 1000;
    while (this.nowMs < endMs) this.#step();
    return this;
  }

  /** Bits a second that arrived in the last seconds. */
  carriedBps(seconds: number): number {
    const sinceMs = this.nowMs - seconds * 1000;
    let bytes = 0;
    for (const { atMs, bytes: more } of this.arrived) if (atMs >= sinceMs && atMs < this.nowMs) bytes += more;
    return (bytes * 8) / seconds;
  }

  /** Longest delay that a packet had of those that were sent in the last seconds. */
  worstDelayMs(seconds: number): number {
    const sinceMs = this.nowMs - seconds * 1000;
    return Math.max(0, ...this.delays.filter(({ atMs }) => atMs >= sinceMs).map(({ ms }) => ms));
  }

  get estimateBps(): number {
    return this.bandwidth.estimate(this.nowMs).bps ?? 0;
  }

  /** A number from 0 to 1, the same in every run. */
  random(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#random / 2 ** 32;
  }

  #step(): void {
    this.nowMs += TICK_MS;
    const due = this.#due.filter(({ atMs }) => atMs <= this.nowMs);
    this.#due = this.#due.filter(({ atMs }) => atMs > this.nowMs);
    for (const { run } of due.sort((one, other) => one.atMs - other.atMs)) run();
    this.#produce();
    this.#release();
    if (this.nowMs - this.#feedbackMs >= this.conditions.feedbackMs) this.#tell();
  }

  #produce(): void {
    if (this.nowMs - this.#audioMs >= AUDIO_MS) {
      this.#audioMs = this.nowMs;
      this.#send(AUDIO_BYTES);
    }
    if (this.nowMs - this.#frameMs < FRAME_MS) return;
    this.#frameMs += this.#frameMs === 0 ? this.nowMs : FRAME_MS;
    const { bps, measured } = this.bandwidth.estimate(this.nowMs);
    const audioBps = (AUDIO_BYTES * 8000) / AUDIO_MS;
    const rateBps = Math.min(this.wantsBps, (bps ?? 0) * this.share) - audioBps;
    this.#waiting += Math.max(0, (rateBps * FRAME_MS) / 8000) * (0.7 + 0.6 * this.random());
    if (this.probes && measured === true)
      this.bandwidth.probe(Math.min(this.wantsBps * 1.2, (bps ?? 0) * 2), this.nowMs);
  }

  #release(): void {
    this.#budget = Math.min(0, this.#budget) + (this.bandwidth.pacingBps(this.nowMs) * TICK_MS) / 8000;
    while (this.#waiting >= 1 && this.#budget > 0) {
      const bytes = Math.min(PACKET_BYTES, Math.max(60, Math.round(this.#waiting)));
      this.#send(bytes);
      this.#waiting -= bytes;
      this.#budget -= bytes;
    }
    for (let owed = this.bandwidth.probes.owedBytes(this.nowMs); owed > 0; owed -= PADDING_BYTES)
      this.#send(PADDING_BYTES);
  }

  #send(bytes: number): void {
    const { rateBps, queueMs, delayMs, loss, crossBps, jitterMs, heldUntilMs } = this.conditions;
    const sentMs = this.nowMs;
    const mark = this.bandwidth.onPacket(bytes, sentMs);
    const sequence = this.#sequence++;
    this.#asked?.push([sequence, sentMs, bytes, mark]);
    if (this.random() < loss) return;
    const waitMs = Math.max(0, this.#freeMs - sentMs);
    if (waitMs > queueMs) return;
    const freeBps = Math.max(1000, rateBps - crossBps(sentMs));
    this.#freeMs = Math.max(sentMs, this.#freeMs) + (bytes * 8000) / freeBps;
    const atMs = Math.max(this.#freeMs + delayMs + jitterMs(sentMs), heldUntilMs(sentMs));
    this.delays.push({ atMs: sentMs, ms: atMs - sentMs });
    this.#due.push({
      atMs,
      run: () => {
        this.arrived.push({ atMs, bytes });
        const arrivalUs = Math.round(atMs * 1000 * (1 + this.conditions.driftPpm / 1e6)) + 7_000_000;
        this.#arrivals.push({ sequence, arrivalUs });
      },
    });
  }

  #tellSent(): void {
    if (this.#asked === undefined) return;
    const sent = this.#asked.slice(this.#told);
    const field = (at: number) => (_: number, packet: number) => sent[packet]?.[at] ?? 0;
    this.bandwidth.takeSent(
      {
        sentFrom: () => this.#told + 1,
        sentCount: () => sent.length,
        sentMs: field(1),
        sentBytes: field(2),
        sentMark: field(3),
        atMs: () => this.nowMs,
      },
      0,
    );
    this.#told += sent.length;
  }

  #tell(): void {
    this.#feedbackMs = this.nowMs;
    const arrivals = this.#arrivals.splice(0).sort((one, other) => one.sequence - other.sequence);
    const last = arrivals.at(-1);
    if (last === undefined) return;
    const header = { senderSsrc: 1, mediaSsrc: 2, feedbackCount: this.#feedbacks, baseSequence: this.#reported + 1 };
    this.#reported = Math.max(this.#reported, last.sequence);
    for (const feedback of twccFeedback(arrivals, header)) {
      this.#feedbacks = (this.#feedbacks + 1) & 0xff;
      this.conditions.feedback(feedback, (told, afterMs) => {
        const atMs = this.nowMs + this.conditions.delayMs + afterMs;
        const run = (): void => {
          this.#tellSent();
          this.bandwidth.onFeedback(told, this.nowMs);
        };
        this.#due.push({ atMs, run });
      });
    }
  }
}
