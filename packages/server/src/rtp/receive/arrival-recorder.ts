import type { TwccArrivalTime } from '@sluice/media';

/** Packets that are remembered; older ones count as not arrived. A power of two. */
const WINDOW = 4096;
const MASK = WINDOW - 1;
/** Later than this many numbers after others that were reported, an arrival is of no use to the sender. */
const MAX_LATE = 256;
/** Arrivals in one feedback, so that it fits into a datagram whatever the pattern of loss. */
const MAX_ARRIVALS = 250;
/** Numbers in one feedback, received or not. */
const MAX_NUMBERS = 2048;
const NONE = -1;

/** What one transport-wide feedback says. */
export interface RecordedArrivals {
  /** First number that it is about, unwrapped. */
  readonly baseSequence: number;
  /** In order of number; at least one. */
  readonly arrivals: readonly TwccArrivalTime[];
}

/**
 * Records when packets arrived, by transport-wide sequence number, for the sender's congestion control
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01). When one comes after a feedback that told of its loss, the
 * next feedback begins with it and repeats what was told since. Memory is that of the window.
 */
export class ArrivalRecorder {
  /** Arrival in microseconds by number modulo the window, or NONE. */
  readonly #arrivals = new Float64Array(WINDOW).fill(NONE);
  #highest = Number.NaN;
  /** From here on nothing was reported yet. */
  #next = 0;
  /** Where the next feedback begins: `#next`, or lower where a packet came late. */
  #from = 0;
  #pending = 0;

  /** Arrivals that wait to be reported. */
  get pending(): number {
    return this.#pending;
  }

  /** Takes a number as it is on the wire, 0 to 65535. Hot path: allocates nothing. */
  record(sequence: number, arrivalMs: number): void {
    if (Number.isNaN(this.#highest)) {
      this.#highest = sequence - 1;
      this.#next = sequence;
      this.#from = sequence;
    }
    const unwrapped = this.#highest + (((sequence - this.#highest) << 16) >> 16);
    if (unwrapped > this.#highest) this.#advance(unwrapped);
    else if (unwrapped < this.#next - MAX_LATE || unwrapped <= this.#highest - WINDOW) return;
    const index = unwrapped & MASK;
    if (this.#arrivals[index] !== NONE) return;
    this.#arrivals[index] = Math.max(0, Math.round(arrivalMs * 1000));
    this.#pending++;
    if (unwrapped < this.#from) this.#from = unwrapped;
  }

  /** The next feedback's content; undefined when nothing waits to be reported. */
  take(): RecordedArrivals | undefined {
    if (this.#pending === 0) return undefined;
    const arrivals: TwccArrivalTime[] = [];
    let end = this.#from + MAX_NUMBERS;
    let sequence = this.#from;
    for (; sequence <= this.#highest && sequence < end && arrivals.length < MAX_ARRIVALS; sequence++) {
      const arrivalUs = this.#arrivals[sequence & MASK] ?? NONE;
      if (arrivalUs !== NONE) arrivals.push({ sequence, arrivalUs });
      // Nothing but losses for so long: they are left out.
      else if (arrivals.length === 0 && sequence === end - 1) end = this.#highest + 1;
    }
    const baseSequence = sequence - this.#from > MAX_NUMBERS ? (arrivals[0]?.sequence ?? 0) : this.#from;
    if (sequence > this.#next) this.#next = sequence;
    this.#from = sequence;
    this.#pending = sequence > this.#highest ? 0 : Math.max(1, this.#pending - arrivals.length);
    return { baseSequence, arrivals };
  }

  /** Leaves what waits out of all feedback: there is more of it than the sender is to be told. */
  discard(): void {
    if (this.#pending === 0) return;
    this.#next = this.#highest + 1;
    this.#from = this.#next;
    this.#pending = 0;
  }

  #advance(to: number): void {
    const kept = to - MASK;
    for (let i = Math.max(this.#highest + 1, kept); i <= to; i++) this.#arrivals[i & MASK] = NONE;
    this.#highest = to;
    if (this.#from < kept) this.#from = kept;
    if (this.#next < kept) this.#next = kept;
  }
}
