import {
  type DepacketizedFrame,
  DtsExtractor,
  type MediaPacket,
  ProtocolError,
  type RtpDepacketizer,
  sameParameters,
  type Track,
} from '@sluice/media';
import type { RtpLanePacket } from '../../core/index.ts';
import { FrameTimes } from './frame-times.ts';
import type { JitterBufferStrictness } from './options.ts';
import { withParameters } from './payload-formats.ts';
import type { InOrder } from './reorder-buffer.ts';

/** `DEFAULT` waits so long for a key frame; a source that sends none then is one that can't. */
const MAX_WITHHELD_US = 5_000_000;

export interface AccessUnitsOptions {
  /** What is known of the track before its first packet. */
  readonly track: Track;
  readonly depacketizer: RtpDepacketizer;
  readonly strictness: JitterBufferStrictness;
  /** Takes a frame. */
  publish(packet: MediaPacket): void;
  /** Time of a frame on the stream's timeline, by the ticks of its packets. */
  ptsUs(ticks: number): number;
  /** The decoder, if there were one, would need a key frame. */
  onKeyFrameWanted(): void;
  /** The track is another one now: its parameters have changed. */
  onTrack(track: Track): void;
}

/**
 * Makes access units of a track's packets, which it gets in order, and publishes them. Decides what
 * becomes of frames that were damaged by loss.
 */
export class AccessUnits implements InOrder {
  readonly counts = { published: 0, keyFrames: 0, broken: 0, withheld: 0 };
  readonly #options: AccessUnitsOptions;
  readonly #video: boolean;
  readonly #times = new FrameTimes();
  readonly #dts = new DtsExtractor();
  #track: Track;
  #lastDtsUs = 0;
  /** A key frame has been published. */
  #started = false;
  /** Since when frames refer to something that is missing; NaN while they do not. */
  #damagedSinceUs = Number.NaN;

  constructor(options: AccessUnitsOptions) {
    this.#options = options;
    this.#track = options.track;
    this.#video = options.track.kind === 'video';
  }

  /** The track with the newest parameters. */
  get track(): Track {
    return this.#track;
  }

  /** Hot path: allocates nothing but what the depacketizer does, and one packet for each whole frame. */
  packet(packet: RtpLanePacket, lost: boolean): void {
    if (lost && this.#video) this.#damage(packet.ptsUs);
    const frame = this.#depacketize(packet, lost);
    if (frame === undefined) return;
    this.#take(frame, frame.timestamp === packet.timestamp ? packet.ptsUs : this.#options.ptsUs(frame.timestamp));
    const { more } = frame;
    if (more === undefined) return;
    for (const next of more) this.#take(next, this.#options.ptsUs(next.timestamp));
  }

  #depacketize(packet: RtpLanePacket, lost: boolean): DepacketizedFrame | undefined {
    try {
      return this.#options.depacketizer.push(packet, lost);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.counts.broken++;
      if (this.#video) this.#damage(packet.ptsUs);
      return undefined;
    }
  }

  #take(frame: DepacketizedFrame, ptsUs: number): void {
    const { parameters } = frame;
    if (parameters !== undefined && !sameParameters(parameters, this.#track.parameters)) {
      this.#track = withParameters(this.#track, parameters);
      this.#options.onTrack(this.#track);
    }
    if (frame.units.length === 0) return;
    if (this.#video && !this.#isWanted(frame, ptsUs)) return;
    this.#publish(frame, ptsUs);
  }

  /** Whether a frame of video goes on, after what was lost before it and in it. */
  #isWanted(frame: DepacketizedFrame, ptsUs: number): boolean {
    const { strictness } = this.#options;
    if (frame.broken) {
      this.counts.broken++;
      this.#damage(ptsUs);
      if (strictness !== 'TOLERANT') return false;
    }
    if (frame.key && !isConfigured(this.#track)) return this.#withhold();
    if (frame.key && !frame.broken) {
      this.#started = true;
      this.#damagedSinceUs = Number.NaN;
      this.counts.keyFrames++;
      return true;
    }
    if (!this.#started) return this.#withhold();
    if (Number.isNaN(this.#damagedSinceUs) || strictness === 'TOLERANT') return true;
    if (strictness === 'DEFAULT' && ptsUs - this.#damagedSinceUs > MAX_WITHHELD_US) return true;
    return this.#withhold();
  }

  #withhold(): false {
    this.counts.withheld++;
    this.#options.onKeyFrameWanted();
    return false;
  }

  #damage(ptsUs: number): void {
    if (Number.isNaN(this.#damagedSinceUs)) this.#damagedSinceUs = ptsUs;
    this.#options.onKeyFrameWanted();
  }

  #publish(frame: DepacketizedFrame, sourceUs: number): void {
    const { units, key } = frame;
    const ptsUs = this.#video ? this.#times.next(sourceUs) : sourceUs;
    let byteLength = 0;
    for (let i = 0; i < units.length; i++) byteLength += units[i]?.length ?? 0;
    const dtsUs = Math.max(this.#lastDtsUs, this.#video ? this.#dts.next(ptsUs, key) : ptsUs);
    this.#lastDtsUs = dtsUs;
    this.counts.published++;
    this.#options.publish({ track: this.#track, units, ptsUs: Math.max(ptsUs, dtsUs), dtsUs, key, byteLength });
  }
}

/** False for H.264 and H.265 without parameter sets: no decoder can begin then. */
function isConfigured(track: Track): boolean {
  return (track.codec !== 'h264' && track.codec !== 'h265') || track.parameters.length > 0;
}
