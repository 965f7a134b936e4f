import { sequenceDistance } from '@sluice/media';

/** So many packets are held for one that is missing: at 10 Mbit/s some 60 ms. */
const MAX_HELD = 64;
/** No packet is waited for longer. */
const MAX_WAIT_MS = 80;
/** A number further off than this begins anew. */
const MAX_JUMP = 1000;

export interface RtpOrderEvents {
  onPayload(payload: Uint8Array): void;
  /** So many packets before the next payload will not come. */
  onGap(packets: number): void;
}

/** Puts RTP payloads in the order of their sequence numbers (RFC 3550 §5.1), waiting a little for late ones. */
export class RtpOrder {
  /** Packets that came twice, or too late. */
  late = 0;
  readonly #events: RtpOrderEvents;
  readonly #held = new Map<number, Uint8Array>();
  #next: number | undefined;
  #heldSinceMs = 0;

  constructor(events: RtpOrderEvents) {
    this.#events = events;
  }

  /** `payload` is kept until its turn comes. */
  push(sequence: number, payload: Uint8Array, nowMs: number): void {
    const distance = this.#next === undefined ? 0 : sequenceDistance(this.#next, sequence);
    if (Math.abs(distance) > MAX_JUMP) {
      this.#releaseAll();
      this.#events.onGap(MAX_JUMP);
      this.#next = sequence;
    } else if (distance < 0 || this.#held.has(sequence)) {
      this.late++;
      return;
    } else if (distance > 0) {
      if (this.#held.size === 0) this.#heldSinceMs = nowMs;
      this.#held.set(sequence, payload);
      if (this.#held.size > MAX_HELD) this.#giveUp(nowMs);
      return;
    }
    this.#release(sequence, payload);
    this.#drain(nowMs);
  }

  /** Gives up what has been waited for too long. */
  check(nowMs: number): void {
    if (this.#held.size > 0 && nowMs - this.#heldSinceMs > MAX_WAIT_MS) this.#giveUp(nowMs);
  }

  /** Another source follows. */
  reset(): void {
    this.#held.clear();
    this.#next = undefined;
  }

  #release(sequence: number, payload: Uint8Array): void {
    this.#next = (sequence + 1) & 0xffff;
    this.#events.onPayload(payload);
  }

  #drain(nowMs: number): void {
    const held = this.#held.size;
    for (;;) {
      const sequence = this.#next ?? 0;
      const payload = this.#held.get(sequence);
      if (payload === undefined) break;
      this.#held.delete(sequence);
      this.#release(sequence, payload);
    }
    if (this.#held.size < held) this.#heldSinceMs = nowMs;
  }

  /** Goes on at the first packet that is held. */
  #giveUp(nowMs: number): void {
    const next = this.#next ?? 0;
    let least = MAX_JUMP + 1;
    for (const sequence of this.#held.keys()) least = Math.min(least, sequenceDistance(next, sequence));
    this.#events.onGap(least);
    this.#next = (next + least) & 0xffff;
    this.#drain(nowMs);
  }

  #releaseAll(): void {
    while (this.#held.size > 0) this.#giveUp(0);
  }
}
