import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** From whom a message comes: nonces are good for one such client only. */
export interface NonceHolder {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly address: string;
  readonly port: number;
}

/**
 * Says with RFC 8489 §9.2 that passwords may be hashed in other ways than MD5: the "nonce cookie", and the features in
 * Base64, of which the first bit is set.
 */
const COOKIE = 'obMatJos2gAAA';
const TIME_BYTES = 4;
const MAC_BYTES = 8;
/** RFC 8656 §5 wants a new one at least every hour. */
const LIFETIME_S = 3600;

/**
 * Makes nonces that nobody else can, and keeps none: each says when it was made, under a MAC that covers its client's
 * address as well. So whoever forges a source address, and does not hear the answers, gets no further.
 */
export class Nonces {
  readonly #key = randomBytes(32);

  issue(holder: NonceHolder, nowMs: number): string {
    const time = Buffer.alloc(TIME_BYTES);
    time.writeUInt32BE(Math.floor(nowMs / 1000));
    return COOKIE + Buffer.concat([time, this.#mac(time, holder)]).toString('base64url');
  }

  /** False for one that is too old, is another client's, or was made by somebody else. */
  isGood(nonce: string, holder: NonceHolder, nowMs: number): boolean {
    if (!nonce.startsWith(COOKIE)) return false;
    const bytes = Buffer.from(nonce.slice(COOKIE.length), 'base64url');
    if (bytes.length !== TIME_BYTES + MAC_BYTES) return false;
    const time = bytes.subarray(0, TIME_BYTES);
    if (!timingSafeEqual(bytes.subarray(TIME_BYTES), this.#mac(time, holder))) return false;
    return nowMs / 1000 - time.readUInt32BE(0) < LIFETIME_S;
  }

  #mac(time: Buffer, { transport, address, port }: NonceHolder): Buffer {
    const mac = createHmac('sha256', this.#key).update(time).update(`${transport} ${address} ${port}`).digest();
    return mac.subarray(0, MAC_BYTES);
  }
}
