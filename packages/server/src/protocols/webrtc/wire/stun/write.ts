import {
  ATTRIBUTE,
  BINDING,
  CLASSES,
  FINGERPRINT_BYTES,
  HEADER_BYTES,
  INTEGRITY_BYTES,
  MAGIC_COOKIE,
  type StunClass,
} from './constants.ts';
import { type Endpoint, ipToBytes } from './endpoint.ts';
import { fingerprint, integrity, mixWithHeader } from './read.ts';

/** Writes one Binding message, attribute by attribute. Values come from our own side and must fit. */
export class StunWriter {
  readonly #class: StunClass;
  readonly #transactionId: Uint8Array;
  readonly #attributes: Buffer[] = [];

  /** @param transactionId 12 bytes: random for a request, the request's for an answer */
  constructor(messageClass: StunClass, transactionId: Uint8Array) {
    this.#class = messageClass;
    this.#transactionId = transactionId;
  }

  /** `<receiver's ufrag>:<sender's ufrag>` in a check of ICE (RFC 8445 §7.2.2). */
  username(name: string): this {
    return this.attribute(ATTRIBUTE.username, Buffer.from(name));
  }

  priority(priority: number): this {
    const value = Buffer.alloc(4);
    value.writeUInt32BE(priority);
    return this.attribute(ATTRIBUTE.priority, value);
  }

  useCandidate(): this {
    return this.attribute(ATTRIBUTE.useCandidate, Buffer.alloc(0));
  }

  role(role: 'controlling' | 'controlled', tieBreaker: bigint): this {
    const value = Buffer.alloc(8);
    value.writeBigUInt64BE(tieBreaker);
    return this.attribute(role === 'controlled' ? ATTRIBUTE.iceControlled : ATTRIBUTE.iceControlling, value);
  }

  /** @throws RangeError for an address that is none */
  xorMappedAddress(endpoint: Endpoint): this {
    const address = ipToBytes(endpoint.address);
    const start = Buffer.from([0, address.length === 4 ? 1 : 2, 0, 0]);
    start.writeUInt16BE(endpoint.port ^ (MAGIC_COOKIE >>> 16), 2);
    mixWithHeader(address, this.#transactionId);
    return this.attribute(ATTRIBUTE.xorMappedAddress, Buffer.concat([start, address]));
  }

  /** @param code from 300 to 699 (RFC 8489 §14.8) */
  errorCode(code: number, reason: string): this {
    const start = Buffer.from([0, 0, Math.floor(code / 100), code % 100]);
    return this.attribute(ATTRIBUTE.errorCode, Buffer.concat([start, Buffer.from(reason)]));
  }

  unknownAttributes(types: readonly number[]): this {
    const value = Buffer.alloc(2 * types.length);
    for (const [i, type] of types.entries()) value.writeUInt16BE(type, 2 * i);
    return this.attribute(ATTRIBUTE.unknownAttributes, value);
  }

  /** Any attribute, padded with zeros. */
  attribute(type: number, value: Buffer): this {
    const padded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
    padded.writeUInt16BE(type, 0);
    padded.writeUInt16BE(value.length, 2);
    padded.set(value, 4);
    this.#attributes.push(padded);
    return this;
  }

  /** The message with FINGERPRINT alone: for servers that ask for no password. */
  finishUnsigned(): Buffer {
    this.attribute(ATTRIBUTE.fingerprint, Buffer.alloc(FINGERPRINT_BYTES));
    return this.#fingerprinted(this.#message());
  }

  /** The message, with MESSAGE-INTEGRITY by that password and FINGERPRINT at the end. */
  finish(password: string): Buffer {
    const integrityAt = HEADER_BYTES + this.#attributes.reduce((bytes, attribute) => bytes + attribute.length, 0);
    this.attribute(ATTRIBUTE.messageIntegrity, Buffer.alloc(INTEGRITY_BYTES));
    this.attribute(ATTRIBUTE.fingerprint, Buffer.alloc(FINGERPRINT_BYTES));
    const message = this.#message();
    message.set(integrity(message, integrityAt, password), integrityAt + 4);
    return this.#fingerprinted(message);
  }

  #message(): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    const classBits = CLASSES.indexOf(this.#class);
    header.writeUInt16BE(BINDING | ((classBits & 1) << 4) | ((classBits & 2) << 7), 0);
    header.writeUInt32BE(MAGIC_COOKIE, 4);
    header.set(this.#transactionId, 8);
    const message = Buffer.concat([header, ...this.#attributes]);
    message.writeUInt16BE(message.length - HEADER_BYTES, 2);
    return message;
  }

  #fingerprinted(message: Buffer): Buffer {
    const fingerprintAt = message.length - 4 - FINGERPRINT_BYTES;
    message.writeUInt32BE(fingerprint(message, fingerprintAt), fingerprintAt + 4);
    return message;
  }
}
