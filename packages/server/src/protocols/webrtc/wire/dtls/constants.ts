/** DTLS 1.2 on the wire: the one's complement of 1.2 (RFC 6347 §4.1). */
export const DTLS_1_2 = 0xfefd;
/** DTLS 1.0: seen on the first records of a client that offers more, and on HelloVerifyRequest; never negotiated. */
export const DTLS_1_0 = 0xfeff;

/** RFC 5246 §6.2.1. */
export const ContentType = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
} as const;

/** RFC 5246 §7.4 and RFC 6347 §4.3.2. */
export const HandshakeType = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;

/** The extensions that we read or write; all others are skipped. */
export const ExtensionType = {
  /** RFC 8422 §5.1.1. */
  supportedGroups: 10,
  /** RFC 8422 §5.1.2. */
  ecPointFormats: 11,
  /** RFC 5246 §7.4.1.4.1. */
  signatureAlgorithms: 13,
  /** RFC 5764 §4.1.1. */
  useSrtp: 14,
  /** RFC 7627 §5.1. */
  extendedMasterSecret: 23,
  /** RFC 8446 §4.2.1: read only to see whether a client of DTLS 1.3 would take 1.2 too. */
  supportedVersions: 43,
  /** RFC 5746 §3.2. */
  renegotiationInfo: 0xff01,
} as const;

/** TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 (RFC 5289 §3.2), which RFC 8827 §6.5 obliges everyone to have. */
export const CIPHER_SUITE = 0xc02b;
/** TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746 §3.3). */
export const RENEGOTIATION_SCSV = 0x00ff;
/** secp256r1, also called P-256 (RFC 8422 §5.1.1). */
export const NAMED_GROUP_P256 = 23;

/** Signature schemes, which for ECDSA and PKCS #1 are the hash and signature pairs of RFC 5246 §7.4.1.4.1. */
export const SignatureScheme = {
  ecdsaSha256: 0x0403,
  rsaPkcs1Sha256: 0x0401,
  /** RFC 8446 §4.2.3. */
  rsaPssSha256: 0x0804,
} as const;

/** What a peer may sign with, the most wanted first. */
export const ACCEPTED_SIGNATURES: readonly number[] = [
  SignatureScheme.ecdsaSha256,
  SignatureScheme.rsaPssSha256,
  SignatureScheme.rsaPkcs1Sha256,
];

/** ClientCertificateType (RFC 5246 §7.4.4, RFC 8422 §5.5). */
export const CertificateType = { rsaSign: 1, ecdsaSign: 64 } as const;
