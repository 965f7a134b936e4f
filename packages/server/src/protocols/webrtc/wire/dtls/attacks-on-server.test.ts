import { createECDH, createPrivateKey, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Alert } from './alerts.ts';
import { certificateFingerprint } from './certificate.ts';
import { CIPHER_SUITE, ContentType, ExtensionType, HandshakeType, SignatureScheme } from './constants.ts';
import { writeClientHello, writeUseSrtp } from './hello-messages.ts';
import { handshakeMessage } from './reassembly.ts';
import { HandmadeClient } from './testing/handmade.ts';
import { derOf, ecdsaIdentity, foreignIdentity } from './testing/identities.ts';
import { createEnd, type EndOptions } from './testing/pair.ts';
import { list16 } from './vectors.ts';

const [own, victim, attacker] = await Promise.all([ecdsaIdentity(), ecdsaIdentity(), ecdsaIdentity()]);
const rsa = await foreignIdentity('rsa');
const victimDer = victim.certificate.certificate;
const victimKey = victim.certificate.privateKey;

/** A client made by hand against a server of ours that expects the victim. */
function attack(options: EndOptions = {}): HandmadeClient {
  return new HandmadeClient(createEnd('server', own, { remoteFingerprints: victim.fingerprints, ...options }));
}

/** The handshake until ChangeCipherSpec is due. */
function untilChangeCipherSpec(client = attack()): HandmadeClient {
  client.hello();
  client.certificate(victimDer);
  client.keyExchange();
  client.verify(victimKey);
  return client;
}

function connect(client = attack()): HandmadeClient {
  untilChangeCipherSpec(client);
  client.changeCipherSpec();
  client.finished();
  expect(client.end.association.connected).toBe(true);
  return client;
}

function expectRefused(client: HandmadeClient, detail: RegExp, alert?: number): void {
  expect(client.end.keys).toEqual([]);
  expect(client.end.association.connected).toBe(false);
  expect(client.end.closed).toHaveLength(1);
  expect(client.end.closed[0]?.detail).toMatch(detail);
  if (alert !== undefined) expect(client.alerts.at(-1)?.slice(1)).toEqual([2, alert]);
}

/** Still waiting: not connected, and not closed either. */
function expectNothing(client: HandmadeClient): void {
  expect(client.end.keys).toEqual([]);
  expect(client.end.association.connected).toBe(false);
  expect(client.end.closed).toEqual([]);
}

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
    expectNothing(client);
    client.finished(undefined, 0);
    expectNothing(client);
  });

  test('a certificate that is announced but no certificate', () => {
    const junk = randomBytes(300);
    const client = attack({ remoteFingerprints: [{ algorithm: 'sha-256', value: certificateFingerprint(junk) }] });
    client.hello();
    client.certificate(junk);
    expectRefused(client, /cannot be read/, Alert.badCertificate);
  });

  test('a key on another curve', async () => {
    const p384 = await foreignIdentity('p384');
    const client = attack({ remoteFingerprints: p384.fingerprints });
    client.hello();
    client.certificate(derOf(p384.cert));
    expectRefused(client, /key of type ec/, Alert.unsupportedCertificate);
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
    expectNothing(client);
  });

  test('a right one in plain text instead of ChangeCipherSpec', () => {
    const client = untilChangeCipherSpec();
    client.finished(client.verifyData(), 0);
    expectRefused(client, /finished when ChangeCipherSpec was due/, Alert.unexpectedMessage);
  });

  test('a right one in epoch 1 without ChangeCipherSpec', () => {
    const client = untilChangeCipherSpec();
    client.finished();
    expectNothing(client);
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
    expectNothing(client);
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
    expectNothing(client);
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
    expectNothing(client);
  });
});

