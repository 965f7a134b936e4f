import { TS_PACKET_BYTES } from '../ts-output.ts';
import type { TsPacket } from '../ts-packet.ts';

/** Follows the counter of one PID's packets (ISO 13818-1 §2.4.3.3). */
export class Continuity {
  #next: number | undefined;
  readonly #last = new Uint8Array(TS_PACKET_BYTES);

  /** What a packet with payload is in the order of its PID: `bytes` holds it from `offset` on. */
  check(packet: TsPacket, bytes: Uint8Array, offset: number): 'next' | 'gap' | 'duplicate' {
    const expected = this.#next;
    const isRepeated = expected !== undefined && packet.continuity === ((expected + 15) & 15);
    // The same number is either the packet once more, or the sixteenth after it.
    if (isRepeated && this.#isLast(bytes, offset)) return 'duplicate';
    this.#next = (packet.continuity + 1) & 15;
    this.#last.set(bytes.subarray(offset, offset + TS_PACKET_BYTES));
    return expected === undefined || packet.continuity === expected ? 'next' : 'gap';
  }

  /** A clock reference may differ in a packet that is sent twice, so only its end is compared. */
  #isLast(bytes: Uint8Array, offset: number): boolean {
    for (let i = TS_PACKET_BYTES - 1; i >= 12; i--) if (bytes[offset + i] !== this.#last[i]) return false;
    return true;
  }
}
