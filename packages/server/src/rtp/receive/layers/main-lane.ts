import type { RtpLane, RtpLanePacket } from '../../../core/index.ts';
import type { ReceivedLayer } from './received-layer.ts';

/** Least distance of two pictures in seconds: with the same timestamp they would be one. */
const MIN_STEP_S = 0.001;

/** How a layer's packets are numbered among those of the picture. */
interface Splice {
  readonly layer: ReceivedLayer;
  readonly sequenceBy: number;
  readonly ticksBy: number;
  /** Of the layer's own numbers, the first that counts and the first that does not any more. */
  readonly first: number;
  readonly end: number;
}

/**
 * Splices the packets of a publisher's layers into one lane: another layer takes over with a key frame of its own, behind
 * the last frame of the one before; numbers and timestamps go on evenly.
 */
export class MainLane {
  readonly #lane: RtpLane;
  readonly #clockRate: number;
  #splice: Splice | undefined;
  /** Packets that were missing when the next layer took over may still come. */
  #before: Splice | undefined;
  /** A layer that takes over as soon as the frame that is on its way has ended. */
  #next: { readonly layer: ReceivedLayer; readonly start: number } | undefined;
  #midFrame = false;
  #lastTicks = 0;
  #lastUs = 0;

  constructor(lane: RtpLane, clockRate: number) {
    this.#lane = lane;
    this.#clockRate = clockRate;
  }

  /** Whose packets they are. */
  get current(): ReceivedLayer | undefined {
    return this.#splice?.layer;
  }

  /**
   * Takes a packet that is in its layer's lane already. Hot path.
   * @param wanted The layer that is to take over; the current one for none.
   */
  packet(layer: ReceivedLayer, packet: RtpLanePacket, wanted: ReceivedLayer | undefined): void {
    if (this.#next !== undefined && this.#next.layer !== wanted) this.#next = undefined;
    if (layer === this.#splice?.layer) {
      if (packet.sequence >= this.#splice.first) this.#forward(packet, this.#splice);
      if (this.#next !== undefined && !this.#midFrame) this.takeOver();
      return;
    }
    const before = this.#before;
    if (layer === before?.layer && packet.sequence < before.end && packet.sequence >= before.first)
      this.#forward(packet, before);
    else if (layer === wanted && packet.startPoint) {
      this.#next = { layer, start: packet.sequence };
      if (!this.#midFrame) this.takeOver();
    }
  }

  /** A layer that waits for the end of a frame waits no longer. */
  takeOver(): void {
    if (this.#next === undefined) return;
    const { layer, start } = this.#next;
    this.#next = undefined;
    const first = layer.lane.at(start);
    if (first === undefined) return;
    const { current } = this;
    if (this.#splice !== undefined && current !== undefined)
      this.#before = { ...this.#splice, end: this.#lane.end - this.#splice.sequenceBy };
    this.#splice = {
      layer,
      sequenceBy: this.#lane.end - start,
      ticksBy: current === undefined ? 0 : this.#ticksAfter(first) - first.timestamp,
      first: start,
      end: Number.POSITIVE_INFINITY,
    };
    for (let sequence = start; sequence < layer.lane.end; sequence++) {
      const packet = layer.lane.at(sequence);
      if (packet !== undefined) this.#forward(packet, this.#splice);
    }
  }

  #ticksAfter({ ptsUs }: RtpLanePacket): number {
    const seconds = Math.max(MIN_STEP_S, (ptsUs - this.#lastUs) / 1e6);
    return this.#lastTicks + Math.round(seconds * this.#clockRate);
  }

  #forward(packet: RtpLanePacket, { sequenceBy, ticksBy, layer }: Splice): void {
    const same = sequenceBy === 0 && ticksBy === 0;
    const own = same
      ? packet
      : { ...packet, sequence: packet.sequence + sequenceBy, timestamp: packet.timestamp + ticksBy };
    if (layer === this.#splice?.layer && own.sequence >= this.#lane.end) this.#midFrame = !packet.marker;
    if (own.timestamp > this.#lastTicks) {
      this.#lastTicks = own.timestamp;
      this.#lastUs = own.ptsUs;
    }
    this.#lane.publish(own);
  }
}
