import { fitsRed, type RedundantBlock } from '@sluice/media';
import type { RtpLanePacket } from '../../../core/index.ts';
import type { SendRun } from './sent-numbers.ts';

/** Losses from which on sound is sent with redundancy, and below which it is not any more, of the smoothed reports. */
const ON_LOSS = 0.02;
const OFF_LOSS = 0.007;
const WEIGHT = 0.4;
/** Packets before it that a packet of sound carries once more. */
const PACKETS = 2;

/** Which packets of sound are sent once more with the next ones (RFC 2198), while the way loses some. */
export class Redundancy {
  on = false;
  #loss = 0;

  /** What the player says of its losses, 0 to 1. */
  onLoss(fraction: number): void {
    this.#loss += (fraction - this.#loss) * WEIGHT;
    if (this.#loss > ON_LOSS) this.on = true;
    else if (this.#loss < OFF_LOSS) this.on = false;
  }

  /** The packets before that one as its lane keeps them, the oldest first; those that do not fit are left out. */
  blocks(packet: RtpLanePacket, { lane }: SendRun, payloadType: number): RedundantBlock[] {
    const blocks: RedundantBlock[] = [];
    for (let back = PACKETS; back > 0; back--) {
      const before = lane.at(packet.sequence - back);
      if (before === undefined || before.format !== packet.format) continue;
      const timestampOffset = packet.timestamp - before.timestamp;
      if (timestampOffset <= 0 || !fitsRed(timestampOffset, before.payload.length)) continue;
      blocks.push({ payloadType, timestampOffset, payload: before.payload });
    }
    return blocks;
  }
}
