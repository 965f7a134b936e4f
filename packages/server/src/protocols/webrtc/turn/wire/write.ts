import { CLASSES, FINGERPRINT_BYTES, HEADER_BYTES, MAGIC_COOKIE } from '../../wire/stun/constants.ts';
import { type Endpoint, ipToBytes, type StunClass } from '../../wire/stun/index.ts';
import { fingerprint, mixWithHeader } from '../../wire/stun/read.ts';
import { ATTRIBUTE, CHANNEL_HEADER_BYTES, FAMILY, METHOD, REASONS, type TurnErrorCode } from './constants.ts';
import { type IntegrityKey, integrityOf } from './integrity.ts';
import { INTEGRITY_BYTES } from './read.ts';

/** Writes one message of STUN, attribute by attribute. Values come from our own side and must fit. */
export class TurnWriter {
  readonly #type: number;
  readonly #transactionId: Uint8Array;
  readonly #attributes: Buffer[] = [];

  /** @param transactionId 12 bytes: random for a request or an indication, the request's for an answer */
  constructor(method: number, messageClass: StunClass, transactionId: Uint8Array) {
    this.#type = typeOf(method, messageClass);
    this.#transactionId = transactionId;
  }

  /** XOR-MAPPED-, XOR-PEER- or XOR-RELAYED-ADDRESS. @throws RangeError for an address that is none */
  address(type: number, endpoint: Endpoint): this {
    return this.attribute(type, addressValue(endpoint, this.#transactionId));
  }

  error(code: TurnErrorCode): this {
    const start = Buffer.from([0, 0, Math.floor(code / 100), code % 100]);
    return this.attribute(ATTRIBUTE.errorCode, Buffer.concat([start, Buffer.from(REASONS[code])]));
  }

  unknownAttributes(types: readonly number[]): this {
    const value = Buffer.alloc(2 * types.length);
    for (const [i, type] of types.entries()) value.writeUInt16BE(type, 2 * i);
    return this.attribute(ATTRIBUTE.unknownAttributes, value);
  }

  text(type: number, text: string): this {
    return this.attribute(type, Buffer.from(text));
  }

  uint32(type: number, number: number): this {
    const value = Buffer.alloc(4);
    value.writeUInt32BE(number);
    return this.attribute(type, value);
  }

  /** Any attribute, padded with zeros. */
  attribute(type: number, value: Uint8Array): this {
    const padded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
    padded.writeUInt16BE(type, 0);
    padded.writeUInt16BE(value.length, 2);
    padded.set(value, 4);
    this.#attributes.push(padded);
    return this;
  }

  /** The message, with integrity by that key and FINGERPRINT at its end where they are wished for. */
  finish(options: { readonly key?: IntegrityKey | undefined; readonly fingerprint?: boolean } = {}): Buffer {
    const { key } = options;
    const integrityAt = this.#bytes();
    if (key !== undefined) {
      const type = key.algorithm === 'sha1' ? ATTRIBUTE.messageIntegrity : ATTRIBUTE.messageIntegritySha256;
      this.attribute(type, Buffer.alloc(INTEGRITY_BYTES[key.algorithm]));
    }
    const fingerprintAt = this.#bytes();
    if (options.fingerprint === true) this.attribute(ATTRIBUTE.fingerprint, Buffer.alloc(FINGERPRINT_BYTES));
    const header = Buffer.alloc(HEADER_BYTES);
    writeHeader(header, this.#type, this.#transactionId);
    const message = Buffer.concat([header, ...this.#attributes]);
    message.writeUInt16BE(message.length - HEADER_BYTES, 2);
    if (key !== undefined) message.set(integrityOf(message, integrityAt, key), integrityAt + 4);
    if (options.fingerprint === true) message.writeUInt32BE(fingerprint(message, fingerprintAt), fingerprintAt + 4);
    return message;
  }

  #bytes(): number {
    return this.#attributes.reduce((bytes, attribute) => bytes + attribute.length, HEADER_BYTES);
  }
}

/** A datagram as the frame of a channel (RFC 8656 §12.4), padded as streams need it when `padded`. Hot path. */
export function writeChannelData(channel: number, datagram: Uint8Array, padded: boolean): Buffer {
  const bytes = CHANNEL_HEADER_BYTES + datagram.length;
  const frame = Buffer.allocUnsafe(padded ? (bytes + 3) & ~3 : bytes);
  frame.writeUInt16BE(channel, 0);
  frame.writeUInt16BE(datagram.length, 2);
  frame.set(datagram, CHANNEL_HEADER_BYTES);
  frame.fill(0, bytes);
  return frame;
}

/** A datagram of a peer as a Data indication (RFC 8656 §11.4). */
export function writeDataIndication(peer: Endpoint, datagram: Uint8Array, transactionId: Uint8Array): Buffer {
  return new TurnWriter(METHOD.data, 'indication', transactionId)
    .address(ATTRIBUTE.xorPeerAddress, peer)
    .attribute(ATTRIBUTE.data, datagram)
    .finish();
}

function typeOf(method: number, messageClass: StunClass): number {
  const classBits = CLASSES.indexOf(messageClass);
  const methodBits = (method & 0xf) | ((method & 0x70) << 1) | ((method & 0xf80) << 2);
  return methodBits | ((classBits & 1) << 4) | ((classBits & 2) << 7);
}

function writeHeader(header: Buffer, type: number, transactionId: Uint8Array): void {
  header.writeUInt16BE(type, 0);
  header.writeUInt32BE(MAGIC_COOKIE, 4);
  header.set(transactionId, 8);
}

function addressValue({ address, port }: Endpoint, transactionId: Uint8Array): Buffer {
  const bytes = ipToBytes(address);
  const start = Buffer.from([0, bytes.length === 4 ? FAMILY.IPv4 : FAMILY.IPv6, 0, 0]);
  start.writeUInt16BE(port ^ (MAGIC_COOKIE >>> 16), 2);
  mixWithHeader(bytes, transactionId);
  return Buffer.concat([start, bytes]);
}
