import type { LaneOptions } from '../egress.ts';
import type { Track } from './track.ts';

/** A packet that a lane keeps. */
export interface KeptPacket {
  readonly sequence: number;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly startPoint: boolean;
  /** -1: has none. */
  readonly orientation: number;
  readonly payload: Buffer;
  readonly atMs: number;
}

/** Late packets that are remembered for those who have passed their places. */
const MAX_LATE = 64;

/** The packets of one track as all its viewers share them, bounded in number, bytes and age. */
export class Lane {
  readonly options: LaneOptions;
  readonly followers: Track[] = [];
  first = 0;
  end = 0;
  /** Late packets are counted; the numbers of the newest are kept. */
  lateEnd = 0;
  readonly #ring: (KeptPacket | undefined)[];
  readonly #late = new Float64Array(MAX_LATE);
  #hasBegun = false;
  #start = -1;
  #bytes = 0;

  constructor(options: LaneOptions) {
    this.options = options;
    this.#ring = new Array<KeptPacket | undefined>(options.maxPackets);
  }

  /** Sequence number of the newest start point that is kept, or -1. */
  get startPoint(): number {
    return this.#start >= this.first ? this.#start : -1;
  }

  at(sequence: number): KeptPacket | undefined {
    if (sequence < this.first || sequence >= this.end) return undefined;
    const packet = this.#ring[sequence % this.#ring.length];
    return packet?.sequence === sequence ? packet : undefined;
  }

  /** Number of one of the newest late packets. */
  late(at: number): number {
    return this.#late[at % MAX_LATE] ?? 0;
  }

  /** The first late packet that is still known, of those from that one on. */
  lateFrom(at: number): number {
    return Math.max(at, this.lateEnd - MAX_LATE);
  }

  /** A lane that has had no packet begins with that one, even if it is lost. */
  expect(sequence: number): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.first = sequence;
    this.end = sequence;
  }

  /** Takes a packet in; false for one that is too old or known. */
  append(packet: KeptPacket): boolean {
    const { sequence } = packet;
    const { maxPackets, maxBytes, maxAgeMs } = this.options;
    this.expect(sequence);
    if (sequence < this.first || this.at(sequence) !== undefined) return false;
    if (sequence < this.end) this.#late[this.lateEnd++ % MAX_LATE] = sequence;
    else {
      this.#dropBefore(sequence + 1 - maxPackets);
      this.end = sequence + 1;
      if (packet.startPoint) this.#start = sequence;
    }
    this.#bytes += packet.payload.length;
    this.#ring[sequence % maxPackets] = packet;
    // The newest stays in any case.
    while (this.first < this.end - 1) {
      // Places of packets that were lost stay as long as those behind them.
      let oldest = this.first;
      while (this.at(oldest) === undefined) oldest++;
      const atMs = this.at(oldest)?.atMs ?? packet.atMs;
      if (oldest === this.end - 1 || (this.#bytes <= maxBytes && atMs >= packet.atMs - maxAgeMs)) break;
      this.#dropBefore(oldest + 1);
    }
    return true;
  }

  #dropBefore(sequence: number): void {
    const to = Math.min(sequence, this.end);
    for (; this.first < to && this.#bytes > 0; this.first++) {
      const at = this.first % this.#ring.length;
      const packet = this.#ring[at];
      if (packet?.sequence !== this.first) continue;
      this.#bytes -= packet.payload.length;
      this.#ring[at] = undefined;
    }
    this.first = Math.max(this.first, sequence);
  }
}
