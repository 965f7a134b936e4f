/** A step forward of one track larger than this is a break in the source's clock, not a pause in its content. */
const MAX_FORWARD_JUMP_US = 10_000_000;
/** Tracks' decoding times do not run backwards; a larger step than this is a break. */
const MAX_BACKWARD_JUMP_US = 500_000;
/** Tracks whose times are at most this far apart are on the same clock: so far they may be interleaved. */
const SAME_CLOCK_US = 10_000_000;
/** Distance kept between the last packet before a break and the first after it. */
const BREAK_GAP_US = 20_000;

/** What one track of the source has said last, and how its times become those of the stream. */
interface Lane {
  sourceUs: number;
  offsetUs: number;
  /** Its last step, whatever it was. */
  stepUs: number;
}

/**
 * Turns one source's wire timestamps into the stream's own timeline: keeps its tracks aligned, and re-bases a clock
 * that jumps so that stream time goes on. Breaks are judged within a track, because tracks may be interleaved seconds
 * apart; a track that jumps after another one takes over that one's new offset, so that they stay aligned.
 */
export class Timeline {
  readonly #lanes = new Map<number, Lane>();
  readonly #resumed: boolean;
  readonly #maxForwardJumpUs: number;
  #lastUs: number;
  #breaks = 0;

  /**
   * @param baseUs Where the stream's time stands: 0 for a new stream, after its last packet for a restart.
   * @param maxForwardJumpUs A step forward of one track larger than this is a break, 10 s by default; but for a track that
   *   has paused and comes back to where another one is.
   */
  constructor(baseUs = 0, maxForwardJumpUs = MAX_FORWARD_JUMP_US) {
    this.#lastUs = baseUs;
    this.#maxForwardJumpUs = maxForwardJumpUs;
    this.#resumed = baseUs > 0;
  }

  /** How often the source's clock jumped. */
  get breaks(): number {
    return this.#breaks;
  }

  /**
   * Maps a decoding time in microseconds on the source's unwrapped clock to stream time.
   * @param trackId The track whose time it is; few are expected.
   */
  map(sourceUs: number, trackId = 0): number {
    let lane = this.#lanes.get(trackId);
    if (lane === undefined) {
      lane = { sourceUs, offsetUs: this.#offsetOfNewTrack(sourceUs), stepUs: 0 };
      this.#lanes.set(trackId, lane);
    } else {
      const stepUs = sourceUs - lane.sourceUs;
      const leaps = stepUs > this.#maxForwardJumpUs && !this.#isUsual(stepUs, lane) && !this.#comesBack(sourceUs, lane);
      if (leaps || stepUs < -MAX_BACKWARD_JUMP_US) {
        this.#breaks++;
        lane.offsetUs = this.#offsetAfterBreak(sourceUs, lane);
      }
      lane.sourceUs = sourceUs;
      lane.stepUs = stepUs;
    }
    const time = sourceUs + lane.offsetUs;
    if (time > this.#lastUs) this.#lastUs = time;
    return time;
  }

  #offsetOfNewTrack(sourceUs: number): number {
    for (const known of this.#lanes.values())
      if (Math.abs(sourceUs - known.sourceUs) <= SAME_CLOCK_US) return known.offsetUs;
    // A track on a clock of its own begins where the others are; the first one keeps its source's times.
    if (this.#lanes.size > 0) return this.#lastUs - sourceUs;
    if (this.#resumed) return this.#lastUs + BREAK_GAP_US - sourceUs;
    return sourceUs < 0 ? -sourceUs : 0;
  }

  /** True for a step like the one before, of a track that is alone: slides and slow cameras make large ones all the time. */
  #isUsual(stepUs: number, { stepUs: lastUs }: Lane): boolean {
    return this.#lanes.size === 1 && stepUs <= lastUs * 1.5;
  }

  /** True for a track that has paused: another one on its clock is where it goes on. */
  #comesBack(sourceUs: number, lane: Lane): boolean {
    for (const other of this.#lanes.values()) {
      const sameClock = other !== lane && other.offsetUs === lane.offsetUs;
      if (sameClock && Math.abs(sourceUs - other.sourceUs) <= this.#maxForwardJumpUs) return true;
    }
    return false;
  }

  #offsetAfterBreak(sourceUs: number, lane: Lane): number {
    for (const other of this.#lanes.values()) {
      // Only one that has jumped itself: before that, all tracks of a clock have the same offset.
      if (other.offsetUs !== lane.offsetUs && Math.abs(sourceUs - other.sourceUs) <= SAME_CLOCK_US)
        return other.offsetUs;
    }
    return this.#lastUs + BREAK_GAP_US - sourceUs;
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