describe('a server refuses a hello that offers less than it wants', () => {
  const without = (type: number) => (client: HandmadeClient) => ({
    extensions: client.extensions(new Map([[type, undefined]])),
  });
  const having = (type: number, body: Buffer) => (client: HandmadeClient) => ({
    extensions: client.extensions(new Map([[type, body]])),
  });
  const cases: [string, (client: HandmadeClient) => object, number][] = [
    ['DTLS 1.0', () => ({ version: 0xfeff }), Alert.protocolVersion],
    ['TLS 1.2', () => ({ version: 0x0303 }), Alert.protocolVersion],
    ['only DTLS 1.3', having(ExtensionType.supportedVersions, Buffer.of(2, 0xfe, 0xfc)), Alert.protocolVersion],
    ['other suites', () => ({ cipherSuites: [0xc02f, 0xc00a, 0x1301] }), Alert.handshakeFailure],
    ['only compression', () => ({ compressionMethods: [1] }), Alert.illegalParameter],
    ['no extended master secret', without(ExtensionType.extendedMasterSecret), Alert.handshakeFailure],
    ['other curves', having(ExtensionType.supportedGroups, list16([24, 29])), Alert.handshakeFailure],
    ['no curves', without(ExtensionType.supportedGroups), Alert.handshakeFailure],
    ['only SHA-1 signatures', having(ExtensionType.signatureAlgorithms, list16([0x0203])), Alert.handshakeFailure],
    ['no signature schemes', without(ExtensionType.signatureAlgorithms), Alert.handshakeFailure],
    ['only compressed points', having(ExtensionType.ecPointFormats, Buffer.of(1, 1)), Alert.illegalParameter],
    ['no SRTP', without(ExtensionType.useSrtp), Alert.handshakeFailure],
    ['other SRTP profiles', having(ExtensionType.useSrtp, writeUseSrtp([2, 5, 6])), Alert.handshakeFailure],
    ['a renegotiation', having(ExtensionType.renegotiationInfo, Buffer.of(1, 7)), Alert.handshakeFailure],
    ['an odd list', having(ExtensionType.supportedGroups, Buffer.of(0, 3, 0, 23, 0)), Alert.decodeError],
  ];

  test.each(cases)('%s', (_, change, alert) => {
    const client = attack();
    client.hello(change(client));
    expectRefused(client, /./, alert);
    expect(client.types).toEqual([]);
  });

  test('an extension that comes twice', () => {
    const client = attack();
    const hello = writeClientHello(client.offer({ extensions: new Map([[ExtensionType.useSrtp, Buffer.alloc(0)]]) }));
    const twice = Buffer.concat([hello, hello.subarray(-4)]);
    twice.writeUInt16BE(8, twice.length - 10);
    client.message(HandshakeType.clientHello, twice);
    expectRefused(client, /extension 14 twice/, Alert.illegalParameter);
  });

  test('bytes after its end', () => {
    const client = attack();
    const hello = writeClientHello(client.offer());
    client.message(HandshakeType.clientHello, Buffer.concat([hello, Buffer.of(0)]));
    expectRefused(client, /too many/, Alert.decodeError);
  });

  test('and takes one that offers much more', () => {
    const client = attack();
    client.hello({
      cipherSuites: [0x1301, 0xc02f, CIPHER_SUITE],
      extensions: client.extensions(
        new Map([
          [0x0a0a, Buffer.alloc(0)],
          [51, randomBytes(1184)],
          [ExtensionType.supportedVersions, Buffer.of(6, 0xfe, 0xfc, 0xfe, 0xfd, 0xfe, 0xff)],
        ]),
      ),
    });
    expect(client.types).toEqual([2, 11, 12, 13, 14]);
  });
});

describe('a server refuses a public key', () => {
  const p384 = createECDH('secp384r1');
  const compressed = Buffer.from(createECDH('prime256v1').generateKeys('hex', 'compressed'), 'hex');
  const cases: [string, Buffer][] = [
    ['that is not on the curve', Buffer.concat([Buffer.of(4), randomBytes(64)])],
    ['that is zero', Buffer.concat([Buffer.of(4), Buffer.alloc(64)])],
    ['that is larger than the field', Buffer.concat([Buffer.of(4), Buffer.alloc(64, 0xff)])],
    ['at infinity', Buffer.of(0)],
    ['in compressed form', compressed],
    ['in hybrid form', Buffer.concat([Buffer.of(6), createECDH('prime256v1').generateKeys().subarray(1)])],
    ['of another curve', p384.generateKeys()],
  ];
  test.each(cases)('%s', (_, point) => {
    const client = attack();
    client.hello();
    client.certificate(victimDer);
    client.keyExchange(point);
    expectRefused(client, /public key/, Alert.illegalParameter);
  });
});

