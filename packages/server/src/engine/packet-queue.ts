import type { MediaPacket } from '@sluice/media';

const MAX_AUDIO_PACKETS = 100;
const MAX_VIDEO_PACKETS = 150;
const MAX_BYTES = 1 << 23;

/**
 * Packets of one track that wait for a worker, bounded: of sound the oldest go first; of pictures all go, and what
 * follows up to the next key frame, as it could not be decoded.
 */
export class PacketQueue {
  readonly #isVideo: boolean;
  #packets: MediaPacket[] = [];
  #bytes = 0;
  #awaitsKey: boolean;

  constructor(isVideo: boolean) {
    this.#isVideo = isVideo;
    this.#awaitsKey = isVideo;
  }

  /** True while pictures are left out because none of them can be decoded without a key frame. */
  get awaitsKey(): boolean {
    return this.#awaitsKey;
  }

  get isEmpty(): boolean {
    return this.#packets.length === 0;
  }

  /** Takes a packet; the result says how many packets, this one or others, were dropped. */
  push(packet: MediaPacket): number {
    if (this.#awaitsKey && !packet.key) return 1;
    this.#awaitsKey = false;
    this.#packets.push(packet);
    this.#bytes += packet.byteLength;
    if (!this.#isVideo) return this.#packets.length > MAX_AUDIO_PACKETS ? this.#dropOldest() : 0;
    if (this.#packets.length <= MAX_VIDEO_PACKETS && this.#bytes <= MAX_BYTES) return 0;
    return this.restart();
  }

  shift(): MediaPacket | undefined {
    const packet = this.#packets.shift();
    this.#bytes -= packet?.byteLength ?? 0;
    return packet;
  }

  /** Begins anew: the decoder has lost what it knew. Gives the number of packets dropped. */
  restart(): number {
    this.#awaitsKey = this.#isVideo;
    if (!this.#isVideo) return 0;
    const dropped = this.#packets.length;
    this.#packets = [];
    this.#bytes = 0;
    return dropped;
  }

  #dropOldest(): number {
    this.shift();
    return 1;
  }
}
