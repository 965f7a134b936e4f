import type { MediaPacket } from '@sluice/media';

/** What is older than this when a worker could take it is of no use to anyone, in milliseconds. */
const MAX_AGE_MS = { audio: 1000, video: 2000 };
/** A source may begin with all that it has since its last key frame, at once. */
const MAX_PACKETS = { audio: 150, video: 600 };
const MAX_BYTES = 1 << 23;

interface Entry {
  readonly packet: MediaPacket;
  readonly sinceMs: number;
}

/**
 * Packets of one track that wait for a worker, bounded: of sound the oldest go first; of pictures all go, and what
 * follows up to the next key frame, as it could not be decoded.
 */
export class PacketQueue {
  readonly #kind: 'audio' | 'video';
  #entries: Entry[] = [];
  #bytes = 0;
  #awaitsKey: boolean;

  constructor(kind: 'audio' | 'video') {
    this.#kind = kind;
    this.#awaitsKey = kind === 'video';
  }

  /** True while pictures are left out because none of them can be decoded without a key frame. */
  get awaitsKey(): boolean {
    return this.#awaitsKey;
  }

  /** Packets that wait. */
  get length(): number {
    return this.#entries.length;
  }

  /** Since when the packet waits that comes next, in milliseconds. */
  get oldestMs(): number | undefined {
    return this.#entries[0]?.sinceMs;
  }

  /** Takes a packet at a time in milliseconds; the result says how many packets, this one or others, were dropped. */
  push(packet: MediaPacket, nowMs: number): number {
    if (this.#awaitsKey && !packet.key) return 1;
    this.#awaitsKey = false;
    this.#entries.push({ packet, sinceMs: nowMs });
    this.#bytes += packet.byteLength;
    if (!this.#isOverfull(nowMs)) return 0;
    if (this.#kind === 'video') return this.restart();
    let dropped = 0;
    for (; this.#isOverfull(nowMs); dropped += 1) this.shift();
    return dropped;
  }

  shift(): MediaPacket | undefined {
    const packet = this.#entries.shift()?.packet;
    this.#bytes -= packet?.byteLength ?? 0;
    return packet;
  }

  /** The decoder has lost what it knew: pictures begin anew. Gives the number of packets dropped. */
  restart(): number {
    if (this.#kind === 'audio') return 0;
    this.#awaitsKey = true;
    const dropped = this.#entries.length;
    this.#entries = [];
    this.#bytes = 0;
    return dropped;
  }

  #isOverfull(nowMs: number): boolean {
    const [oldest] = this.#entries;
    if (!oldest) return false;
    const { length } = this.#entries;
    return (
      length > MAX_PACKETS[this.#kind] || this.#bytes > MAX_BYTES || nowMs - oldest.sinceMs > MAX_AGE_MS[this.#kind]
    );
  }
}
