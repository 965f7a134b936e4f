import type { TlsIdentity } from '../../../io/index.ts';

/** A TURN server (RFC 8656) that relays to this server's own WebRTC media and nowhere else. */
export interface TurnOptions {
  readonly host: string;
  /** UDP and TCP; 0 for none. */
  readonly port: number;
  /** TCP with TLS; 0 for none. Needs `identity`. */
  readonly securePort: number;
  readonly identity: TlsIdentity | undefined;
  readonly realm: string;
  /** The lasting user; undefined for none. */
  readonly user: { readonly name: string; readonly password: string } | undefined;
  /** From which time-limited names and passwords are made: `<unix time>:<anything>`, Base64 of its HMAC-SHA-1. */
  readonly secret: string;
  /** How long those are good that this server hands out, seconds. */
  readonly credentialLifetimeS: number;
  readonly maxAllocations: number;
  readonly maxAllocationsPerAddress: number;
}
