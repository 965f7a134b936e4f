import { constants, createHash, createPrivateKey, type KeyObject, sign, verify, X509Certificate } from 'node:crypto';
import { ProtocolError } from '@sluice/media';
import { Alert, HandshakeError } from './alerts.ts';
import { ACCEPTED_SIGNATURES, SignatureScheme } from './constants.ts';
import type { DtlsCertificate, RemoteFingerprint } from './types.ts';

/** Hash functions for fingerprints that are still safe, the strongest first; MD5 and SHA-1 are not (RFC 8122 §5). */
const FINGERPRINT_HASHES = ['sha-512', 'sha-384', 'sha-256'] as const;
/** RSA keys outside are too weak, or so large that to verify with them is a burden. */
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
const MAX_RSA_EXPONENT = 0xffffffffn;

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

/** Fingerprint of a certificate in DER, as SDP writes it. */
export function certificateFingerprint(der: Uint8Array, algorithm = 'sha-256'): string {
  const hex = createHash(algorithm.replace('-', '')).update(der).digest('hex').toUpperCase();
  return (hex.match(/../g) ?? []).join(':');
}

/**
 * Makes our certificate from PEM. Of several certificates the first counts.
 * @throws ProtocolError DTLS_BAD_CERTIFICATE when either cannot be read, the two do not belong together, or the key is
 * not ECDSA over P-256
 */
export function createDtlsCertificate(pem: { cert: string; key: string }): DtlsCertificate {
  let certificate: X509Certificate;
  let privateKey: KeyObject;
  try {
    certificate = new X509Certificate(pem.cert);
    privateKey = createPrivateKey(pem.key);
  } catch (error) {
    throw new ProtocolError('DTLS_BAD_CERTIFICATE', `certificate or key cannot be read: ${String(error)}`);
  }
  if (!isP256(privateKey)) throw new ProtocolError('DTLS_BAD_CERTIFICATE', 'the key is not ECDSA over P-256');
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new ProtocolError('DTLS_BAD_CERTIFICATE', 'the key is not the key of the certificate');
  }
  return { certificate: certificate.raw, privateKey, fingerprint: certificateFingerprint(certificate.raw) };
}

/**
 * Tells whether the signalling vouches for a certificate. Of the peer's fingerprints only those with the strongest hash
 * function that we know count, and one of them must match (RFC 8122 §5.1).
 */
export function matchesFingerprint(der: Uint8Array, fingerprints: readonly RemoteFingerprint[]): boolean {
  for (const algorithm of FINGERPRINT_HASHES) {
    const promised = fingerprints.filter((fingerprint) => fingerprint.algorithm.toLowerCase() === algorithm);
    if (promised.length === 0) continue;
    const actual = certificateFingerprint(der, algorithm);
    return promised.some((fingerprint) => fingerprint.value.toUpperCase() === actual);
  }
  return false;
}

/**
 * Gives the public key of the peer's certificate: ECDSA over P-256, or RSA. The certificate is parsed only after its
 * fingerprint has matched, so that strangers reach no ASN.1 parser. Names, dates and chains mean nothing here: the
 * fingerprint is the whole authentication (RFC 8827 §6.5, RFC 5763 §5).
 * @throws HandshakeError bad_certificate, unsupported_certificate
 */
export function peerPublicKey(der: Buffer, fingerprints: readonly RemoteFingerprint[]): KeyObject {
  if (!matchesFingerprint(der, fingerprints)) {
    // RFC 8842 §5.1: the association is torn down; RFC 8122 §6.2: with bad_certificate.
    throw new HandshakeError(
      Alert.badCertificate,
      `certificate ${certificateFingerprint(der)} was not announced`,
      true,
    );
  }
  let key: KeyObject;
  try {
    key = new X509Certificate(der).publicKey;
  } catch {
    throw new HandshakeError(Alert.badCertificate, 'certificate cannot be read');
  }
  if (isP256(key) || isUsableRsa(key)) return key;
  throw new HandshakeError(Alert.unsupportedCertificate, `certificate with a key of type ${key.asymmetricKeyType}`);
}

function isUsableRsa(key: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  const sound = modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS && publicExponent <= MAX_RSA_EXPONENT;
  return key.asymmetricKeyType === 'rsa' && sound;
}

/** Signs with ecdsa_secp256r1_sha256. */
export function signEcdsa(key: KeyObject, data: Buffer): Buffer {
  return sign('sha256', data, key);
}

export interface PeerSignature {
  readonly scheme: number;
  readonly signature: Buffer;
}

/**
 * Checks a signature of the peer. The scheme must be one that we offered (RFC 5246 §7.4.3 and §7.4.8) and fit the key.
 * @throws HandshakeError illegal_parameter, decrypt_error
 */
export function checkSignature(key: KeyObject, data: Buffer, { scheme, signature }: PeerSignature): void {
  const rsa = key.asymmetricKeyType === 'rsa';
  if (!ACCEPTED_SIGNATURES.includes(scheme) || rsa !== (scheme !== SignatureScheme.ecdsaSha256)) {
    throw new HandshakeError(Alert.illegalParameter, `signature scheme 0x${scheme.toString(16)}`);
  }
  // RFC 8446 §4.2.3: the salt of rsa_pss_rsae_sha256 is as long as the digest.
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  const valid = verify('sha256', data, scheme === SignatureScheme.rsaPssSha256 ? { key, ...pss } : key, signature);
  if (!valid) throw new HandshakeError(Alert.decryptError, 'bad signature');
}
