import { crc32 } from 'node:zlib';
import { createTransform } from './create-transform.ts';
import { PacketWindow, WINDOW_PACKETS } from './packet-window.ts';
import { SRTP_PROFILES, type SrtpMasterKey, type SrtpProfile } from './profile.ts';
import { MAX_PACKET_BYTES, type SrtpTransform } from './transform.ts';

export interface SrtpSenderOptions {
  /** At most so many SSRCs are sent with one key. Default 64. */
  readonly maxSources?: number;
  /**
   * Lets a packet be sent again, the very same to the last byte of header and payload, while it is among the newest
   * 1024 of its source. Costs a checksum for each packet. Default false.
   */
  readonly allowRepeats?: boolean;
}

/** Roll-over counters have 32 bits, SRTCP indices 31; a key is used up then (RFC 3711 §9.2). */
const MAX_RTP_INDEX = 2 ** 48 - 1;
const MAX_RTCP_INDEX = 2 ** 31 - 1;

/** What was sent of one SSRC. */
interface SentSource {
  readonly window: PacketWindow;
  /** Of the newest packets, by index: two different ones under one number would give away the key of GCM. */
  readonly checksums: Uint32Array | undefined;
}

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
  readonly #sources = new Map<number, SentSource>();
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
    const { window, checksums } = source;
    const index = window.guess(packet.readUInt16BE(2));
    const checksum = checksums === undefined ? 0 : crc32(packet.subarray(0, length));
    const isNew = window.isNew(index);
    if (index > MAX_RTP_INDEX || !(isNew || isRepeat(source, index, checksum))) return this.#refuse();
    const protectedLength = this.#transform.protectRtp(packet, length, index);
    if (protectedLength === 0) return this.#refuse();
    if (isNew) {
      window.add(index);
      if (checksums !== undefined) checksums[index % WINDOW_PACKETS] = checksum;
    }
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
  #addSource(ssrc: number): SentSource | undefined {
    if (this.#sources.size >= this.#maxSources) return undefined;
    const checksums = this.#allowRepeats ? new Uint32Array(WINDOW_PACKETS) : undefined;
    const source = { window: new PacketWindow(), checksums };
    this.#sources.set(ssrc, source);
    return source;
  }

  #refuse(): number {
    this.refused++;
    return 0;
  }
}

function isRepeat({ window, checksums }: SentSource, index: number, checksum: number): boolean {
  return checksums !== undefined && window.wasSeen(index) && checksums[index % WINDOW_PACKETS] === checksum;
}
