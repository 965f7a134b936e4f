import type { TwccFeedback } from '@sluice/media';

const LEAST_PACKETS = 64;
/** Some seconds of what one peer is ever sent; older packets are overwritten and not reported on any more. */
const MAX_PACKETS = 8192;
/** The ring grows while it would overwrite what is younger than this and has not been reported on, */
const KEPT_MS = 1500;
/** or younger than this in any case: what was lost may come late. It becomes smaller when half of it is older. */
const LATE_MS = 500;

const SENT = 1;
const LOST = 2;
const ARRIVED = 3;
const PROBE_UNIT = 2 ** 16;
const STATE_UNIT = 2 ** 32;

/** Told what a feedback packet says, packet by packet, in the order in which they were sent. */
export interface ArrivalListener {
  /** It arrived, on the peer's own clock; `slot` is good for the reading methods until the call ends. */
  onArrived(slot: number, arrivalMs: number): void;
}

/**
 * What was sent to one peer under which transport-wide number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2): a
 * bounded ring, without an allocation per packet.
 */
export class SendHistory {
  /** Packets that feedback said are missing, and those it said anything of; what comes late is not lost any more. */
  lost = 0;
  reported = 0;
  /** When each packet was sent, and the rest of it in one number: its bytes, its probe above them, its state above that. */
  #sent = new Float64Array(2 * LEAST_PACKETS);
  #size = LEAST_PACKETS;
  /** Unwrapped number of the packet that is sent next. */
  #next = 1;
  /** All before it was reported on. */
  #reportedTo = 1;

  /** The number of the packet that is sent next, unwrapped: its low 16 bits go into the packet. */
  get next(): number {
    return this.#next;
  }

  /** Packets since the newest that was reported on. */
  get unreported(): number {
    return this.#next - this.#reportedTo;
  }

  /** The next packet has that number: those between left and are not remembered. Numbers never go back. */
  skipTo(number: number): void {
    for (let at = Math.max(this.#next, number - this.#size); at < number; at++) this.#write(at, 0, 0);
    this.#next = Math.max(this.#next, number);
  }

  /** The packet with that number leaves now. `probe` is the probe that it is of, 0 for none. Hot path. */
  add(bytes: number, probe: number, nowMs: number): void {
    this.#makeRoom(nowMs);
    this.#write(this.#next, nowMs, SENT * STATE_UNIT + (probe & 0xffff) * PROBE_UNIT + Math.min(bytes, 0xffff));
    this.#next++;
  }

  sentMs(slot: number): number {
    return this.#sent[2 * slot] ?? 0;
  }

  bytes(slot: number): number {
    return this.#rest(slot) & 0xffff;
  }

  probe(slot: number): number {
    return this.#rest(slot) >>> 16;
  }

  /**
   * Takes feedback in: tells the listener each packet that arrived and was not known to. What it says of packets that were
   * never sent, that are forgotten or that it said before counts for nothing.
   * @param referenceMs the feedback's reference time, unwrapped
   */
  read(feedback: TwccFeedback, referenceMs: number, listener: ArrivalListener): void {
    const base = this.#unwrap(feedback.baseSequence);
    const end = Math.min(base + feedback.packetCount, this.#next);
    if (base >= this.#next) return;
    this.#markLost(base, end);
    for (let i = 0; i < feedback.arrivals.length; i++) {
      const arrival = feedback.arrivals[i];
      if (arrival === undefined) continue;
      const number = base + ((arrival.sequence - feedback.baseSequence) & 0xffff);
      const state = this.#stateOf(number);
      if (state !== SENT && state !== LOST) continue;
      const slot = number % this.#size;
      this.#setState(slot, ARRIVED);
      this.lost--;
      listener.onArrived(slot, referenceMs + arrival.arrivalUs / 1000);
    }
  }

  /** All of the feedback counts as lost first: those that arrived are taken back one by one. */
  #markLost(base: number, end: number): void {
    for (let number = Math.max(base, this.#first); number < end; number++) {
      if (this.#stateOf(number) !== SENT) continue;
      this.#setState(number % this.#size, LOST);
      this.lost++;
      this.reported++;
    }
    this.#reportedTo = Math.max(this.#reportedTo, end);
  }

  get #first(): number {
    return Math.max(1, this.#next - this.#size);
  }

  #stateOf(number: number): number {
    if (number < this.#first || number >= this.#next) return 0;
    return Math.floor(this.#rest(number % this.#size) / STATE_UNIT);
  }

  /** The number with those low bits that is nearest to the newest one, before it rather than after it. */
  #unwrap(sequence: number): number {
    const newest = this.#next - 1;
    return newest - ((newest - sequence) & 0xffff);
  }

  /** The ring is as large as what is sent asks for. */
  #makeRoom(nowMs: number): void {
    const size = this.#size;
    const oldest = this.#next - size;
    const state = this.#stateOf(oldest);
    if (state !== 0 && size < MAX_PACKETS) {
      const ageMs = nowMs - this.sentMs(oldest % size);
      if (ageMs < (state === SENT ? KEPT_MS : LATE_MS)) return this.#resize(size * 2);
    }
    if (size === LEAST_PACKETS || this.#next % size !== 0) return;
    // Looked at once a round.
    const middle = this.#next - size / 2;
    const isReported = this.#reportedTo > middle;
    if (isReported && nowMs - this.sentMs(middle % size) > LATE_MS) this.#resize(size / 2);
  }

  #resize(size: number): void {
    const before = { sent: this.#sent, size: this.#size, first: this.#first };
    this.#sent = new Float64Array(2 * size);
    this.#size = size;
    for (let number = Math.max(before.first, this.#next - size); number < this.#next; number++) {
      const from = 2 * (number % before.size);
      this.#write(number, before.sent[from] ?? 0, before.sent[from + 1] ?? 0);
    }
  }

  #write(number: number, sentMs: number, rest: number): void {
    const at = 2 * (number % this.#size);
    this.#sent[at] = sentMs;
    this.#sent[at + 1] = rest;
  }

  #rest(slot: number): number {
    return this.#sent[2 * slot + 1] ?? 0;
  }

  #setState(slot: number, state: number): void {
    this.#sent[2 * slot + 1] = (this.#rest(slot) % STATE_UNIT) + state * STATE_UNIT;
  }
}
