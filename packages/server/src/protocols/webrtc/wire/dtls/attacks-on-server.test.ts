import { createPrivateKey, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Alert } from './alerts.ts';
import { certificateFingerprint } from './certificate.ts';
import { ContentType, HandshakeType, SignatureScheme } from './constants.ts';
import {
  attackServer,
  clientUntilChangeCipherSpec,
  connectClient,
  expectRefused,
  expectWaiting,
} from './testing/attack.ts';
import { derOf, ecdsaIdentity, foreignIdentity } from './testing/identities.ts';
import type { EndOptions } from './testing/pair.ts';

const [own, victim, attacker] = await Promise.all([ecdsaIdentity(), ecdsaIdentity(), ecdsaIdentity()]);
const rsa = await foreignIdentity('rsa');
const victimDer = victim.certificate.certificate;
const victimKey = victim.certificate.privateKey;

const scene = { own, victim };
const attack = (options?: EndOptions) => attackServer(scene, options);
const untilChangeCipherSpec = () => clientUntilChangeCipherSpec(scene);
const connect = () => connectClient(scene);

test('a client made by hand connects when it does everything right', () => {
  const client = connect();
  expect(client.end.keys[0]).toEqual(client.secrets?.srtpKeys('AEAD_AES_128_GCM', 'server'));
  expect(client.types.at(-1)).toBe(HandshakeType.finished);
});

describe('a server refuses a client that is not who it says', () => {
  test('the victim’s certificate with the attacker’s signature', () => {
    const client = attack();
    client.hello();
    client.certificate(victimDer);
    client.keyExchange();
    client.verify(attacker.certificate.privateKey);
    expectRefused(client, /bad signature/, Alert.decryptError);
  });

  test('a signature of the victim over another handshake', () => {
    const other = untilChangeCipherSpec();
    const verify = other.transcript.messages.at(-1)?.subarray(12) ?? Buffer.alloc(0);
    const client = attack();
    client.hello();
    client.certificate(victimDer);
    client.keyExchange();
    client.message(HandshakeType.certificateVerify, verify);
    expectRefused(client, /bad signature/, Alert.decryptError);
  });

  test('a certificate with another fingerprint', () => {
    const client = attack();
    client.hello();
    client.certificate(attacker.certificate.certificate);
    expectRefused(client, /was not announced/, Alert.badCertificate);
    expect(client.end.closed[0]?.reason).toBe('fingerprint');
  });

  test('the right certificate in second place behind another', () => {
    const client = attack();
    client.hello();
    client.certificate(attacker.certificate.certificate, victimDer);
    expectRefused(client, /was not announced/, Alert.badCertificate);
  });

  test('any certificate when the signalling has announced none', () => {
    const client = attack({ remoteFingerprints: [] });
    client.hello();
    client.certificate(victimDer);
    expectRefused(client, /was not announced/, Alert.badCertificate);
  });

  test('an empty list of certificates', () => {
    const client = attack();
    client.hello();
    client.certificate();
    expectRefused(client, /no certificate/, Alert.handshakeFailure);
  });

  test('no Certificate message', () => {
    const client = attack();
    client.hello();
    client.keyExchange();
    expectRefused(client, /clientKeyExchange when Certificate was due/, Alert.unexpectedMessage);
  });

  test('no CertificateVerify', () => {
    const client = attack();
    client.hello();
    client.certificate(victimDer);
    client.keyExchange();
    client.changeCipherSpec();
    client.finished();
    expectWaiting(client);
    client.finished(undefined, 0);
    expectWaiting(client);
  });

  test('a certificate that is announced but no certificate', () => {
    const junk = randomBytes(300);
    const client = attack({ remoteFingerprints: [{ algorithm: 'sha-256', value: certificateFingerprint(junk) }] });
    client.hello();
    client.certificate(junk);
    expectRefused(client, /cannot be read/, Alert.badCertificate);
  });

  test.each(['p384', 'rsa1024'] as const)('a key of the kind %s', async (kind) => {
    const foreign = await foreignIdentity(kind);
    const client = attack({ remoteFingerprints: foreign.fingerprints });
    client.hello();
    client.certificate(derOf(foreign.cert));
    expectRefused(client, /key of type (ec|rsa)/, Alert.unsupportedCertificate);
  });

  test.each([0x0203, 0x0401, 0x0804, 0x0503, 0x0807])('signature scheme %i, which does not fit', (scheme) => {
    const client = attack();
    client.hello();
    client.certificate(victimDer);
    client.keyExchange();
    client.verify(victimKey, scheme);
    expectRefused(client, /signature scheme/, Alert.illegalParameter);
  });
});

