import { rtpClockRate } from '@sluice/media';
import type { RtpLanePacket } from '../../../core/index.ts';
import type { StreamClock } from '../../../rtp/index.ts';
import type { SendRun } from './sent-numbers.ts';

/** Times of frames of the past are pressed together so that the player is up to date at once. */
const CATCH_UP_PACE = 1 / 32;

/**
 * The RTP times that a viewer gets packets with: they go on with the time that passes, though lanes and their times change,
 * and what is of the past is pressed together. In ticks of the codec's clock, unwrapped.
 */
export class SentTimes {
  /** Of the newest packet: its time as sent, the same on the stream's timeline, and whether it was of the past. */
  lastTimestamp = 0;
  lastPtsUs = 0;
  lastIsPast = false;
  readonly #clock: StreamClock;
  #offset = Math.floor(Math.random() * 0x8000_0000);
  #begun = false;
  /** Newest packet that was not of the past, and what time it was then: later times are on a line with them. */
  #lineTimestamp = 0;
  #lineUs = 0;

  constructor(clock: StreamClock) {
    this.#clock = clock;
  }

  /**
   * A run begins with that packet; gives its `timestampOffset`. Time goes on by as much as has passed since the last packet,
   * though the lane's numbers are new ones: exactly so that sender reports go on telling what they told before, as players
   * take many of them together.
   */
  begin(first: RtpLanePacket | undefined, pastEndUs: number): number {
    if (first === undefined) return this.#offset;
    this.#clock.begin(Math.max(pastEndUs, first.ptsUs));
    const firstUs = this.#clock.unixUs(first.ptsUs);
    if (this.#begun) {
      const passed = Math.round(((firstUs - this.#lineUs) * rtpClockRate(first.format.track)) / 1e6);
      const offset = this.#lineTimestamp + passed - first.timestamp;
      this.#offset = Math.max(offset, this.lastTimestamp + 1 - press(first, pastEndUs));
    }
    this.#lineTimestamp = first.timestamp + this.#offset;
    this.#lineUs = firstUs;
    return this.#offset;
  }

  /** A packet of a run is to be sent, newer than all before. Hot path. */
  moveTo(packet: RtpLanePacket, run: SendRun): void {
    this.#begun = true;
    this.lastTimestamp = sentTimestamp(packet, run);
    this.lastPtsUs = packet.ptsUs;
    this.lastIsPast = isPast(packet, run.pastEndUs);
    if (this.lastIsPast) return;
    this.#lineTimestamp = this.lastTimestamp;
    this.#lineUs = this.#clock.unixUs(packet.ptsUs);
  }
}

/** The time that a packet of a run is sent with. Hot path. */
export function sentTimestamp(packet: RtpLanePacket, { pastEndUs, timestampOffset }: SendRun): number {
  return press(packet, pastEndUs) + timestampOffset;
}

function press(packet: RtpLanePacket, pastEndUs: number): number {
  const { format, ptsUs, timestamp } = packet;
  if (!isPast(packet, pastEndUs)) return timestamp;
  const past = Math.round(((pastEndUs - ptsUs) * rtpClockRate(format.track)) / 1e6);
  return timestamp + past - Math.round(past * CATCH_UP_PACE);
}

function isPast({ format, ptsUs }: RtpLanePacket, pastEndUs: number): boolean {
  return ptsUs < pastEndUs && format.track.kind === 'video';
}
