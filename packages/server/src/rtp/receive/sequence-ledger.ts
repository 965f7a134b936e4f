/** Steps forward up to this many packets are loss (RFC 3550 appendix A.1, MAX_DROPOUT). */
const MAX_DROPOUT = 3000;
/** Steps back up to this many are packets that are late, and too late beyond the window (RFC 3550, MAX_MISORDER). */
const MAX_MISORDER = 4096;

/**
 * What a sequence number says about its packet.
 * - `new`: after all others. `late`: one that was missing. `duplicate`: one that came before, or far too late.
 * - `jump`: out of any range, left out; when the next number follows it, the source has started anew: `restart`.
 */
export type Arrival = 'new' | 'late' | 'duplicate' | 'jump' | 'restart';

/**
 * Unwraps the sequence numbers of one source and keeps book of the missing ones (RFC 3550 appendix A.1), within a
 * window. Numbers the packets anew as well, for the lane: without those that carry nothing. A missing packet's number
 * is kept free for it.
 *
 * Memory is that of the window. Hot path: allocates nothing.
 */
export class SequenceLedger {
  /** Of the newest arrival: its sequence number, unwrapped. */
  sequence = 0;
  /** Of the newest arrival: its number in the lane. */
  number = 0;
  /** Of the newest arrival: the first of the numbers before it that went missing by it; itself when none did. */
  gapStart = 0;
  readonly #mask: number;
  /** By sequence number modulo the window: the lane's number that is kept for a missing packet, else -1. */
  readonly #missing: Float64Array;
  #highest = Number.NaN;
  /** Lane number minus sequence number, for the newest packet. */
  #offset = 0;
  /** The number that would confirm a jump. */
  #expectedAfterJump = -1;

  /** @param window How many packets back one can be missing; a power of two. */
  constructor(window: number) {
    this.#mask = window - 1;
    this.#missing = new Float64Array(window).fill(-1);
  }

  /** The highest sequence number so far, unwrapped; NaN before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** Begins anew with the next packet, whatever its number is; that packet gets lane number `firstNumber`. */
  restart(firstNumber: number): void {
    this.#missing.fill(-1);
    this.#highest = Number.NaN;
    this.number = firstNumber;
    this.#expectedAfterJump = -1;
  }

  /** Takes the sequence number of a packet of the source itself, 0 to 65535. */
  arrive(sequence: number): Arrival {
    if (Number.isNaN(this.#highest)) return this.#begin(sequence, this.number);
    const ahead = (sequence - this.#highest) & 0xffff;
    if (ahead > 0 && ahead <= MAX_DROPOUT) return this.#advance(this.#highest + ahead);
    const behind = (0x10000 - ahead) & 0xffff;
    if (behind <= MAX_MISORDER) return behind > this.#mask ? 'duplicate' : this.#fill(this.#highest - behind);
    if (sequence !== this.#expectedAfterJump) {
      this.#expectedAfterJump = (sequence + 1) & 0xffff;
      return 'jump';
    }
    // A number is left out, so that viewers see that something is missing here.
    const next = this.#highest + this.#offset + 2;
    this.restart(next);
    this.#begin(sequence, next);
    return 'restart';
  }

  /** Takes the original sequence number of a retransmission: only for a packet that is missing (RFC 4588 §4). */
  recover(sequence: number): Arrival {
    if (Number.isNaN(this.#highest)) return 'duplicate';
    const behind = (this.#highest - sequence) & 0xffff;
    return behind > this.#mask ? 'duplicate' : this.#fill(this.#highest - behind);
  }

  /** The packet that just arrived carries nothing: the lane does not count it. */
  skip(): void {
    if (this.sequence === this.#highest) this.#offset--;
  }

  #begin(sequence: number, number: number): Arrival {
    this.#highest = sequence;
    this.#offset = number - sequence;
    this.#expectedAfterJump = -1;
    this.sequence = sequence;
    this.gapStart = sequence;
    this.number = number;
    return 'new';
  }

  #advance(sequence: number): Arrival {
    this.gapStart = this.#highest + 1;
    for (let i = Math.max(this.gapStart, sequence - this.#mask); i < sequence; i++)
      this.#missing[i & this.#mask] = i + this.#offset;
    this.#missing[sequence & this.#mask] = -1;
    this.#highest = sequence;
    this.#expectedAfterJump = -1;
    this.sequence = sequence;
    this.number = sequence + this.#offset;
    return 'new';
  }

  #fill(sequence: number): Arrival {
    const number = this.#missing[sequence & this.#mask] ?? -1;
    if (number < 0) return 'duplicate';
    this.#missing[sequence & this.#mask] = -1;
    this.sequence = sequence;
    this.gapStart = sequence;
    this.number = number;
    return 'late';
  }
}
