import { createHmac, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  ATTRIBUTE,
  BINDING,
  CLASSES,
  FINGERPRINT_BYTES,
  FINGERPRINT_XOR,
  FIRST_OPTIONAL_ATTRIBUTE,
  HEADER_BYTES,
  INTEGRITY_BYTES,
  MAGIC_COOKIE,
  type StunClass,
} from './constants.ts';
import { bytesToIp, type Endpoint } from './endpoint.ts';

/** A Binding message (RFC 8489) with what ICE says in it (RFC 8445 §16.1). Nothing of it is authentic by itself. */
export interface StunMessage {
  readonly class: StunClass;
  /** View of the datagram. */
  readonly transactionId: Buffer;
  username?: string;
  priority?: number;
  useCandidate: boolean;
  /** Role that the sender takes, and its tie-breaker. */
  role?: 'controlling' | 'controlled';
  tieBreaker?: bigint;
  mappedAddress?: Endpoint;
  errorCode?: number;
  errorReason?: string;
  /** Types that this code must understand and does not, the first few of them. */
  readonly unknownAttributes: number[];
  /** Where MESSAGE-INTEGRITY begins in the datagram; -1 without it. Nothing behind it was read. */
  integrityAt: number;
  /** A FINGERPRINT is there. It was right, or this would not be a message. */
  hasFingerprint: boolean;
}

/** RFC 8489 §14.3 allows 508 bytes; ICE has at most 256 characters on each side of the colon (RFC 8839 §5.4). */
const MAX_USERNAME_BYTES = 513;
const MAX_UNKNOWN = 8;
/** A check has about a hundred bytes and eight attributes; more than this is only there to be expensive. */
const MAX_MESSAGE_BYTES = 2048;
const MAX_ATTRIBUTES = 32;
const MAX_REASON_BYTES = 763;

/**
 * Reads a Binding message. Gives undefined for all else: other protocols and methods, lengths that lie, fields that
 * have not their size, a wrong FINGERPRINT, more bytes or attributes than anybody needs. Never throws.
 */
export function readStun(datagram: Buffer): StunMessage | undefined {
  const message = readHeader(datagram);
  if (message === undefined) return undefined;
  let at = HEADER_BYTES;
  for (let count = 1; at < datagram.length; count++) {
    if (at + 4 > datagram.length || message.hasFingerprint || count > MAX_ATTRIBUTES) return undefined;
    const type = datagram.readUInt16BE(at);
    const length = datagram.readUInt16BE(at + 2);
    const next = at + 4 + Math.ceil(length / 4) * 4;
    if (next > datagram.length) return undefined;
    if (type === ATTRIBUTE.fingerprint) {
      if (length !== FINGERPRINT_BYTES || datagram.readUInt32BE(at + 4) !== fingerprint(datagram, at)) return undefined;
      message.hasFingerprint = true;
    } else if (message.integrityAt < 0) {
      // Whatever stands behind MESSAGE-INTEGRITY is not covered by it and must be ignored (RFC 8489 §14.5).
      const value = datagram.subarray(at + 4, at + 4 + length);
      if (type === ATTRIBUTE.messageIntegrity) {
        if (length !== INTEGRITY_BYTES) return undefined;
        message.integrityAt = at;
      } else if (!readAttribute(message, type, value)) {
        return undefined;
      }
    }
    at = next;
  }
  return message;
}

/** The name of a message's receiver: what stands before the first colon of its USERNAME (RFC 8445 §7.2.2). */
export function localUfragOf(message: StunMessage): string | undefined {
  const colon = message.username?.indexOf(':') ?? -1;
  return colon > 0 ? message.username?.slice(0, colon) : undefined;
}

/** True when MESSAGE-INTEGRITY is there and was made with that password (short-term credential, RFC 8489 §9.1). */
export function isIntegrityRight(datagram: Buffer, message: StunMessage, password: string): boolean {
  if (message.integrityAt < 0) return false;
  const given = datagram.subarray(message.integrityAt + 4, message.integrityAt + 4 + INTEGRITY_BYTES);
  return timingSafeEqual(given, integrity(datagram, message.integrityAt, password));
}

