import { ADDRESS_BYTES, writeAddress } from '../addresses.ts';
import type { ResendOptions, RtpFormat, RtpPlaces } from '../egress.ts';

/*
 * A command, little-endian, in multiples of eight bytes:
 *
 *  0      2      4      8             16       20             22
 * | kind | mark | size | peer, f64   | length | transport at | send time at | bytes, or fields as f64 |
 *
 * Raw datagrams have their address from byte 24 on, and their bytes from byte 48 on.
 */
const HEADER_BYTES = 24;
const RAW_HEADER_BYTES = 48;
const KIND = { rtp: 1, rtcp: 2, raw: 3, resend: 4 } as const;
export const FORMAT_FIELDS = 9;
const RESEND_FIELDS = 4 + FORMAT_FIELDS;
const INITIAL_BYTES = 64 * 1024;

/** Writes how a track is written for a peer, as the addon reads it. */
export function packFormat(target: Float64Array, at: number, format: RtpFormat): void {
  target[at] = format.ssrc;
  target[at + 1] = format.payloadType;
  target[at + 2] = format.timestampOffset;
  target[at + 3] = format.transportSequenceId ?? 0;
  target[at + 4] = format.sendTimeId ?? 0;
  target[at + 5] = format.orientationId ?? 0;
  target[at + 6] = format.vp8 === undefined ? 0 : 1;
  target[at + 7] = format.vp8?.pictureIdOffset ?? 0;
  target[at + 8] = format.vp8?.tl0Offset ?? 0;
}

/** What is to be sent, gathered so that it goes over to the addon in one call. */
export class CommandBatch {
  /** The first `used` bytes count. */
  bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  used = 0;
  readonly #fields = new Float64Array(RESEND_FIELDS);
  readonly #fieldBytes = new Uint8Array(this.#fields.buffer);

  // Hot path: allocates only while batches grow.
  rtp(peer: number, packet: Uint8Array, places: RtpPlaces | undefined): void {
    const at = this.#begin(KIND.rtp, HEADER_BYTES, packet.length);
    this.bytes.writeDoubleLE(peer, at + 8);
    if (places !== undefined) {
      this.bytes.writeUInt16LE(places.mark ?? 0, at + 2);
      this.bytes.writeUInt16LE(places.transportSequenceAt ?? 0, at + 20);
      this.bytes.writeUInt16LE(places.sendTimeAt ?? 0, at + 22);
    }
    this.bytes.set(packet, at + HEADER_BYTES);
  }

  rtcp(peer: number, packet: Uint8Array): void {
    const at = this.#begin(KIND.rtcp, HEADER_BYTES, packet.length);
    this.bytes.writeDoubleLE(peer, at + 8);
    this.bytes.set(packet, at + HEADER_BYTES);
  }

  raw(address: Uint8Array, datagram: Uint8Array): void {
    const at = this.#begin(KIND.raw, RAW_HEADER_BYTES, datagram.length);
    this.bytes.set(address, at + HEADER_BYTES);
    this.bytes.set(datagram, at + RAW_HEADER_BYTES);
  }

  resend(peer: number, { lane, sequence, number, originalNumber, format }: ResendOptions): void {
    const fields = this.#fields;
    fields[0] = lane;
    fields[1] = sequence;
    fields[2] = number;
    fields[3] = originalNumber ?? -1;
    packFormat(fields, 4, format);
    const at = this.#begin(KIND.resend, HEADER_BYTES, this.#fieldBytes.length);
    this.bytes.writeDoubleLE(peer, at + 8);
    this.bytes.set(this.#fieldBytes, at + HEADER_BYTES);
  }

  #begin(kind: number, headerBytes: number, length: number): number {
    const at = this.used;
    const size = (headerBytes + length + 7) & ~7;
    if (at + size > this.bytes.length) this.#grow(at + size);
    this.bytes.writeUInt32LE(kind, at);
    this.bytes.writeUInt32LE(size, at + 4);
    this.bytes.writeUInt32LE(length, at + 16);
    this.bytes.writeUInt32LE(0, at + 20);
    this.used = at + size;
    return at;
  }

  #grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.used));
    this.bytes = larger;
  }
}

/** An address as the addon takes it, in memory that all calls share. */
export class AddressBytes {
  readonly bytes = new Uint8Array(ADDRESS_BYTES);

  /** @throws RangeError for what is no address */
  of(address: string, port: number): Uint8Array {
    writeAddress(this.bytes, 0, address, port);
    return this.bytes;
  }
}
