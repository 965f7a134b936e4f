import {
  CLASSES,
  FINGERPRINT_BYTES,
  FIRST_OPTIONAL_ATTRIBUTE,
  HEADER_BYTES,
  MAGIC_COOKIE,
} from '../../wire/stun/constants.ts';
import { bytesToIp, type Endpoint, type StunClass } from '../../wire/stun/index.ts';
import { fingerprint, mixWithHeader } from '../../wire/stun/read.ts';
import { ATTRIBUTE, FAMILY, MAX_FRAME_BYTES } from './constants.ts';

/** A STUN message with what TURN says in it (RFC 8656 §18). Nothing of it is authentic by itself. */
export interface TurnMessage {
  readonly method: number;
  readonly class: StunClass;
  /** View of the message, as all values are. */
  readonly transactionId: Buffer;
  readonly bytes: Buffer;
  username?: string;
  realm?: string;
  nonce?: string;
  /** Number of PASSWORD-ALGORITHM; its parameters are empty for all that there are. */
  passwordAlgorithm?: number;
  passwordAlgorithms?: Buffer;
  /** XOR-PEER-ADDRESS, in the order of the message. */
  readonly peers: Endpoint[];
  data?: Buffer;
  lifetimeS?: number;
  channel?: number;
  /** Protocol number of REQUESTED-TRANSPORT. */
  transport?: number;
  /** Of REQUESTED-ADDRESS-FAMILY. */
  family?: number;
  evenPort?: { readonly reservesNext: boolean };
  hasReservation: boolean;
  errorCode?: number;
  mappedAddress?: Endpoint | undefined;
  relayedAddress?: Endpoint | undefined;
  /** Types that this code must understand and does not, the first few of them. */
  readonly unknownAttributes: number[];
  /** MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256, the stronger of those that are there. */
  integrity?: { readonly at: number; readonly algorithm: 'sha1' | 'sha256' };
  hasFingerprint: boolean;
}

/** RFC 8489 §14.3 for names, §14.9 and §14.10 for the others. */
const MAX_USERNAME_BYTES = 508;
const MAX_TEXT_BYTES = 763;
const MAX_UNKNOWN = 8;
const MAX_ATTRIBUTES = 48;
const MAX_PEERS = 16;
export const INTEGRITY_BYTES = { sha1: 20, sha256: 32 } as const;

/**
 * Reads a message of STUN. Gives undefined for all else: other protocols, lengths that lie, fields that have not their
 * size, a wrong FINGERPRINT, more bytes or attributes than anybody needs. Never throws.
 */
export function readTurnMessage(bytes: Buffer): TurnMessage | undefined {
  const message = readHeader(bytes);
  if (message === undefined) return undefined;
  let at = HEADER_BYTES;
  for (let count = 1; at < bytes.length; count++) {
    if (at + 4 > bytes.length || message.hasFingerprint || count > MAX_ATTRIBUTES) return undefined;
    const type = bytes.readUInt16BE(at);
    const length = bytes.readUInt16BE(at + 2);
    const next = at + 4 + Math.ceil(length / 4) * 4;
    if (next > bytes.length) return undefined;
    if (type === ATTRIBUTE.fingerprint) {
      if (length !== FINGERPRINT_BYTES || bytes.readUInt32BE(at + 4) !== fingerprint(bytes, at)) return undefined;
      message.hasFingerprint = true;
    } else if (!readPart(message, type, { at, value: bytes.subarray(at + 4, at + 4 + length) })) return undefined;
    at = next;
  }
  return message;
}

function readHeader(bytes: Buffer): TurnMessage | undefined {
  const { length } = bytes;
  if (length < HEADER_BYTES || length > MAX_FRAME_BYTES || length % 4 !== 0) return undefined;
  const type = bytes.readUInt16BE(0);
  if (type >= 0x4000 || bytes.readUInt32BE(4) !== MAGIC_COOKIE) return undefined;
  if (bytes.readUInt16BE(2) !== length - HEADER_BYTES) return undefined;
  const messageClass = CLASSES[((type >> 4) & 1) | ((type >> 7) & 2)];
  if (messageClass === undefined) return undefined;
  return {
    // The bits of the class lie between those of the method (RFC 8489 §5).
    method: (type & 0xf) | ((type & 0xe0) >> 1) | ((type & 0x3e00) >> 2),
    class: messageClass,
    transactionId: bytes.subarray(8, HEADER_BYTES),
    bytes,
    peers: [],
    hasReservation: false,
    unknownAttributes: [],
    hasFingerprint: false,
  };
}

interface Part {
  readonly at: number;
  readonly value: Buffer;
}

