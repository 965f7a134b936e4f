import type { RtpLanePacket } from '../../../core/index.ts';
import type { PictureRates } from './thinning.ts';

const WINDOW_MS = 1000;
/** Of header and extensions. */
const HEADER_BYTES = 24;
/** Weight of a window: with a key frame in it, it is unlike the one before. */
const WEIGHT = 0.5;
const KEY_WEIGHT = 0.3;

/** Measures what a picture takes as it comes, with and without its temporal layers, whatever of it is sent. */
export class PictureMeter {
  #windowMs = -1;
  #all = 0;
  #above0 = 0;
  #above1 = 0;
  #marked = 0;
  #bps = { all: 0, above0: 0, above1: 0, top: 0 };
  #keyTimestamp = -1;
  #keyBytes = 0;
  #keyFrameBytes = 0;

  // Hot path: once per packet of a picture.
  add(packet: RtpLanePacket, nowMs: number): void {
    const bytes = packet.payload.length + HEADER_BYTES;
    const layer = packet.temporalLayer ?? 0;
    this.#all += bytes;
    if (layer > 0) this.#above0 += bytes;
    if (layer > 1) this.#above1 += bytes;
    this.#marked = Math.max(this.#marked, layer);
    if (packet.startPoint) {
      this.#endKeyFrame();
      this.#keyTimestamp = packet.timestamp;
    }
    if (packet.timestamp === this.#keyTimestamp) this.#keyBytes += bytes;
    if (this.#windowMs < 0) this.#windowMs = nowMs;
    else if (nowMs - this.#windowMs >= WINDOW_MS) this.#turn(nowMs);
  }

  get rates(): PictureRates {
    const { all, above0, above1, top } = this.#bps;
    return {
      all,
      layer1: top > 1 ? all - above1 : undefined,
      layer0: top > 0 ? all - above0 : undefined,
      keyFrameBytes: this.#keyFrameBytes || this.#keyBytes || undefined,
    };
  }

  /** Another picture comes from now on. */
  reset(): void {
    this.#windowMs = -1;
    this.#all = 0;
    this.#above0 = 0;
    this.#above1 = 0;
    this.#marked = 0;
    this.#bps = { all: 0, above0: 0, above1: 0, top: 0 };
    this.#keyTimestamp = -1;
    this.#keyBytes = 0;
    this.#keyFrameBytes = 0;
  }

  #endKeyFrame(): void {
    const bytes = this.#keyBytes;
    this.#keyBytes = 0;
    if (bytes > 0) this.#keyFrameBytes += (bytes - this.#keyFrameBytes) * (this.#keyFrameBytes === 0 ? 1 : KEY_WEIGHT);
  }

  #turn(nowMs: number): void {
    const toBps = 8000 / (nowMs - this.#windowMs);
    const weight = this.#bps.all === 0 ? 1 : WEIGHT;
    const { all, above0, above1 } = this.#bps;
    this.#bps = {
      all: all + (this.#all * toBps - all) * weight,
      above0: above0 + (this.#above0 * toBps - above0) * weight,
      above1: above1 + (this.#above1 * toBps - above1) * weight,
      top: this.#marked,
    };
    this.#windowMs = nowMs;
    this.#all = 0;
    this.#above0 = 0;
    this.#above1 = 0;
    this.#marked = 0;
  }
}
