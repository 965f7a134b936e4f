import { createCipheriv } from 'node:crypto';
import { SRTP_PROFILES, type SrtpMasterKey, type SrtpProfile } from './profile.ts';

/** What protects the packets of one direction and kind (RTP or RTCP). */
export interface SessionKeys {
  readonly cipher: Buffer;
  readonly salt: Buffer;
  /** Key of HMAC-SHA1; nobody needs it with GCM, which authenticates by itself. */
  readonly authentication: Buffer;
}

const AUTHENTICATION_KEY_BYTES = 20;
/** Salts that are shorter, those of GCM, are followed by zeros (RFC 7714 §11). */
const KDF_SALT_BYTES = 14;
/** Where the label meets the salt: `key_id` has 7 bytes and is aligned to the salt's end (RFC 3711 §4.3.1). */
const LABEL_AT = 7;

/**
 * Derives the session keys of both kinds of packets from a master key (RFC 3711 §4.3), once: the key derivation rate
 * is zero, as DTLS-SRTP wants it.
 * @throws RangeError when a length is not the profile's: a mistake of the caller, never of the network
 */
export function deriveSessionKeys(
  profile: SrtpProfile,
  master: SrtpMasterKey,
): { readonly rtp: SessionKeys; readonly rtcp: SessionKeys } {
  const lengths = SRTP_PROFILES[profile];
  if (master.key.length !== lengths.key || master.salt.length !== lengths.salt) {
    throw new RangeError(`${profile} needs ${lengths.key} + ${lengths.salt} bytes of key and salt`);
  }
  const derive = (firstLabel: number): SessionKeys => ({
    cipher: pseudoRandom(master, firstLabel, lengths.key),
    authentication: pseudoRandom(master, firstLabel + 1, AUTHENTICATION_KEY_BYTES),
    salt: pseudoRandom(master, firstLabel + 2, lengths.salt),
  });
  return { rtp: derive(0), rtcp: derive(3) };
}

function pseudoRandom(master: SrtpMasterKey, label: number, bytes: number): Buffer {
  const counter = Buffer.alloc(KDF_SALT_BYTES + 2);
  counter.set(master.salt);
  counter[LABEL_AT] = (counter[LABEL_AT] ?? 0) ^ label;
  return createCipheriv('aes-128-ctr', master.key, counter).update(Buffer.alloc(bytes));
}
