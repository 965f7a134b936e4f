import type { RtpLane } from './rtp-lane.ts';

/**
 * One of the encodings in which a publisher sends the same picture (simulcast, RFC 8853). All layers of a stream are on
 * the stream's timeline: a viewer can go on with another one at a key frame of that.
 */
export interface StreamLayer {
  /** As the publisher names it (RFC 8852): `h`, `1`; unique within the stream. */
  readonly rid: string;
  /** Its packets, while they come. */
  readonly lane: RtpLane;
  /** Size of its picture; undefined before the first key frame. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** Measured over about the last second, bits a second of RTP; 0 while nothing comes. */
  readonly bitrateBps: number;
  /** What it takes when it flows: as measured while it last did; undefined before. */
  readonly expectedBps: number | undefined;
  /** Packets of it come at this moment: publishers leave layers out by themselves when their own way is thin. */
  readonly active: boolean;
  /** The publisher has been asked to leave it out, because nobody watches it. */
  readonly paused: boolean;
  /** Highest temporal layer that its packets are marked with; 0 when they are not marked. */
  readonly topTemporalLayer: number;
  /** Asks for a key frame of this layer; requests are throttled at the publisher. */
  requestKeyFrame(): void;
  /** Somebody watches it, or wants to: it is not paused, or resumed. Dispose of the result to stop. */
  watch(): Disposable;
}
