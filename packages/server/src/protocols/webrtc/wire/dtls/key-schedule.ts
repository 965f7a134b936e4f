import { createHash, createHmac } from 'node:crypto';
import type { WriteKeys } from './records.ts';
import type { DtlsSrtpKeys, SrtpProfile } from './types.ts';

/** P_SHA256 and PRF (RFC 5246 §5). */
export function prf(secret: Buffer, label: string, seed: Buffer, bytes: number): Buffer {
  const labelled = Buffer.concat([Buffer.from(label, 'ascii'), seed]);
  const hmac = (data: Buffer) => createHmac('sha256', secret).update(data).digest();
  // Memory of its own: parts of it live as long as a call, and must not hold a piece of the shared pool for that.
  const output = Buffer.alloc(bytes);
  let a = labelled;
  for (let have = 0; have < bytes; have += 32) {
    a = hmac(a);
    hmac(Buffer.concat([a, labelled])).copy(output, have);
  }
  return output;
}

/** SHA-256 of a handshake's messages (RFC 5246 §7.4.9, with the hash of the cipher suite). */
export function transcriptHash(messages: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const message of messages) hash.update(message);
  return hash.digest();
}

/** Two keys of 16 bytes and two salts of 4. */
const RECORD_KEY_BYTES = 40;

/** Number, key and salt lengths in bytes of each profile (RFC 5764 §4.1.2, RFC 7714 §12 and §14.2). */
const SRTP_PROFILES = {
  AEAD_AES_128_GCM: { id: 0x0007, keyBytes: 16, saltBytes: 12 },
  AES_CM_128_HMAC_SHA1_80: { id: 0x0001, keyBytes: 16, saltBytes: 14 },
} as const satisfies Record<SrtpProfile, unknown>;

/** The number of a profile in `use_srtp`. */
export function srtpProfileId(profile: SrtpProfile): number {
  return SRTP_PROFILES[profile].id;
}

export interface SecretInputs {
  /** The x coordinate of the shared point, 32 bytes (RFC 8422 §5.10). */
  readonly premaster: Buffer;
  /** Hash of all messages up to and with ClientKeyExchange (RFC 7627 §3). */
  readonly sessionHash: Buffer;
  readonly clientRandom: Buffer;
  readonly serverRandom: Buffer;
}

/** Everything that follows from the master secret of one handshake. */
export class Secrets {
  readonly #master: Buffer;
  readonly #clientRandom: Buffer;
  readonly #serverRandom: Buffer;

  constructor(inputs: SecretInputs) {
    // RFC 7627 §4; the master secret of RFC 5246 §8.1 is never computed.
    this.#master = prf(inputs.premaster, 'extended master secret', inputs.sessionHash, 48);
    this.#clientRandom = inputs.clientRandom;
    this.#serverRandom = inputs.serverRandom;
  }

  /** Record keys of both directions (RFC 5246 §6.3; without MAC keys, as RFC 5288 §3 has it). */
  recordKeys(): { client: WriteKeys; server: WriteKeys } {
    const randoms = Buffer.concat([this.#serverRandom, this.#clientRandom]);
    // They are kept as long as the association, which must not hold a piece of Node's shared memory for that.
    const block = Buffer.allocUnsafeSlow(RECORD_KEY_BYTES);
    prf(this.#master, 'key expansion', randoms, RECORD_KEY_BYTES).copy(block);
    return {
      client: { key: block.subarray(0, 16), salt: block.subarray(32, 36) },
      server: { key: block.subarray(16, 32), salt: block.subarray(36, 40) },
    };
  }

  /** `verify_data` of a Finished, 12 bytes (RFC 5246 §7.4.9). */
  verifyData(sender: 'client' | 'server', messages: readonly Buffer[]): Buffer {
    return prf(this.#master, `${sender} finished`, transcriptHash(messages), 12);
  }

  /** SRTP master keys by the exporter of RFC 5705 §4 without context, cut as RFC 5764 §4.2 says. */
  srtpKeys(profile: SrtpProfile, role: 'client' | 'server'): DtlsSrtpKeys {
    const { keyBytes, saltBytes } = SRTP_PROFILES[profile];
    const randoms = Buffer.concat([this.#clientRandom, this.#serverRandom]);
    const material = prf(this.#master, 'EXTRACTOR-dtls_srtp', randoms, 2 * (keyBytes + saltBytes));
    const salts = material.subarray(2 * keyBytes);
    const client = { key: material.subarray(0, keyBytes), salt: salts.subarray(0, saltBytes) };
    const server = { key: material.subarray(keyBytes, 2 * keyBytes), salt: salts.subarray(saltBytes) };
    return role === 'client' ? { profile, local: client, remote: server } : { profile, local: server, remote: client };
  }
}
