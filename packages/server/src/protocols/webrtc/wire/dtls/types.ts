import type { KeyObject } from 'node:crypto';

/** SRTP protection profiles that `use_srtp` may agree on (RFC 5764 §4.1.2, RFC 7714 §14.2). */
export type SrtpProfile = 'AEAD_AES_128_GCM' | 'AES_CM_128_HMAC_SHA1_80';

/** Our certificate: ECDSA over P-256, self-signed as a rule. Make one with `createDtlsCertificate`. */
export interface DtlsCertificate {
  /** The certificate in DER. */
  readonly certificate: Buffer;
  readonly privateKey: KeyObject;
  /** SHA-256 of the certificate as `a=fingerprint` writes it: upper-case hexadecimal with colons (RFC 8122 §5). */
  readonly fingerprint: string;
}

/** One `a=fingerprint` line of the peer (RFC 8122 §5). */
export interface RemoteFingerprint {
  /** Name of the hash function, in any case: `sha-256`, `sha-384` or `sha-512`; others never match. */
  readonly algorithm: string;
  /** Hexadecimal with colons, in any case. */
  readonly value: string;
}

/** Master key and salt of one direction (RFC 3711 §8.1). */
export interface SrtpMasterKey {
  readonly key: Buffer;
  readonly salt: Buffer;
}

/** What a finished handshake gives to SRTP (RFC 5764 §4.2). */
export interface DtlsSrtpKeys {
  readonly profile: SrtpProfile;
  /** For what we send. */
  readonly local: SrtpMasterKey;
  /** For what the peer sends. */
  readonly remote: SrtpMasterKey;
}

/** Why an association ended that we did not close ourselves. */
export type DtlsCloseReason = 'fingerprint' | 'error' | 'timeout' | 'close_notify';

export interface DtlsOptions {
  readonly role: 'client' | 'server';
  readonly certificate: DtlsCertificate;
  /** What the signalling says of the peer's certificate. With an empty list no peer is accepted. */
  readonly remoteFingerprints: readonly RemoteFingerprint[];
  /** Our profiles, the most wanted first. */
  readonly srtpProfiles: readonly SrtpProfile[];
  /** Longest datagram that is sent, bytes; 1200 unless told. Held between 256 and 16,384. */
  readonly mtu?: number;
  /** Takes one datagram, which is never written again. It may close the association, and may call `receive`. */
  send(datagram: Buffer): void;
  /** Called at most once, when the peer has proved that it owns the certificate and has seen the same handshake. */
  onConnected(keys: DtlsSrtpKeys): void;
  /** Called at most once, and never after our own `close()`. Nothing is sent afterwards. */
  onClosed(reason: DtlsCloseReason, detail: string): void;
}
