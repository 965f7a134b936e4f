import { createTransform } from './create-transform.ts';
import { PacketWindow } from './packet-window.ts';
import type { SrtpMasterKey, SrtpProfile } from './profile.ts';
import { MAX_PACKET_BYTES, type SrtpTransform } from './transform.ts';

/** What was not accepted, since the beginning, and sources that were forgotten for new ones. */
export interface SrtpReceiverCounters {
  malformed: number;
  unauthentic: number;
  /** Seen before, or older than the replay window. */
  replayed: number;
  evictedSources: number;
}

/**
 * Opens what one peer sends: authentication, replay protection and decryption (RFC 3711 §3.3). Never throws, whatever
 * comes: gives undefined for a packet that is not to be used, and counts it. Memory is bounded; only authentic packets
 * take any. An SSRC of which nothing was heard begins with the roll-over counter 0, as DTLS-SRTP has no other way.
 */
export class SrtpReceiver {
  readonly counters: SrtpReceiverCounters = { malformed: 0, unauthentic: 0, replayed: 0, evictedSources: 0 };
  readonly #transform: SrtpTransform;
  readonly #maxSources: number;
  readonly #rtpSources = new Map<number, PacketWindow>();
  readonly #rtcpSources = new Map<number, PacketWindow>();
  #uses = 0;

  /** @param options `maxSources`: state is kept for so many SSRCs of RTP and of RTCP; default 64 */
  constructor(profile: SrtpProfile, master: SrtpMasterKey, options: { readonly maxSources?: number } = {}) {
    this.#transform = createTransform(profile, master);
    this.#maxSources = options.maxSources ?? 64;
  }

  /** Decrypts an RTP packet in place and gives a view of it without the tag. Hot path. */
  unprotectRtp(packet: Buffer): Buffer | undefined {
    if (packet.length < 12 || packet.length > MAX_PACKET_BYTES) return this.#refuse('malformed');
    const ssrc = packet.readUInt32BE(8);
    const sequence = packet.readUInt16BE(2);
    const source = this.#rtpSources.get(ssrc);
    const index = source === undefined ? sequence : source.guess(sequence);
    if (source?.isNew(index) === false) return this.#refuse('replayed');
    const length = this.#transform.unprotectRtp(packet, index);
    if (length === 0) return this.#refuse('unauthentic');
    this.#accept(source ?? this.#addSource(this.#rtpSources, ssrc), index);
    return packet.subarray(0, length);
  }

  /** Decrypts a compound RTCP packet in place and gives a view of it without index and tag. */
  unprotectRtcp(packet: Buffer): Buffer | undefined {
    const index = packet.length > MAX_PACKET_BYTES ? -1 : this.#transform.rtcpIndex(packet);
    if (index < 0) return this.#refuse('malformed');
    const ssrc = packet.readUInt32BE(4);
    const source = this.#rtcpSources.get(ssrc);
    if (source?.isNew(index) === false) return this.#refuse('replayed');
    const length = this.#transform.unprotectRtcp(packet);
    if (length === 0) return this.#refuse('unauthentic');
    this.#accept(source ?? this.#addSource(this.#rtcpSources, ssrc), index);
    return packet.subarray(0, length);
  }

  #accept(source: PacketWindow, index: number): void {
    source.add(index);
    source.lastUse = ++this.#uses;
  }

  #addSource(sources: Map<number, PacketWindow>, ssrc: number): PacketWindow {
    if (sources.size >= this.#maxSources) this.#evict(sources);
    const source = new PacketWindow();
    sources.set(ssrc, source);
    return source;
  }

  #evict(sources: Map<number, PacketWindow>): void {
    let oldest = -1;
    let oldestUse = Number.POSITIVE_INFINITY;
    for (const [ssrc, source] of sources) {
      if (source.lastUse >= oldestUse) continue;
      oldest = ssrc;
      oldestUse = source.lastUse;
    }
    sources.delete(oldest);
    this.counters.evictedSources++;
  }

  #refuse(reason: 'malformed' | 'unauthentic' | 'replayed'): undefined {
    this.counters[reason]++;
    return undefined;
  }
}
