import type { RtpLanePacket } from '../../../core/index.ts';
import type { InOrder } from '../reorder-buffer.ts';

/**
 * Of a layer whose frames nobody needs, lets only the packets of key frames through: they tell its size. What was held back
 * is lost to whoever is behind it.
 */
export class IdleGate implements InOrder {
  readonly #units: InOrder;
  readonly #isOpen: () => boolean;
  #ticks = Number.NaN;
  #skipped = false;
  /** The last frame that was let through has ended. */
  #whole = true;

  constructor(units: InOrder, isOpen: () => boolean) {
    this.#units = units;
    this.#isOpen = isOpen;
  }

  /** Hot path. */
  packet(packet: RtpLanePacket, lost: boolean): void {
    const { startPoint, timestamp, marker } = packet;
    if (startPoint) this.#ticks = timestamp;
    if (!this.#isOpen() && timestamp !== this.#ticks) {
      this.#skipped = true;
      return;
    }
    // A key frame behind a whole frame misses nothing.
    const gap = lost || (this.#skipped && !(startPoint && this.#whole));
    this.#skipped = false;
    this.#whole = marker;
    this.#units.packet(packet, gap);
  }
}
