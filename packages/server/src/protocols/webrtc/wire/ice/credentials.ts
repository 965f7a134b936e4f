import { randomBytes } from 'node:crypto';

/** Name and password of one side of an ICE session (RFC 8839 §5.4). */
export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** Fresh credentials: 48 random bits of name, 144 of password, in Base64 without padding, which is ICE's alphabet. */
export function createIceCredentials(): IceCredentials {
  return { ufrag: randomBytes(6).toString('base64'), pwd: randomBytes(18).toString('base64') };
}
