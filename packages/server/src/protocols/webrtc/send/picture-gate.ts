import type { RtpLanePacket } from '../../../core/index.ts';
import type { PictureLimit } from './thinning.ts';

/** Key frames alone: no more often than this, and a publisher is not asked for one more often than the second one. */
const KEY_INTERVAL_MS = 500;
const ASK_INTERVAL_MS = 2000;
/** What key frames may take of the way. */
const KEY_SHARE = 0.7;

/** How the way to the viewer stands, as far as pictures that are about to be sent go. */
export interface GateWay {
  /** Too much waits to be sent already. */
  isFull(nowMs: number): boolean;
  /** Much of what was sent waits on it still. */
  drains(nowMs: number): boolean;
  /** What it carries, bits a second; undefined while that is not known. */
  bps(nowMs: number): number | undefined;
}

/**
 * Leaves frames of a picture out for one viewer so that what is left can be decoded: temporal layers from the top, else
 * all up to a key frame. Decides once a frame, at its first packet.
 */
export class PictureGate {
  /** Frames that were left out, since the beginning. */
  leftOut = 0;
  limit: PictureLimit = 'all';
  readonly #way: GateWay;
  /** What comes refers to something that was left out, until a key frame. */
  #broken = false;
  /** Highest temporal layer that the viewer got the frames of which its next ones need. */
  #top = Number.POSITIVE_INFINITY;
  #timestamp = Number.NEGATIVE_INFINITY;
  #passes = true;
  #keyFrameMs = Number.NEGATIVE_INFINITY;
  #keyFrameBytes = 0;
  #isKeyFrame = false;

  constructor(way: GateWay) {
    this.#way = way;
  }

  /** The viewer has to wait for a key frame, and there is room for one: it is worth to ask for it. */
  wantsKeyFrame(nowMs: number): boolean {
    if (!this.#broken || this.limit === 'none' || this.#way.isFull(nowMs)) return false;
    if (this.limit === 'key_frames' && !this.#hasRoomForKeyFrame(nowMs)) return false;
    return this.limit !== 'key_frames' || nowMs - this.#keyFrameMs >= ASK_INTERVAL_MS;
  }

  /** What comes is left out for want of a key frame, or of room for one. */
  get broken(): boolean {
    return this.#broken;
  }

  /** All that comes passes, as far as the gate knows, and all that is missing of before is needed no more. */
  get isOpen(): boolean {
    return this.limit === 'all' && !this.#broken && this.#passes && this.#top === Number.POSITIVE_INFINITY;
  }

  /** So many frames that had passed are not sent after all: what comes refers to them. */
  breakOff(frames: number): void {
    this.leftOut += frames;
    this.#broken = true;
    this.#passes = false;
  }

  /** A viewer begins with what comes, as if nothing had been left out. */
  restart(): void {
    this.#broken = false;
    this.#top = Number.POSITIVE_INFINITY;
    this.#timestamp = Number.NEGATIVE_INFINITY;
    this.#passes = true;
  }

  // Hot path: once per packet of a picture and viewer.
  /** True when the packet goes on to the viewer. In order; what comes late is passed by `numberFor` of its numbers. */
  passes(packet: RtpLanePacket, nowMs: number): boolean {
    if (packet.timestamp > this.#timestamp) {
      this.#timestamp = packet.timestamp;
      this.#passes = this.#decide(packet, nowMs);
      if (!this.#passes) this.leftOut++;
    } else if (packet.timestamp < this.#timestamp) return true;
    if (this.#passes && this.#isKeyFrame) this.#keyFrameBytes += packet.payload.length;
    return this.#passes;
  }

  #decide(packet: RtpLanePacket, nowMs: number): boolean {
    const { startPoint, temporalLayer = 0 } = packet;
    this.#isKeyFrame = startPoint;
    if (startPoint) return this.#decideKeyFrame(nowMs);
    if (this.#broken) return false;
    const limit = topOf(this.limit);
    if (limit < 0) return this.#leave();
    if (temporalLayer > limit) return this.#lower(temporalLayer);
    if (temporalLayer > this.#top) {
      // One layer at a time: frames of the one between may need others of it that were left out.
      if (packet.layerStart !== true || temporalLayer > this.#top + 1) return false;
      this.#top = temporalLayer;
    }
    if (!this.#way.isFull(nowMs)) return true;
    return temporalLayer > 0 ? this.#lower(temporalLayer) : this.#leave();
  }

  #decideKeyFrame(nowMs: number): boolean {
    if (this.limit === 'none' || this.#way.isFull(nowMs)) return this.#leave();
    // A key frame takes long: one that begins behind a queue would be shown too late.
    const waits = this.limit === 'key_frames' && (!this.#hasRoomForKeyFrame(nowMs) || this.#way.drains(nowMs));
    if (waits) return this.#leave();
    this.#broken = false;
    this.#top = Number.POSITIVE_INFINITY;
    this.#keyFrameMs = nowMs;
    this.#keyFrameBytes = 0;
    return true;
  }

  #hasRoomForKeyFrame(nowMs: number): boolean {
    const bps = this.#way.bps(nowMs);
    const takesMs = bps === undefined ? 0 : (this.#keyFrameBytes * 8000) / (bps * KEY_SHARE);
    return nowMs - this.#keyFrameMs >= Math.max(KEY_INTERVAL_MS, takesMs);
  }

  #lower(layer: number): boolean {
    this.#top = Math.min(this.#top, layer - 1);
    return false;
  }

  #leave(): boolean {
    this.#broken = true;
    return false;
  }
}

/** Highest temporal layer that a limit lets through; -1 when it is not about layers. */
function topOf(limit: PictureLimit): number {
  switch (limit) {
    case 'all':
      return Number.POSITIVE_INFINITY;
    case 'layer_1':
      return 1;
    case 'layer_0':
      return 0;
    default:
      return -1;
  }
}
