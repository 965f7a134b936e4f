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

async function pem(options: {
  keyType: 'ec' | 'rsa';
  curve?: 'P-256' | 'P-384';
}): Promise<{ cert: string; key: string }> {
  const made = await generate([{ name: 'commonName', value: 'test' }], {
    ...options,
    keySize: 2048,
    algorithm: 'sha256',
  });
  return { cert: made.cert, key: made.private };
}

/** Makes an identity with ECDSA over P-256. */
export async function ecdsaIdentity(): Promise<OwnIdentity> {
  const files = await pem({ keyType: 'ec', curve: 'P-256' });
  const certificate = createDtlsCertificate(files);
  return { ...files, certificate, fingerprints: [{ algorithm: 'sha-256', value: certificate.fingerprint }] };
}

/** Makes an identity that can only be a peer's: RSA with 2048 bits, or ECDSA over P-384. */
export async function foreignIdentity(kind: 'rsa' | 'p384'): Promise<Identity> {
  const files = await pem(kind === 'rsa' ? { keyType: 'rsa' } : { keyType: 'ec', curve: 'P-384' });
  return { ...files, fingerprints: [{ algorithm: 'sha-256', value: certificateFingerprint(derOf(files.cert)) }] };
}

/** DER of a certificate in PEM. */
export function derOf(cert: string): Buffer {
  return Buffer.from(cert.replace(/-----[^-]+-----|\s/g, ''), 'base64');
}
