import { describe, expect, test } from 'vitest';
import { certificateFingerprint, createDtlsCertificate, matchesFingerprint } from './certificate.ts';
import { prf } from './key-schedule.ts';
import { derOf, ecdsaIdentity, foreignIdentity } from './testing/identities.ts';

const [own, other] = await Promise.all([ecdsaIdentity(), ecdsaIdentity()]);
const der = own.certificate.certificate;
const sha256 = { algorithm: 'sha-256', value: certificateFingerprint(der) };
const sha512 = { algorithm: 'sha-512', value: certificateFingerprint(der, 'sha-512') };

describe('a certificate of ours', () => {
  test('gives DER and the fingerprint as SDP writes it', () => {
    expect(der).toEqual(derOf(own.cert));
    expect(own.certificate.fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    expect(own.certificate.fingerprint).toBe(sha256.value);
  });

  test.each(['rsa', 'p384'] as const)('is refused with a key of %s', async (kind) => {
    const identity = await foreignIdentity(kind);
    expect(() => createDtlsCertificate(identity)).toThrow(/not ECDSA over P-256/);
  });

  test('is refused with the key of another, and when it is none', () => {
    expect(() => createDtlsCertificate({ cert: own.cert, key: other.key })).toThrow(/not the key of the certificate/);
    expect(() => createDtlsCertificate({ cert: 'x', key: 'y' })).toThrow(
      expect.objectContaining({ code: 'DTLS_BAD_CERTIFICATE' }),
    );
  });
});

describe('fingerprints', () => {
  test('match in any case', () => {
    expect(matchesFingerprint(der, [{ algorithm: 'SHA-256', value: sha256.value.toLowerCase() }])).toBe(true);
  });

  test('match when one of several with the same hash does', () => {
    expect(matchesFingerprint(der, [{ ...sha256, value: other.certificate.fingerprint }, sha256])).toBe(true);
  });

  test('count only with the strongest hash that is there', () => {
    expect(matchesFingerprint(der, [sha256, sha512])).toBe(true);
    expect(matchesFingerprint(der, [sha256, { ...sha512, value: sha512.value.replace(/^./, 'Z') }])).toBe(false);
  });

  test('never match with a weak hash, an unknown one, a shortened value, or none', () => {
    const sha1 = { algorithm: 'sha-1', value: certificateFingerprint(der, 'sha-1') };
    const short = { ...sha256, value: sha256.value.slice(0, -3) };
    for (const list of [[sha1], [{ ...sha256, algorithm: 'sha-257' }], [short], [{ ...sha256, value: '' }], []]) {
      expect(matchesFingerprint(der, list)).toBe(false);
    }
  });
});

test('the PRF gives the published test vector', () => {
  // From the TLS working group's mailing list, for P_SHA256.
  const secret = Buffer.from('9bbe436ba940f017b17652849a71db35', 'hex');
  const seed = Buffer.from('a0ba9f936cda311827a6f796ffd5198c', 'hex');
  const wanted =
    'e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af' +
    '0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66';
  expect(prf(secret, 'test label', seed, 100).toString('hex')).toBe(wanted);
});
