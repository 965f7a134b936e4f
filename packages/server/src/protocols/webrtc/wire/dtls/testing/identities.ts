import { generate } from 'selfsigned';
import { certificateFingerprint, createDtlsCertificate } from '../certificate.ts';
import type { DtlsCertificate, RemoteFingerprint } from '../types.ts';

/** Somebody with a certificate, as files for other programs and as our own form. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly fingerprints: readonly RemoteFingerprint[];
}

/** An identity with a certificate that we can use ourselves. */
export interface OwnIdentity extends Identity {
  readonly certificate: DtlsCertificate;
}

type KeyOptions = { keyType: 'ec'; curve: 'P-256' | 'P-384' } | { keyType: 'rsa'; keySize: number };

async function pem(options: KeyOptions): Promise<{ cert: string; key: string }> {
  const made = await generate([{ name: 'commonName', value: 'test' }], { ...options, algorithm: 'sha256' });
  return { cert: made.cert, key: made.private };
}

/** Makes an identity with ECDSA over P-256. */
export async function ecdsaIdentity(): Promise<OwnIdentity> {
  const files = await pem({ keyType: 'ec', curve: 'P-256' });
  const certificate = createDtlsCertificate(files);
  return { ...files, certificate, fingerprints: [{ algorithm: 'sha-256', value: certificate.fingerprint }] };
}

/** Makes an identity that can only be a peer's: RSA with 2048 or 1024 bits, or ECDSA over P-384. */
export async function foreignIdentity(kind: 'rsa' | 'rsa1024' | 'p384'): Promise<Identity> {
  const rsa = { keyType: 'rsa', keySize: kind === 'rsa' ? 2048 : 1024 } as const;
  const files = await pem(kind === 'p384' ? { keyType: 'ec', curve: 'P-384' } : rsa);
  return { ...files, fingerprints: [{ algorithm: 'sha-256', value: certificateFingerprint(derOf(files.cert)) }] };
}

/** DER of a certificate in PEM. */
export function derOf(cert: string): Buffer {
  return Buffer.from(cert.replace(/-----[^-]+-----|\s/g, ''), 'base64');
}
