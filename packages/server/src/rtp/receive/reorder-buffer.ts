import type { RtpLanePacket } from '../../core/index.ts';

/** Bounds for senders that never end a frame. */
const MAX_PACKETS = 4096;
const MAX_BYTES = 16 * 1024 * 1024;
const INITIAL_CAPACITY = 64;

/** Who gets the packets in order. */
export interface InOrder {
  /** @param lost Packets right before this one are missing for good. */
  packet(packet: RtpLanePacket, lost: boolean): void;
}

export interface ReorderOptions {
  /** Frames (by marker for video, packets for audio) that are held at most. */
  readonly capacity: number;
  readonly video: boolean;
}

/** Stands for a packet that came and carried nothing. */
const EMPTY = null;

/**
 * Puts the packets of a track in order of sequence: those in order leave at once; the others wait for the missing ones
 * until their owner, or lack of room, gives these up. Bounded in frames, packets and bytes.
 *
 * Hot path: a packet in order costs no allocation.
 */
export class ReorderBuffer {
  /** Packets that never came in time, and ones that came after they had been given up. */
  missed = 0;
  tooLate = 0;
  readonly #options: ReorderOptions;
  readonly #out: InOrder;
  #ring: (RtpLanePacket | typeof EMPTY | undefined)[] = new Array(INITIAL_CAPACITY);
  /** The sequence number that is to leave next. */
  #next = Number.NaN;
  #end = 0;
  #count = 0;
  #frames = 0;
  #bytes = 0;
  #lost = false;
  #blockedSinceMs = Number.NaN;

  constructor(options: ReorderOptions, out: InOrder) {
    this.#options = options;
    this.#out = out;
  }

  /** Bytes of the packets that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Since when packets wait for a missing one; NaN while none do. */
  get blockedSinceMs(): number {
    return this.#blockedSinceMs;
  }

  /** So much of the waiting is not counted. */
  excuse(ms: number): void {
    this.#blockedSinceMs += ms;
  }

  /** Takes a packet by its unwrapped number, which counts once; null for one that carried nothing and only keeps its place. */
  insert(sequence: number, packet: RtpLanePacket | null, nowMs: number): void {
    if (Number.isNaN(this.#next)) this.#next = sequence;
    if (sequence < this.#next) return void this.tooLate++;
    if (sequence === this.#next && this.#count === 0) {
      this.#next++;
      if (packet !== EMPTY) this.#emit(packet);
      return;
    }
    while (sequence - this.#next >= MAX_PACKETS) this.#skipTo(this.#count > 0 ? this.#firstHeld() : sequence, nowMs);
    this.#hold(sequence, packet, nowMs);
    this.#drain(nowMs);
    while (this.#isOverfull()) this.giveUp(nowMs);
  }

  /** Gives up the packets that are waited for: those behind them leave, up to the next gap. */
  giveUp(nowMs: number): void {
    if (this.#count > 0) this.#skipTo(this.#firstHeld(), nowMs);
  }

  /** Gives up everything that is waited for. */
  flush(nowMs: number): void {
    while (this.#count > 0) this.giveUp(nowMs);
  }

  /** The source begins anew: what is held leaves, and the next packet may have any number. */
  restart(nowMs: number): void {
    this.flush(nowMs);
    this.#next = Number.NaN;
    this.#lost = true;
    this.#blockedSinceMs = Number.NaN;
  }

  #hold(sequence: number, packet: RtpLanePacket | typeof EMPTY, nowMs: number): void {
    while (sequence - this.#next >= this.#ring.length) this.#grow();
    if (this.#ring[sequence % this.#ring.length] !== undefined) return;
    this.#ring[sequence % this.#ring.length] = packet;
    if (this.#count === 0 && Number.isNaN(this.#blockedSinceMs)) this.#blockedSinceMs = nowMs;
    this.#count++;
    if (sequence >= this.#end) this.#end = sequence + 1;
    this.#charge(packet, 1);
  }

  #charge(packet: RtpLanePacket | typeof EMPTY, sign: 1 | -1): void {
    if (packet === EMPTY) return;
    this.#bytes += sign * packet.payload.length;
    if (packet.marker || !this.#options.video) this.#frames += sign;
  }

  #isOverfull(): boolean {
    return this.#frames > this.#options.capacity || this.#count > MAX_PACKETS || this.#bytes > MAX_BYTES;
  }

  #skipTo(sequence: number, nowMs: number): void {
    this.missed += sequence - this.#next;
    if (sequence > this.#next) this.#lost = true;
    this.#next = sequence;
    this.#drain(nowMs);
  }

  #drain(nowMs: number): void {
    const before = this.#next;
    while (this.#count > 0) {
      const index = this.#next % this.#ring.length;
      const packet = this.#ring[index];
      if (packet === undefined) break;
      this.#ring[index] = undefined;
      this.#count--;
      this.#charge(packet, -1);
      this.#next++;
      if (packet !== EMPTY) this.#emit(packet);
    }
    if (this.#count === 0) this.#blockedSinceMs = Number.NaN;
    else if (this.#next !== before) this.#blockedSinceMs = nowMs;
  }

  #emit(packet: RtpLanePacket): void {
    const lost = this.#lost;
    this.#lost = false;
    this.#out.packet(packet, lost);
  }

  #firstHeld(): number {
    let sequence = this.#next;
    while (sequence < this.#end && this.#ring[sequence % this.#ring.length] === undefined) sequence++;
    return sequence;
  }

  #grow(): void {
    const larger: (RtpLanePacket | typeof EMPTY | undefined)[] = new Array(this.#ring.length * 2);
    for (let i = this.#next; i < this.#end; i++) larger[i % larger.length] = this.#ring[i % this.#ring.length];
    this.#ring = larger;
  }
}
