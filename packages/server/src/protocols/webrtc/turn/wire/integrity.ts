import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { HEADER_BYTES } from '../../wire/stun/constants.ts';
import { PASSWORD_ALGORITHM } from './constants.ts';
import { INTEGRITY_BYTES, type TurnMessage } from './read.ts';

/** What a message's integrity is made with. */
export interface IntegrityKey {
  /** Of MESSAGE-INTEGRITY (RFC 8489 §14.5) or MESSAGE-INTEGRITY-SHA256 (§14.6). */
  readonly algorithm: 'sha1' | 'sha256';
  readonly key: Buffer;
}

/** The key of a long-term credential (RFC 8489 §18.5.1.1 and §18.5.1.2). */
export function longTermKey(
  algorithm: number,
  { username, realm, password }: { readonly username: string; readonly realm: string; readonly password: string },
): Buffer {
  const hash = algorithm === PASSWORD_ALGORITHM.sha256 ? 'sha256' : 'md5';
  return createHash(hash).update(`${username}:${realm}:${password}`).digest();
}

/** True when the message's integrity is there and was made with that key. Takes the same time whatever is wrong. */
export function isIntegrityRight({ bytes, integrity }: TurnMessage, key: Buffer): boolean {
  if (integrity === undefined) return false;
  const { at, algorithm } = integrity;
  const given = bytes.subarray(at + 4, at + 4 + INTEGRITY_BYTES[algorithm]);
  return timingSafeEqual(given, integrityOf(bytes, at, { algorithm, key }));
}

/** The HMAC of a message whose integrity is to stand at `at`: its length field ends there then. */
export function integrityOf(bytes: Buffer, at: number, { algorithm, key }: IntegrityKey): Buffer {
  const start = Buffer.from(bytes.subarray(0, 4));
  start.writeUInt16BE(at + 4 + INTEGRITY_BYTES[algorithm] - HEADER_BYTES, 2);
  return createHmac(algorithm, key).update(start).update(bytes.subarray(4, at)).digest();
}
