/** Protection profiles of DTLS-SRTP (RFC 5764 §4.1.2, RFC 7714 §14.2), without their prefix `SRTP_`. */
export type SrtpProfile = 'AEAD_AES_128_GCM' | 'AES_CM_128_HMAC_SHA1_80';

/** Master key and salt of one direction: 16 bytes, and 12 (GCM) or 14 (CM) bytes. */
export interface SrtpMasterKey {
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
}

/** Lengths that follow from the profile, bytes. Overheads are what protection adds to a packet. */
export interface SrtpProfileLengths {
  readonly key: number;
  readonly salt: number;
  readonly rtpOverhead: number;
  readonly rtcpOverhead: number;
}

export const SRTP_PROFILES: Readonly<Record<SrtpProfile, SrtpProfileLengths>> = {
  AEAD_AES_128_GCM: { key: 16, salt: 12, rtpOverhead: 16, rtcpOverhead: 20 },
  AES_CM_128_HMAC_SHA1_80: { key: 16, salt: 14, rtpOverhead: 10, rtcpOverhead: 14 },
};
