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

  constructor(units: InOrder, isOpen: () => boolean) {
    this.#units = units;
    this.#isOpen = isOpen;
  }

  /** Hot path. */
  packet(packet: RtpLanePacket, lost: boolean): void {
    if (packet.startPoint) this.#ticks = packet.timestamp;
    if (!this.#isOpen() && packet.timestamp !== this.#ticks) {
      this.#skipped = true;
      return;
    }
    const gap = lost || this.#skipped;
    this.#skipped = false;
    this.#units.packet(packet, gap);
  }
}
