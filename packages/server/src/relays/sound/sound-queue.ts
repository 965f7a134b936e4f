import type { MediaPacket } from '@sluice/media';

/** Sound goes out this much before its time at most, and is put anew when it is behind by so much. Microseconds. */
const LEAD_US = 60_000;
const MAX_LAG_US = 400_000;
/** Packets are at least so far apart where one sound follows another: protocols count in milliseconds. */
const MIN_STEP_US = 1000;
/** More is not kept for a stream that stands still. */
const MAX_HELD_US = 3_000_000;

/**
 * Brings the packets of a file into a stream: they wait until the stream has come to their time, so that they go on at
 * its pace, stand still with it, and leap after it. Times only grow.
 */
export class SoundQueue {
  #held: MediaPacket[] = [];
  /** From the file's times to the stream's. */
  #offsetUs: number | undefined;
  #nextUs = Number.NEGATIVE_INFINITY;

  /** Time from which on the next packet may come. */
  get nextUs(): number {
    return this.#nextUs;
  }

  /** Something of that time has gone out. */
  taken(us: number): void {
    this.#nextUs = Math.max(this.#nextUs, us + MIN_STEP_US);
  }

  /** Another timeline begins in the stream. */
  restart(): void {
    this.#offsetUs = undefined;
    this.#nextUs = Number.NEGATIVE_INFINITY;
  }

  /** Forgets what waits: something else is to be heard. */
  clear(): void {
    this.#held = [];
    this.#offsetUs = undefined;
  }

  push(packet: MediaPacket): void {
    this.#held.push(packet);
    const [oldest = packet] = this.#held;
    if (packet.dtsUs - oldest.dtsUs <= MAX_HELD_US) return;
    this.#held.shift();
    this.#offsetUs = undefined;
  }

  /** The next packet with its time in the stream, which stands at `streamUs`; undefined when none is due. */
  take(streamUs: number): MediaPacket | undefined {
    const [packet] = this.#held;
    if (packet === undefined) return undefined;
    const us = packet.dtsUs + (this.#offsetUs ?? Number.NEGATIVE_INFINITY);
    const lost = us < streamUs - MAX_LAG_US || us < this.#nextUs;
    const dtsUs = lost ? Math.max(streamUs, this.#nextUs) : us;
    if (dtsUs > streamUs + LEAD_US) return undefined;
    this.#offsetUs = dtsUs - packet.dtsUs;
    this.#held.shift();
    this.taken(dtsUs);
    return { ...packet, dtsUs, ptsUs: dtsUs + packet.ptsUs - packet.dtsUs };
  }
}
