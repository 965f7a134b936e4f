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

/** Of a packet: when it was sent, as a double; its bytes, its probe, its state, as 16 bits each. */
const PACKET_BYTES = 16;
const DOUBLES = PACKET_BYTES / 8;
const WORDS = PACKET_BYTES / 2;
const BYTES_AT = 4;
const PROBE_AT = 5;
const STATE_AT = 6;

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
  /** One piece of memory, seen in two ways. */
  #doubles = new Float64Array(DOUBLES * LEAST_PACKETS);
  #words = new Uint16Array(this.#doubles.buffer);
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
    for (let at = Math.max(this.#next, number - this.#size); at < number; at++) this.#setState(at % this.#size, 0);
    this.#next = Math.max(this.#next, number);
  }

  /** The packet with that number leaves now. `probe` is the probe that it is of, 0 for none. Hot path. */
  add(bytes: number, probe: number, nowMs: number): void {
    this.#makeRoom(nowMs);
    const slot = this.#next++ % this.#size;
    const at = WORDS * slot;
    this.#doubles[DOUBLES * slot] = nowMs;
    this.#words[at + BYTES_AT] = bytes;
    this.#words[at + PROBE_AT] = probe;
    this.#words[at + STATE_AT] = SENT;
  }

  sentMs(slot: number): number {
    return this.#doubles[DOUBLES * slot] ?? 0;
  }

  bytes(slot: number): number {
    return this.#words[WORDS * slot + BYTES_AT] ?? 0;
  }

  probe(slot: number): number {
    return this.#words[WORDS * slot + PROBE_AT] ?? 0;
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
    return this.#words[WORDS * (number % this.#size) + STATE_AT] ?? 0;
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
    const before = { words: this.#words, size: this.#size, first: this.#first };
    this.#doubles = new Float64Array(DOUBLES * size);
    this.#words = new Uint16Array(this.#doubles.buffer);
    this.#size = size;
    for (let number = Math.max(before.first, this.#next - size); number < this.#next; number++) {
      const from = WORDS * (number % before.size);
      this.#words.set(before.words.subarray(from, from + WORDS), WORDS * (number % size));
    }
  }

  #setState(slot: number, state: number): void {
    this.#words[WORDS * slot + STATE_AT] = state;
  }
}
