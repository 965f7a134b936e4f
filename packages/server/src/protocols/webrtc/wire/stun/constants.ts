/** Numbers of STUN (RFC 8489 §5, §14; RFC 8445 §16.1) that reader and writer share. */
export const MAGIC_COOKIE = 0x2112a442;
export const HEADER_BYTES = 20;
export const TRANSACTION_ID_BYTES = 12;
export const BINDING = 1;
/** Attributes below this must be understood (RFC 8489 §14). */
export const FIRST_OPTIONAL_ATTRIBUTE = 0x8000;
/** Mixed into the checksum, so that it differs from one of another protocol inside (RFC 8489 §14.7). */
export const FINGERPRINT_XOR = 0x5354554e;
export const INTEGRITY_BYTES = 20;
export const FINGERPRINT_BYTES = 4;

export const ATTRIBUTE = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  software: 0x8022,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const;

/** What a message is: the two bits of its type that are not the method (RFC 8489 §5). */
export type StunClass = 'request' | 'indication' | 'success' | 'error';
export const CLASSES: readonly StunClass[] = ['request', 'indication', 'success', 'error'];