describe('a client with an RSA certificate', () => {
  const withRsa = () => {
    const client = attack({ remoteFingerprints: rsa.fingerprints });
    client.hello();
    client.certificate(derOf(rsa.cert));
    client.keyExchange();
    return { client, key: createPrivateKey(rsa.key) };
  };

  test('connects when it signs with SHA-256', () => {
    const { client, key } = withRsa();
    client.verify(key, SignatureScheme.rsaPkcs1Sha256);
    client.changeCipherSpec();
    client.finished();
    expect(client.end.association.connected).toBe(true);
  });

  test.each([0x0201, 0x0101, 0x0403, 0x0601, 0x0809])('is refused with signature scheme %i', (scheme) => {
    const { client, key } = withRsa();
    client.verify(key, scheme);
    expectRefused(client, /signature scheme/, Alert.illegalParameter);
  });

  test('is refused when it says PSS and signs otherwise', () => {
    const { client, key } = withRsa();
    client.verify(key, SignatureScheme.rsaPssSha256);
    expectRefused(client, /bad signature/, Alert.decryptError);
  });
});

describe('a server is not connected without a right Finished', () => {
  test('a wrong one', () => {
    const client = untilChangeCipherSpec();
    client.changeCipherSpec();
    client.finished(randomBytes(12));
    expectRefused(client, /wrong finished/, Alert.decryptError);
  });

  test.each([0, 11, 13])('one of %i bytes', (bytes) => {
    const client = untilChangeCipherSpec();
    client.changeCipherSpec();
    client.finished(Buffer.concat([client.verifyData(), Buffer.alloc(1)]).subarray(0, bytes));
    expectRefused(client, /finished of/, Alert.decodeError);
  });

  test('the server’s own, reflected', () => {
    const client = untilChangeCipherSpec();
    client.changeCipherSpec();
    client.finished(client.secrets?.verifyData('server', client.transcript.messages));
    expectRefused(client, /wrong finished/, Alert.decryptError);
  });

  test('none at all', () => {
    const client = untilChangeCipherSpec();
    client.changeCipherSpec();
    for (let nowMs = 0; nowMs < 60_000; nowMs += 50) client.end.association.tick(nowMs);
    client.read();
    expect(client.end.closed).toEqual([{ reason: 'timeout', detail: 'the peer did not answer' }]);
    expect(client.end.keys).toEqual([]);
  });

  test('a right one in plain text after ChangeCipherSpec', () => {
    const client = untilChangeCipherSpec();
    client.changeCipherSpec();
    client.finished(client.verifyData(), 0);
    expectWaiting(client);
  });

  test('a right one in plain text instead of ChangeCipherSpec', () => {
    const client = untilChangeCipherSpec();
    client.finished(client.verifyData(), 0);
    expectRefused(client, /finished when ChangeCipherSpec was due/, Alert.unexpectedMessage);
  });

  test('a right one in epoch 1 without ChangeCipherSpec', () => {
    const client = untilChangeCipherSpec();
    client.finished();
    expectWaiting(client);
  });

  test('one half in plain text before ChangeCipherSpec and one half protected', () => {
    const client = untilChangeCipherSpec();
    const { bytes } = client.transcript.write(HandshakeType.finished, client.verifyData());
    const half = (offset: number) => {
      const header = Buffer.from(bytes.subarray(0, 12));
      header.writeUIntBE(offset, 6, 3);
      header.writeUIntBE(6, 9, 3);
      return Buffer.concat([header, bytes.subarray(12 + offset, 18 + offset)]);
    };
    client.record(ContentType.handshake, half(0));
    client.changeCipherSpec();
    client.protect(ContentType.handshake, half(6));
    expectWaiting(client);
    client.protect(ContentType.handshake, half(0));
    expect(client.end.association.connected).toBe(true);
  });
});

describe('ChangeCipherSpec', () => {
  test('means nothing when it is early', () => {
    const client = attack();
    client.changeCipherSpec();
    client.hello();
    client.changeCipherSpec();
    client.certificate(victimDer);
    client.changeCipherSpec();
    client.keyExchange();
    client.changeCipherSpec();
    client.verify(victimKey);
    client.finished(undefined, 1);
    expectWaiting(client);
    expect(client.end.association.discardedRecords).toBeGreaterThanOrEqual(4);
  });

  test('means nothing when it comes twice', () => {
    const client = untilChangeCipherSpec();
    client.changeCipherSpec();
    client.changeCipherSpec();
    client.finished();
    expect(client.end.association.connected).toBe(true);
    client.changeCipherSpec();
    client.protect(ContentType.changeCipherSpec, Buffer.of(1));
    client.protect(ContentType.alert, Buffer.of(1, 0));
    expect(client.end.closed[0]?.reason).toBe('close_notify');
  });

  test.each([[Buffer.of(2)], [Buffer.of(1, 1)], [Buffer.alloc(0)]])('does not count as %j', (body) => {
    const client = untilChangeCipherSpec();
    client.record(ContentType.changeCipherSpec, body);
    client.finished();
    expectWaiting(client);
  });
});
