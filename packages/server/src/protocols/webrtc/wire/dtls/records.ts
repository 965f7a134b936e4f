import { createCipheriv, createDecipheriv } from 'node:crypto';
import { DTLS_1_0, DTLS_1_2 } from './constants.ts';

/**
 * One record (RFC 6347 §4.1):
 *
 *     0      1        3      5            11       13
 *     +------+--------+------+------------+--------+----------
 *     | type | version| epoch| sequence   | length | fragment
 *     +------+--------+------+------------+--------+----------
 */
export interface DtlsRecord {
  readonly type: number;
  readonly version: number;
  readonly epoch: number;
  /** 48 bits. */
  readonly sequence: number;
  /** A view of the datagram. */
  readonly fragment: Buffer;
}

/** Bytes before the fragment. */
export const RECORD_HEADER_BYTES = 13;
/** Explicit nonce and tag that AES-GCM adds (RFC 5288 §3). */
export const GCM_OVERHEAD_BYTES = 8 + 16;
/** TLSPlaintext.length MUST NOT exceed 2^14 (RFC 5246 §6.2.1). */
export const MAX_PLAINTEXT_BYTES = 1 << 14;
const MAX_SEQUENCE = 2 ** 48 - 1;
const TAG_BYTES = 16;
const EXPLICIT_NONCE_BYTES = 8;

/**
 * Cuts a datagram into its records. Whatever is no whole record ends the reading: such bytes are dropped without a
 * word, because anyone may send them (RFC 6347 §4.1.2.7).
 */
export function readRecords(datagram: Buffer): DtlsRecord[] {
  const records: DtlsRecord[] = [];
  for (let at = 0; datagram.length - at >= RECORD_HEADER_BYTES; ) {
    const version = datagram.readUInt16BE(at + 1);
    const length = datagram.readUInt16BE(at + 11);
    const start = at + RECORD_HEADER_BYTES;
    const known = version === DTLS_1_2 || version === DTLS_1_0;
    // RFC 6347 §4.1: a record does not span datagrams.
    if (!known || length > MAX_PLAINTEXT_BYTES + GCM_OVERHEAD_BYTES || length > datagram.length - start) break;
    records.push({
      type: datagram[at] ?? 0,
      version,
      epoch: datagram.readUInt16BE(at + 3),
      sequence: datagram.readUIntBE(at + 5, 6),
      fragment: datagram.subarray(start, start + length),
    });
    at = start + length;
  }
  return records;
}

/** Key and implicit nonce of one direction (RFC 5288 §3). */
export interface WriteKeys {
  /** 16 bytes. */
  readonly key: Buffer;
  /** 4 bytes. */
  readonly salt: Buffer;
}

/** The data that a record's tag also covers: number, type, version and length of the plaintext (RFC 5246 §6.2.3.3). */
function additionalData(header: Buffer, plaintextBytes: number): Buffer {
  const data = Buffer.allocUnsafe(13);
  header.copy(data, 0, 3, 11);
  header.copy(data, 8, 0, 3);
  data.writeUInt16BE(plaintextBytes, 11);
  return data;
}

/**
 * Writes the records of one epoch. A sequence number is never used twice, also not for a message that is sent again:
 * it is part of the nonce, and AES-GCM falls when a nonce comes back (RFC 5288 §3, RFC 6347 §4.1).
 */
export class RecordWriter {
  /** What a record takes beside its plaintext, bytes. */
  readonly overheadBytes: number;
  readonly #epoch: number;
  readonly #keys: WriteKeys | undefined;
  #sequence = 0;

  constructor(epoch: number, keys?: WriteKeys) {
    this.#epoch = epoch;
    this.#keys = keys;
    this.overheadBytes = RECORD_HEADER_BYTES + (keys === undefined ? 0 : GCM_OVERHEAD_BYTES);
  }

  /** @throws Error when the epoch's 2^48 numbers are used up (RFC 6347 §4.1: they must not wrap) */
  write(type: number, plaintext: Buffer): Buffer {
    if (this.#sequence > MAX_SEQUENCE) throw new Error('record numbers of the epoch are used up');
    const header = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
    header[0] = type;
    header.writeUInt16BE(DTLS_1_2, 1);
    header.writeUInt16BE(this.#epoch, 3);
    header.writeUIntBE(this.#sequence, 5, 6);
    header.writeUInt16BE(plaintext.length + this.overheadBytes - RECORD_HEADER_BYTES, 11);
    this.#sequence += 1;
    return this.#keys === undefined ? Buffer.concat([header, plaintext]) : seal(this.#keys, header, plaintext);
  }
}

function seal(keys: WriteKeys, header: Buffer, plaintext: Buffer): Buffer {
  // RFC 5288 §3 leaves the explicit nonce to us; epoch and sequence number never repeat under one key.
  const explicit = header.subarray(3, 11);
  const cipher = createCipheriv('aes-128-gcm', keys.key, Buffer.concat([keys.salt, explicit]));
  cipher.setAAD(additionalData(header, plaintext.length));
  return Buffer.concat([header, explicit, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Opens a protected record; undefined when it was not written with these keys. */
export function openRecord(keys: WriteKeys, record: DtlsRecord): Buffer | undefined {
  const { fragment } = record;
  const plaintextBytes = fragment.length - GCM_OVERHEAD_BYTES;
  if (plaintextBytes < 0) return undefined;
  const header = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  header[0] = record.type;
  header.writeUInt16BE(record.version, 1);
  header.writeUInt16BE(record.epoch, 3);
  header.writeUIntBE(record.sequence, 5, 6);
  const nonce = Buffer.concat([keys.salt, fragment.subarray(0, EXPLICIT_NONCE_BYTES)]);
  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(header, plaintextBytes));
  decipher.setAuthTag(fragment.subarray(fragment.length - TAG_BYTES));
  const plaintext = decipher.update(fragment.subarray(EXPLICIT_NONCE_BYTES, fragment.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plaintext;
}
