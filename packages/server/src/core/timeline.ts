/** A gap or jump larger than this is a break in the source's clock, not a pause in its content. */
const MAX_FORWARD_JUMP_US = 10_000_000;
/** Sources may interleave tracks this far out of order before it counts as a restart of their clock. */
const MAX_BACKWARD_JUMP_US = 3_000_000;
/** Distance kept between the last packet before a break and the first after it. */
const BREAK_GAP_US = 20_000;

/**
 * Turns one source's wire timestamps into the stream's own timeline: unwraps counters of 32 bits, keeps tracks
 * of one source aligned, and re-bases a clock that jumps so that stream time never runs backwards by much.
 */
export class Timeline {
  #offsetUs: number;
  #lastUs: number;
  #started = false;
  #breaks = 0;

  /** `baseUs` is where the stream's time stands: 0 for a new stream, after its last packet for a restart. */
  constructor(baseUs = 0) {
    this.#offsetUs = 0;
    this.#lastUs = baseUs;
  }

  /** How often the source's clock jumped. */
  get breaks(): number {
    return this.#breaks;
  }

  /** Maps a decoding time in microseconds on the source's unwrapped clock to stream time. */
  map(sourceUs: number): number {
    let time = sourceUs + this.#offsetUs;
    if (!this.#started) {
      this.#started = true;
      // A new stream keeps its source's times; a restarted one goes on after its last packet.
      if (this.#lastUs > 0 || time < 0)
        this.#offsetUs = this.#lastUs + (this.#lastUs > 0 ? BREAK_GAP_US : 0) - sourceUs;
      time = sourceUs + this.#offsetUs;
      this.#lastUs = time;
      return time;
    }
    const delta = time - this.#lastUs;
    if (delta > MAX_FORWARD_JUMP_US || delta < -MAX_BACKWARD_JUMP_US) {
      this.#breaks++;
      this.#offsetUs = this.#lastUs + BREAK_GAP_US - sourceUs;
      time = sourceUs + this.#offsetUs;
    }
    if (time > this.#lastUs) this.#lastUs = time;
    return time;
  }
}

/** Extends a wrapping unsigned 32-bit counter to a number that goes on growing (RTMP milliseconds, RTP ticks). */
export class Unwrapper32 {
  #last = -1;
  #high = 0;

  /** `value` is the counter as read from the wire; small steps backwards are kept as such. */
  unwrap(value: number): number {
    if (this.#last >= 0) {
      const delta = (value - this.#last) | 0;
      const expected = this.#last + delta;
      if (expected > 0xffffffff) this.#high += 0x100000000;
      else if (expected < 0 && this.#high > 0) this.#high -= 0x100000000;
      else if (expected < 0) {
        // Before the first wrap there is nothing below zero: a forward step of more than half the range.
        this.#last = value;
        return this.#high + value;
      }
    }
    this.#last = value;
    return this.#high + value;
  }
}
