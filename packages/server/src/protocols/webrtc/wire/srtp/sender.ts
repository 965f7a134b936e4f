import { createTransform } from './create-transform.ts';
import { PacketWindow } from './packet-window.ts';
import { SRTP_PROFILES, type SrtpMasterKey, type SrtpProfile } from './profile.ts';
import { MAX_PACKET_BYTES, type SrtpTransform } from './transform.ts';

export interface SrtpSenderOptions {
  /** At most so many SSRCs are sent with one key. Default 64. */
  readonly maxSources?: number;
  /**
   * Lets a sequence number be used again. Only for a caller who sends the very same packet then, to the last byte of
   * header and payload: two different packets under one number give away the key of GCM. Default false.
   */
  readonly allowRepeats?: boolean;
}

/** Roll-over counters have 32 bits, SRTCP indices 31; a key is used up then (RFC 3711 §9.2). */
const MAX_RTP_INDEX = 2 ** 48 - 1;
const MAX_RTCP_INDEX = 2 ** 31 - 1;

/**
 * Protects what is sent to one peer. Never throws for the content of packets: gives 0 for what can not be sent, and
 * counts it in `refused`.
 */
export class SrtpSender {
  /** Packets that were not RTP, had no room for the tag, were sent before or were of one source too many. */
  refused = 0;
  readonly #transform: SrtpTransform;
  readonly #rtpOverhead: number;
  readonly #rtcpOverhead: number;
  readonly #maxSources: number;
  readonly #allowRepeats: boolean;
  readonly #sources = new Map<number, PacketWindow>();
  // One counter for all sources: indices need only differ for each (RFC 3711 §3.4). libsrtp begins with 1 too.
  #rtcpIndex = 1;

  constructor(profile: SrtpProfile, master: SrtpMasterKey, options: SrtpSenderOptions = {}) {
    this.#transform = createTransform(profile, master);
    this.#rtpOverhead = SRTP_PROFILES[profile].rtpOverhead;
    this.#rtcpOverhead = SRTP_PROFILES[profile].rtcpOverhead;
    this.#maxSources = options.maxSources ?? 64;
    this.#allowRepeats = options.allowRepeats ?? false;
  }

  /**
   * Protects the RTP packet in the first `length` bytes in place. Gives its new length, or 0. The buffer needs room
   * for `SRTP_PROFILES[profile].rtpOverhead` bytes more. Fastest when its payload begins at a multiple of four bytes
   * of the memory behind the buffer. Hot path: one to three small allocations, made by node:crypto.
   */
  protectRtp(packet: Buffer, length: number): number {
    if (length < 12 || !this.#fits(packet, length + this.#rtpOverhead)) return this.#refuse();
    const ssrc = packet.readUInt32BE(8);
    const source = this.#sources.get(ssrc) ?? this.#addSource(ssrc);
    if (source === undefined) return this.#refuse();
    const index = source.guess(packet.readUInt16BE(2));
    const isNew = source.isNew(index);
    if (index > MAX_RTP_INDEX || !(isNew || this.#allowRepeats)) return this.#refuse();
    const protectedLength = this.#transform.protectRtp(packet, length, index);
    if (protectedLength === 0) return this.#refuse();
    if (isNew) source.add(index);
    return protectedLength;
  }

  /**
   * Protects the compound RTCP packet in the first `length` bytes in place. Gives its new length, or 0. The buffer
   * needs room for `SRTP_PROFILES[profile].rtcpOverhead` bytes more.
   */
  protectRtcp(packet: Buffer, length: number): number {
    if (this.#rtcpIndex > MAX_RTCP_INDEX || !this.#fits(packet, length + this.#rtcpOverhead)) return this.#refuse();
    const protectedLength = this.#transform.protectRtcp(packet, length, this.#rtcpIndex);
    if (protectedLength === 0) return this.#refuse();
    this.#rtcpIndex++;
    return protectedLength;
  }

  #fits(packet: Buffer, length: number): boolean {
    return length <= packet.length && length <= MAX_PACKET_BYTES;
  }

  /** Sources are never forgotten: one that came back would use its roll-over counters, and so its nonces, again. */
  #addSource(ssrc: number): PacketWindow | undefined {
    if (this.#sources.size >= this.#maxSources) return undefined;
    const source = new PacketWindow();
    this.#sources.set(ssrc, source);
    return source;
  }

  #refuse(): number {
    this.refused++;
    return 0;
  }
}
