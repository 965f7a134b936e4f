import type { MediaPacket } from '@sluice/media';

/** A file that is silent for longer goes on at once: nobody would wait for it. */
const MAX_GAP_US = 60_000_000;
/** Decoding times do not run backwards; a larger step than this is a new clock. */
const MAX_BACKWARD_US = 1_000_000;
/** Distance kept where a file's clock is broken. */
const BREAK_US = 20_000;
/** A file that says that it lasts so much longer than its media is not believed. */
const MAX_TAIL_US = 10_000_000;
/** What a picture or a sound lasts when nothing follows that would tell. */
const DEFAULT_STEP_US = { video: 40_000, audio: 20_000 } as const;
const MAX_STEP_US = 1_000_000;

interface Lane {
  readonly dtsUs: number;
  readonly stepUs: number;
  readonly endUs: number;
  /** How often the file had been played before. */
  readonly round: number;
}

/**
 * Turns the times of a file into those of a stream: from the first packet on, without a break when the file is played
 * over and over, and going on whatever a damaged file says. All tracks are moved alike, so that they stay together.
 */
export class FileClock {
  readonly #lanes = new Map<number, Lane>();
  readonly #baseUs: number;
  #shiftUs: number | undefined;
  #lastUs: number;
  #round = 0;

  /** `baseUs` is the stream's time of the first packet. */
  constructor(baseUs: number) {
    this.#baseUs = baseUs;
    this.#lastUs = baseUs;
  }

  /** Time in the stream at which all packets so far have been shown. */
  get endUs(): number {
    let endUs = this.#lastUs;
    for (const lane of this.#lanes.values()) endUs = Math.max(endUs, lane.endUs);
    return endUs;
  }

  /** The next packet with the times that it has in the stream. */
  map(packet: MediaPacket): MediaPacket {
    const { track, units, key, byteLength } = packet;
    this.#shiftUs ??= this.#baseUs - packet.dtsUs;
    const leapUs = packet.dtsUs + this.#shiftUs - this.#lastUs;
    if (leapUs > MAX_GAP_US || leapUs < -MAX_BACKWARD_US) this.#shiftUs += BREAK_US - leapUs;
    const lane = this.#lanes.get(track.id);
    if (lane !== undefined && lane.round !== this.#round) this.#follow(lane, packet.dtsUs + this.#shiftUs);
    const dtsUs = Math.max(packet.dtsUs + this.#shiftUs, lane?.dtsUs ?? this.#baseUs);
    const stepUs = dtsUs - (lane?.dtsUs ?? dtsUs);
    const ptsUs = dtsUs + packet.ptsUs - packet.dtsUs;
    const lastsUs = stepUs > 0 ? Math.min(stepUs, MAX_STEP_US) : (lane?.stepUs ?? DEFAULT_STEP_US[track.kind]);
    const endUs = Math.max(lane?.endUs ?? 0, ptsUs + lastsUs);
    this.#lanes.set(track.id, { dtsUs, stepUs: lastsUs, endUs, round: this.#round });
    this.#lastUs = Math.max(this.#lastUs, dtsUs);
    return { track, units, key, byteLength, ptsUs, dtsUs };
  }

  /** The file is at its end: what comes next is its beginning, at the time to which the file lasts. */
  rewind(durationUs: number): void {
    const endUs = this.endUs;
    const saidUs = durationUs + (this.#shiftUs ?? 0);
    this.#shiftUs = saidUs > endUs && saidUs - endUs <= MAX_TAIL_US ? saidUs : endUs;
    this.#round++;
  }

  /** What a track begins with before zero, as AAC does, comes after what it ended with. */
  #follow({ dtsUs, stepUs }: Lane, firstUs: number): void {
    const earlyUs = dtsUs + stepUs - firstUs;
    if (earlyUs > 0 && earlyUs <= MAX_STEP_US) this.#shiftUs = (this.#shiftUs ?? 0) + earlyUs;
  }
}