/** False for a value that can not be. Behind the first integrity only another one counts (RFC 8489 §14.5). */
function readPart(message: TurnMessage, type: number, { at, value }: Part): boolean {
  if (type === ATTRIBUTE.messageIntegrity) {
    message.integrity ??= { at, algorithm: 'sha1' };
    return value.length === INTEGRITY_BYTES.sha1;
  }
  if (type === ATTRIBUTE.messageIntegritySha256) {
    if (message.integrity?.algorithm !== 'sha256') message.integrity = { at, algorithm: 'sha256' };
    // TURN does not provide for a shortened one (RFC 8489 §14.6).
    return value.length === INTEGRITY_BYTES.sha256;
  }
  if (message.integrity !== undefined) return true;
  return readText(message, type, value) ?? readNumber(message, type, value) ?? readOther(message, type, value);
}

/** Undefined when the type is none of these. The first of several attributes of a type counts (RFC 8489 §14). */
function readText(message: TurnMessage, type: number, value: Buffer): boolean | undefined {
  switch (type) {
    case ATTRIBUTE.username:
      message.username ??= value.toString('utf8');
      return value.length <= MAX_USERNAME_BYTES;
    case ATTRIBUTE.realm:
      message.realm ??= value.toString('utf8');
      return value.length <= MAX_TEXT_BYTES;
    case ATTRIBUTE.nonce:
      message.nonce ??= value.toString('latin1');
      return value.length <= MAX_TEXT_BYTES;
    case ATTRIBUTE.data:
      message.data ??= value;
      return true;
    case ATTRIBUTE.passwordAlgorithms:
      message.passwordAlgorithms ??= value;
      return true;
    case ATTRIBUTE.errorCode:
      if (value.length < 4 || value.length > 4 + MAX_TEXT_BYTES) return false;
      message.errorCode ??= ((value[2] ?? 0) & 7) * 100 + (value[3] ?? 0);
      return true;
    default:
      return undefined;
  }
}

function readNumber(message: TurnMessage, type: number, value: Buffer): boolean | undefined {
  switch (type) {
    case ATTRIBUTE.lifetime:
      if (value.length !== 4) return false;
      message.lifetimeS ??= value.readUInt32BE(0);
      return true;
    case ATTRIBUTE.channelNumber:
      if (value.length !== 4) return false;
      message.channel ??= value.readUInt16BE(0);
      return true;
    case ATTRIBUTE.requestedTransport:
      if (value.length !== 4) return false;
      message.transport ??= value[0] ?? 0;
      return true;
    case ATTRIBUTE.requestedAddressFamily:
      if (value.length !== 4) return false;
      message.family ??= value[0] ?? 0;
      return true;
    case ATTRIBUTE.passwordAlgorithm:
      if (value.length < 4) return false;
      message.passwordAlgorithm ??= value.readUInt16BE(0);
      return true;
    case ATTRIBUTE.evenPort:
      if (value.length !== 1) return false;
      message.evenPort ??= { reservesNext: ((value[0] ?? 0) & 0x80) !== 0 };
      return true;
    default:
      return undefined;
  }
}

function readOther(message: TurnMessage, type: number, value: Buffer): boolean {
  switch (type) {
    case ATTRIBUTE.reservationToken:
      message.hasReservation = true;
      return value.length === 8;
    // Nothing here is ever cut into fragments, because nothing leaves by the relayed address.
    case ATTRIBUTE.dontFragment:
      return value.length === 0;
    case ATTRIBUTE.xorPeerAddress: {
      const peer = readAddress(value, message.transactionId);
      if (peer === undefined || message.peers.length >= MAX_PEERS) return false;
      message.peers.push(peer);
      return true;
    }
    case ATTRIBUTE.xorMappedAddress:
      message.mappedAddress ??= readAddress(value, message.transactionId);
      return message.mappedAddress !== undefined;
    case ATTRIBUTE.xorRelayedAddress:
      message.relayedAddress ??= readAddress(value, message.transactionId);
      return message.relayedAddress !== undefined;
    case ATTRIBUTE.unknownAttributes:
      return value.length % 2 === 0;
    default:
      if (type < FIRST_OPTIONAL_ATTRIBUTE && message.unknownAttributes.length < MAX_UNKNOWN) {
        message.unknownAttributes.push(type);
      }
      return true;
  }
}

function readAddress(value: Buffer, transactionId: Buffer): Endpoint | undefined {
  const family = value[1];
  if (family !== FAMILY.IPv4 && family !== FAMILY.IPv6) return undefined;
  if (value.length !== (family === FAMILY.IPv4 ? 8 : 20)) return undefined;
  const bytes = Buffer.from(value.subarray(4));
  mixWithHeader(bytes, transactionId);
  return { address: spelled(bytesToIp(bytes)), port: value.readUInt16BE(2) ^ (MAGIC_COOKIE >>> 16) };
}

/** In the shortest form (RFC 5952 §4), as the system writes it, so that one address has one spelling. */
function spelled(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address;
}
