import { ProtocolError } from '../packet.ts';
import { readU16, readU32, writeU16, writeU32 } from './bytes.ts';
import {
  extensionDataLength,
  NO_EXTENSIONS,
  type RtpExtension,
  type RtpExtensions,
  writeExtensions,
} from './extensions.ts';

/** Bytes of a header without contributing sources and extensions. */
export const RTP_HEADER_BYTES = 12;
const VERSION = 2;

/** One RTP packet (RFC 3550 §5.1). `payload` and `extensions` are views into the bytes that were parsed. */
export interface RtpPacket {
  /** 0 to 127. */
  readonly payloadType: number;
  readonly marker: boolean;
  /** 0 to 65535. */
  readonly sequence: number;
  /** Unsigned, 32 bits. */
  readonly timestamp: number;
  /** Unsigned, 32 bits. */
  readonly ssrc: number;
  /** Without padding; empty in packets that are only padding. */
  readonly payload: Uint8Array;
  /** Header extension, to be read with `extension(packet, id)`. */
  readonly extensions: RtpExtensions;
  /** Bytes of padding after the payload, 0 to 255. */
  readonly paddingLength: number;
}

/**
 * Parses an RTP packet, RFC 3550 §5.1. Nothing is copied; contributing sources are passed over. Broken elements inside
 * a header extension do not matter here.
 *
 * Hot path: allocates the packet, the view of the payload and, where there is an extension, its view.
 * @throws ProtocolError RTP_BAD_PACKET for another version than 2 and lengths that exceed the packet.
 */
export function parseRtp(bytes: Uint8Array): RtpPacket {
  const first = bytes[0] ?? 0;
  if (bytes.length < RTP_HEADER_BYTES) throw badPacket(`${bytes.length} bytes are too few`);
  if (first >> 6 !== VERSION) throw badPacket(`version ${first >> 6}`);
  const second = bytes[1] ?? 0;
  let start = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  let extensions = NO_EXTENSIONS;
  if ((first & 0x10) !== 0) {
    const end = start + 4 + 4 * readU16(bytes, start + 2);
    if (end > bytes.length) throw badPacket('the header extension exceeds the packet');
    extensions = { profile: readU16(bytes, start), data: bytes.subarray(start + 4, end) };
    start = end;
  }
  if (start > bytes.length) throw badPacket('the contributing sources exceed the packet');
  const paddingLength = (first & 0x20) === 0 ? 0 : paddingOf(bytes, start);
  return {
    payloadType: second & 0x7f,
    marker: (second & 0x80) !== 0,
    sequence: readU16(bytes, 2),
    timestamp: readU32(bytes, 4),
    ssrc: readU32(bytes, 8),
    payload: bytes.subarray(start, bytes.length - paddingLength),
    extensions,
    paddingLength,
  };
}

function paddingOf(bytes: Uint8Array, start: number): number {
  const length = bytes.at(-1) ?? 0;
  if (length === 0 || length > bytes.length - start) throw badPacket(`${length} bytes of padding`);
  return length;
}

/** What the header of an outgoing packet says. */
export interface RtpHeaderFields {
  readonly payloadType: number;
  readonly marker: boolean;
  /** The low 16 bits count. */
  readonly sequence: number;
  /** The low 32 bits count. */
  readonly timestamp: number;
  readonly ssrc: number;
  /** Elements of the header extension; none by default. */
  readonly extensions?: readonly RtpExtension[] | undefined;
}

/** Bytes that `writeRtpHeader` writes for these fields. */
export function rtpHeaderLength(fields: Pick<RtpHeaderFields, 'extensions'>): number {
  const { extensions } = fields;
  if (extensions === undefined || extensions.length === 0) return RTP_HEADER_BYTES;
  return RTP_HEADER_BYTES + 4 + extensionDataLength(extensions);
}

/**
 * Writes an RTP header at the start of `target`, which must have room for `rtpHeaderLength(fields)` bytes, and gives
 * its length. Extensions go in the one-byte form of RFC 8285 where they fit into it, else in the two-byte form.
 *
 * Hot path: allocates nothing.
 */
export function writeRtpHeader(target: Uint8Array, fields: RtpHeaderFields): number {
  const { extensions } = fields;
  const extended = extensions !== undefined && extensions.length > 0;
  target[0] = (VERSION << 6) | (extended ? 0x10 : 0);
  target[1] = (fields.marker ? 0x80 : 0) | (fields.payloadType & 0x7f);
  writeU16(target, 2, fields.sequence);
  writeU32(target, 4, fields.timestamp);
  writeU32(target, 8, fields.ssrc);
  return extended ? writeExtensions(target, RTP_HEADER_BYTES, extensions) : RTP_HEADER_BYTES;
}

/** Header and payload as one packet of its own memory; for places where an allocation does not matter. */
export function writeRtp(fields: RtpHeaderFields, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(rtpHeaderLength(fields) + payload.length);
  packet.set(payload, writeRtpHeader(packet, fields));
  return packet;
}

/** How far sequence number `to` is after `from`, -32768 to 32767, across the wrap at 65536 (RFC 3550 appendix A.1). */
export function sequenceDistance(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}

/** How far timestamp `to` is after `from`, -2^31 to 2^31 - 1, across the wrap at 2^32. */
export function timestampDistance(from: number, to: number): number {
  return (to - from) | 0;
}

function badPacket(reason: string): ProtocolError {
  return new ProtocolError('RTP_BAD_PACKET', `bad RTP packet: ${reason}`);
}
