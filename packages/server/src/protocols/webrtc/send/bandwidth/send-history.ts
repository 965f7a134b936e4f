import type { TwccFeedback } from '@sluice/media';

const INITIAL_PACKETS = 256;
/** Some seconds of what one peer is ever sent; older packets are overwritten and not reported on any more. */
const MAX_PACKETS = 8192;
/** The ring grows while it would overwrite what is younger than this and has not been reported on. */
const KEPT_MS = 1500;

const SENT = 1;
const LOST = 2;
const ARRIVED = 3;

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
  #sentMs = new Float64Array(INITIAL_PACKETS);
  #bytes = new Uint16Array(INITIAL_PACKETS);
  #probe = new Uint16Array(INITIAL_PACKETS);
  #state = new Uint8Array(INITIAL_PACKETS);
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
    const size = this.#state.length;
    for (let at = Math.max(this.#next, number - size); at < number; at++) this.#state[at % size] = 0;
    this.#next = Math.max(this.#next, number);
  }

  /** The packet with that number leaves now. `probe` is the probe that it is of, 0 for none. Hot path. */
  add(bytes: number, probe: number, nowMs: number): void {
    const size = this.#sentMs.length;
    let slot = this.#next % size;
    if (this.#state[slot] === SENT && size < MAX_PACKETS && nowMs - (this.#sentMs[slot] ?? 0) < KEPT_MS) {
      this.#grow();
      slot = this.#next % this.#sentMs.length;
    }
    this.#sentMs[slot] = nowMs;
    this.#bytes[slot] = bytes;
    this.#probe[slot] = probe & 0xffff;
    this.#state[slot] = SENT;
    this.#next++;
  }

  sentMs(slot: number): number {
    return this.#sentMs[slot] ?? 0;
  }

  bytes(slot: number): number {
    return this.#bytes[slot] ?? 0;
  }

  probe(slot: number): number {
    return this.#probe[slot] ?? 0;
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
      const slot = number % this.#sentMs.length;
      this.#state[slot] = ARRIVED;
      this.lost--;
      listener.onArrived(slot, referenceMs + arrival.arrivalUs / 1000);
    }
  }

  /** All of the feedback counts as lost first: those that arrived are taken back one by one. */
  #markLost(base: number, end: number): void {
    for (let number = Math.max(base, this.#first); number < end; number++) {
      if (this.#stateOf(number) !== SENT) continue;
      this.#state[number % this.#sentMs.length] = LOST;
      this.lost++;
      this.reported++;
    }
    this.#reportedTo = Math.max(this.#reportedTo, end);
  }

  get #first(): number {
    return Math.max(1, this.#next - this.#sentMs.length);
  }

  #stateOf(number: number): number {
    if (number < this.#first || number >= this.#next) return 0;
    return this.#state[number % this.#sentMs.length] ?? 0;
  }

  /** The number with those low bits that is nearest to the newest one, before it rather than after it. */
  #unwrap(sequence: number): number {
    const newest = this.#next - 1;
    return newest - ((newest - sequence) & 0xffff);
  }

  #grow(): void {
    const before = { sentMs: this.#sentMs, bytes: this.#bytes, probe: this.#probe, state: this.#state };
    const size = before.sentMs.length;
    this.#sentMs = new Float64Array(size * 2);
    this.#bytes = new Uint16Array(size * 2);
    this.#probe = new Uint16Array(size * 2);
    this.#state = new Uint8Array(size * 2);
    for (let number = Math.max(1, this.#next - size); number < this.#next; number++) {
      const [from, to] = [number % size, number % (size * 2)];
      this.#sentMs[to] = before.sentMs[from] ?? 0;
      this.#bytes[to] = before.bytes[from] ?? 0;
      this.#probe[to] = before.probe[from] ?? 0;
      this.#state[to] = before.state[from] ?? 0;
    }
  }
}