/** The HMAC of a message whose MESSAGE-INTEGRITY is to stand at `at`: its length field ends there then. */
export function integrity(datagram: Buffer, at: number, password: string): Buffer {
  const start = Buffer.from(datagram.subarray(0, 4));
  start.writeUInt16BE(at + 4 + INTEGRITY_BYTES - HEADER_BYTES, 2);
  return createHmac('sha1', password).update(start).update(datagram.subarray(4, at)).digest();
}

/** The checksum of a message whose FINGERPRINT is to stand at `at`, as its last attribute. */
export function fingerprint(datagram: Buffer, at: number): number {
  return (crc32(datagram.subarray(0, at)) ^ FINGERPRINT_XOR) >>> 0;
}

function readHeader(datagram: Buffer): StunMessage | undefined {
  const bytes = datagram.length;
  if (bytes < HEADER_BYTES || bytes > MAX_MESSAGE_BYTES || bytes % 4 !== 0) return undefined;
  const type = datagram.readUInt16BE(0);
  if (datagram.readUInt32BE(4) !== MAGIC_COOKIE) return undefined;
  if (datagram.readUInt16BE(2) !== bytes - HEADER_BYTES) return undefined;
  // Bits 4 and 8 are the class, all others the method, and the first two are zero (RFC 8489 §5).
  if ((type & ~0x0110) !== BINDING) return undefined;
  const messageClass = CLASSES[((type >> 4) & 1) | ((type >> 7) & 2)];
  if (messageClass === undefined) return undefined;
  return {
    class: messageClass,
    transactionId: datagram.subarray(8, HEADER_BYTES),
    useCandidate: false,
    unknownAttributes: [],
    integrityAt: -1,
    hasFingerprint: false,
  };
}

/** False for a value that can not be. The first of several attributes of a type counts (RFC 8489 §14). */
function readAttribute(message: StunMessage, type: number, value: Buffer): boolean {
  switch (type) {
    case ATTRIBUTE.username:
      if (value.length > MAX_USERNAME_BYTES) return false;
      message.username ??= value.toString('utf8');
      return true;
    case ATTRIBUTE.priority:
      if (value.length !== 4) return false;
      message.priority ??= value.readUInt32BE(0);
      return true;
    case ATTRIBUTE.useCandidate:
      message.useCandidate = true;
      return value.length === 0;
    case ATTRIBUTE.iceControlled:
    case ATTRIBUTE.iceControlling:
      if (value.length !== 8) return false;
      message.role ??= type === ATTRIBUTE.iceControlled ? 'controlled' : 'controlling';
      message.tieBreaker ??= value.readBigUInt64BE(0);
      return true;
    case ATTRIBUTE.xorMappedAddress:
      return readMappedAddress(message, value);
    case ATTRIBUTE.errorCode:
      if (value.length < 4 || value.length > 4 + MAX_REASON_BYTES) return false;
      message.errorCode ??= ((value[2] ?? 0) & 7) * 100 + (value[3] ?? 0);
      message.errorReason ??= value.toString('utf8', 4);
      return true;
    case ATTRIBUTE.unknownAttributes:
      return value.length % 2 === 0;
    default:
      if (type < FIRST_OPTIONAL_ATTRIBUTE && message.unknownAttributes.length < MAX_UNKNOWN) {
        message.unknownAttributes.push(type);
      }
      return true;
  }
}

function readMappedAddress(message: StunMessage, value: Buffer): boolean {
  const family = value[1];
  if (value.length !== (family === 1 ? 8 : 20) || (family !== 1 && family !== 2)) return false;
  const bytes = Buffer.from(value.subarray(4));
  mixWithHeader(bytes, message.transactionId);
  message.mappedAddress ??= { address: bytesToIp(bytes), port: value.readUInt16BE(2) ^ (MAGIC_COOKIE >>> 16) };
  return true;
}

/** Mixes an address with the cookie and, for IPv6, the transaction (RFC 8489 §14.2), there and back. */
export function mixWithHeader(address: Buffer, transactionId: Uint8Array): void {
  address.writeInt32BE(address.readInt32BE(0) ^ MAGIC_COOKIE, 0);
  for (let i = 4; i < address.length; i++) address[i] = (address[i] ?? 0) ^ (transactionId[i - 4] ?? 0);
}
