import type { MediaPacket } from '@sluice/media';
import type { Stream } from '../../../core/index.ts';
import type { ReceivedLayer } from './received-layer.ts';

/** Least distance of two pictures: players of RTMP know no less. */
const MIN_STEP_US = 1000;

/**
 * Splices the frames of a publisher's layers into those of one picture: another layer takes over with a key frame of its
 * own, and time never goes back.
 */
export class MainFrames {
  readonly #stream: Stream;
  #current: ReceivedLayer | undefined;
  #lastUs = Number.NEGATIVE_INFINITY;
  /** Until its own times are beyond this, what a layer that has taken over sends is put there. */
  #floorUs = Number.NEGATIVE_INFINITY;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Whose frames they are. */
  get current(): ReceivedLayer | undefined {
    return this.#current;
  }

  /**
   * Takes a whole frame of a layer.
   * @param takesOver The layer is wanted, if it is not the current one.
   * @returns true when the frame is one of the picture
   */
  frame(layer: ReceivedLayer, packet: MediaPacket, takesOver: boolean): boolean {
    if (layer !== this.#current) {
      if (!takesOver || !packet.key) return false;
      this.#current = layer;
      this.#floorUs = this.#lastUs + MIN_STEP_US;
    }
    const { dtsUs, ptsUs } = packet;
    if (dtsUs >= this.#floorUs) {
      this.#floorUs = Number.NEGATIVE_INFINITY;
      this.#lastUs = Math.max(this.#lastUs, dtsUs);
      this.#stream.publish(packet);
      return true;
    }
    this.#lastUs = this.#floorUs;
    this.#floorUs += MIN_STEP_US;
    this.#stream.publish({ ...packet, dtsUs: this.#lastUs, ptsUs: Math.max(ptsUs, this.#lastUs) });
    return true;
  }
}