describe('a connected server', () => {
  test('answers a renegotiation with no_renegotiation, a few times, and stays connected', () => {
    const client = connect();
    const body = writeClientHello(client.offer({ random: randomBytes(32) }));
    for (let count = 0; count < 10; count += 1) {
      const sequence = count % 2 === 0 ? 0 : 5 + count;
      client.protect(ContentType.handshake, handshakeMessage(HandshakeType.clientHello, sequence, body).bytes);
    }
    expect(client.alerts).toEqual(Array.from({ length: 4 }, () => [1, 1, Alert.noRenegotiation]));
    expect(client.end.association.connected).toBe(true);
    expect(client.end.keys).toHaveLength(1);
  });

  test('hears nothing that is not protected', () => {
    const client = connect();
    const sent = client.end.sent.length;
    client.hello({ random: randomBytes(32) });
    client.record(ContentType.alert, Buffer.of(2, Alert.handshakeFailure));
    client.record(ContentType.alert, Buffer.of(1, Alert.closeNotify));
    client.certificate(attacker.certificate.certificate);
    expect(client.end.association.connected).toBe(true);
    expect(client.end.closed).toEqual([]);
    expect(client.end.sent).toHaveLength(sent);
  });

  test('sends its last flight again when Finished is repeated, but not when its record is replayed', () => {
    const client = untilChangeCipherSpec();
    client.changeCipherSpec();
    const { bytes } = client.transcript.write(HandshakeType.finished, client.verifyData());
    const record = client.secured?.write(ContentType.handshake, bytes) ?? Buffer.alloc(0);
    client.datagram(record);
    expect(client.end.association.connected).toBe(true);
    const sent = client.end.sent.length;
    client.nowMs += 1000;
    client.datagram(record);
    expect(client.end.sent).toHaveLength(sent);
    client.protect(ContentType.handshake, bytes);
    expect(client.end.sent).toHaveLength(sent + 1);
    expect(client.end.keys).toHaveLength(1);
  });

  test('never repeats its last flight more than 32 times', () => {
    const client = connect();
    const finished = client.transcript.messages.at(-2) ?? Buffer.alloc(0);
    const sent = client.end.sent.length;
    for (let count = 0; count < 100; count += 1) {
      client.nowMs += 500;
      client.protect(ContentType.handshake, finished);
    }
    expect(client.end.sent).toHaveLength(sent + 32);
  });

  test('uses no nonce twice, whatever it sends again', () => {
    const client = connect();
    const finished = client.transcript.messages.at(-2) ?? Buffer.alloc(0);
    for (let count = 0; count < 5; count += 1) {
      client.nowMs += 500;
      client.protect(ContentType.handshake, finished);
      client.protect(ContentType.handshake, handshakeMessage(HandshakeType.clientHello, 0, Buffer.alloc(2)).bytes);
    }
    client.end.association.close();
    client.read();
    const nonces = client.protectedRecords.map((record) => record.fragment.subarray(0, 8).toString('hex'));
    expect(nonces.length).toBe(1 + 5 + 4 + 1);
    expect(new Set(nonces).size).toBe(nonces.length);
  });

  test('drops records that are replayed, forged, of other epochs or other versions', () => {
    const client = connect();
    const notice = client.secured?.write(ContentType.alert, Buffer.of(1, Alert.userCanceled)) ?? Buffer.alloc(0);
    client.datagram(notice);
    const before = client.end.association.discardedRecords;
    client.datagram(notice);
    const close = client.secured?.write(ContentType.alert, Buffer.of(1, Alert.closeNotify)) ?? Buffer.alloc(0);
    for (const at of [0, 2, 4, 10, 14, 22, close.length - 1]) {
      const forged = Buffer.from(close);
      forged[at] = (forged[at] ?? 0) ^ 1;
      client.datagram(forged);
    }
    const older = Buffer.from(close);
    older.writeUInt16BE(0xfeff, 1);
    client.datagram(older);
    expect(client.end.closed).toEqual([]);
    // A version that does not exist ends the reading of the datagram and counts as nothing.
    expect(client.end.association.discardedRecords).toBeGreaterThanOrEqual(before + 8);
    client.datagram(close);
    expect(client.end.closed[0]?.reason).toBe('close_notify');
  });

  test('drops application data, in the handshake and after it', () => {
    const client = attack();
    client.hello();
    client.record(ContentType.applicationData, Buffer.from('too early'));
    client.certificate(victimDer);
    client.keyExchange();
    client.verify(victimKey);
    client.changeCipherSpec();
    client.protect(ContentType.applicationData, Buffer.from('still too early'));
    client.finished();
    client.protect(ContentType.applicationData, Buffer.from('nobody reads this'));
    expect(client.end.association.connected).toBe(true);
    expect(client.end.association.discardedRecords).toBe(3);
  });

  test('takes records out of order, each once', () => {
    const client = connect();
    const body = writeClientHello(client.offer());
    const message = handshakeMessage(HandshakeType.clientHello, 0, body).bytes;
    const records = Array.from({ length: 3 }, () => client.secured?.write(ContentType.handshake, message));
    for (const record of [records[2], records[0], records[1], records[0], records[2]]) {
      if (record !== undefined) client.datagram(record);
    }
    expect(client.alerts).toHaveLength(3);
  });
});
