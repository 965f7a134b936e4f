import { createECDH, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Alert } from './alerts.ts';
import { ContentType, ExtensionType, HandshakeType } from './constants.ts';
import { parseClientHello, writeUseSrtp } from './hello-messages.ts';
import { writeServerParameters } from './key-messages.ts';
import { expectRefused, expectWaiting } from './testing/attack.ts';
import { HandmadeServer } from './testing/handmade.ts';
import { derOf, ecdsaIdentity, foreignIdentity } from './testing/identities.ts';
import { createEnd, type EndOptions } from './testing/pair.ts';

const [own, victim, attacker] = await Promise.all([ecdsaIdentity(), ecdsaIdentity(), ecdsaIdentity()]);
const victimDer = victim.certificate.certificate;
const victimKey = victim.certificate.privateKey;

/** A server made by hand that has just read the ClientHello of a client of ours that expects the victim. */
function attack(options: EndOptions = {}): HandmadeServer {
  const server = new HandmadeServer(createEnd('client', own, { remoteFingerprints: victim.fingerprints, ...options }));
  server.end.association.start(0);
  server.read();
  return server;
}

/** The handshake until our client has answered with its Finished. */
function untilChangeCipherSpec(server = attack()): HandmadeServer {
  server.hello();
  server.certificate(victimDer);
  server.keyExchange(victimKey);
  server.request();
  server.done();
  return server;
}

function connect(server = attack()): HandmadeServer {
  untilChangeCipherSpec(server);
  server.changeCipherSpec();
  server.finished();
  expect(server.end.association.connected).toBe(true);
  return server;
}

test('a server made by hand is believed when it does everything right', () => {
  const server = connect();
  expect(server.types).toEqual([1, 11, 16, 15, 20]);
  expect(server.end.keys[0]).toEqual(server.secrets?.srtpKeys('AEAD_AES_128_GCM', 'client'));
});

test('a server that asks for no certificate is sent none; it has proved itself all the same', () => {
  const server = attack();
  server.hello();
  server.certificate(victimDer);
  server.keyExchange(victimKey);
  server.done();
  server.changeCipherSpec();
  server.finished();
  expect(server.end.association.connected).toBe(true);
  expect(server.types).toEqual([1, 16, 20]);
});

test('a client repeats its hello with the cookie it is given, otherwise unchanged', () => {
  const server = attack();
  server.helloVerifyRequest(Buffer.from('cookie'));
  const [first, second] = server.messages.map((message) => parseClientHello(message.body));
  expect(second).toEqual({ ...first, cookie: Buffer.from('cookie') });
  connect(server);
});

describe('a client refuses a server that is not who it says', () => {
  test('the victim’s certificate with the attacker’s signature of the key exchange', () => {
    const server = attack();
    server.hello();
    server.certificate(victimDer);
    server.keyExchange(attacker.certificate.privateKey);
    expectRefused(server, /bad signature/, Alert.decryptError);
  });

  test('a signature of the victim for other randoms', () => {
    const server = attack();
    server.hello();
    server.certificate(victimDer);
    server.keyExchange(victimKey, { randoms: randomBytes(64) });
    expectRefused(server, /bad signature/, Alert.decryptError);
  });

  test('a certificate with another fingerprint', () => {
    const server = attack();
    server.hello();
    server.certificate(attacker.certificate.certificate);
    expectRefused(server, /was not announced/, Alert.badCertificate);
    expect(server.end.closed[0]?.reason).toBe('fingerprint');
  });

  test('no certificate in the list', () => {
    const server = attack();
    server.hello();
    server.certificate();
    expectRefused(server, /no certificate/, Alert.illegalParameter);
  });

  test('no Certificate message', () => {
    const server = attack();
    server.hello();
    server.keyExchange(victimKey);
    expectRefused(server, /serverKeyExchange when Certificate was due/, Alert.unexpectedMessage);
  });

  test('no ServerKeyExchange', () => {
    const server = attack();
    server.hello();
    server.certificate(victimDer);
    server.done();
    expectRefused(server, /serverHelloDone when ServerKeyExchange was due/, Alert.unexpectedMessage);
  });

  test('an RSA certificate, which does not fit the suite', async () => {
    const rsa = await foreignIdentity('rsa');
    const server = attack({ remoteFingerprints: rsa.fingerprints });
    server.hello();
    server.certificate(derOf(rsa.cert));
    expectRefused(server, /not for ECDSA/, Alert.unsupportedCertificate);
  });

  test.each([0x0203, 0x0401, 0x0503])('signature scheme %i', (scheme) => {
    const server = attack();
    server.hello();
    server.certificate(victimDer);
    server.keyExchange(victimKey, { scheme });
    expectRefused(server, /signature scheme/, Alert.illegalParameter);
  });

  test.each([
    [[1], [0x0403]],
    [[64], [0x0401, 0x0203]],
  ])('one that wants a certificate of types %j signed with %j', (types, schemes) => {
    const server = attack();
    server.hello();
    server.certificate(victimDer);
    server.keyExchange(victimKey);
    server.request(types, schemes);
    expectRefused(server, /does not take ECDSA/, Alert.handshakeFailure);
  });
});

describe('a client refuses a hello that chooses what it must not', () => {
  const without = (type: number) => (server: HandmadeServer) => ({
    extensions: server.extensions(new Map([[type, undefined]])),
  });
  const having = (type: number, body: Buffer) => (server: HandmadeServer) => ({
    extensions: server.extensions(new Map([[type, body]])),
  });
  const mki = Buffer.concat([writeUseSrtp([7]).subarray(0, 4), Buffer.of(1, 9)]);
  const cases: [string, (server: HandmadeServer) => object, number][] = [
    ['DTLS 1.0', () => ({ version: 0xfeff }), Alert.protocolVersion],
    ['DTLS 1.3', () => ({ version: 0xfefc }), Alert.protocolVersion],
    ['a suite without authentication', () => ({ cipherSuite: 0xc018 }), Alert.illegalParameter],
    ['the null suite', () => ({ cipherSuite: 0 }), Alert.illegalParameter],
    ['compression', () => ({ compressionMethod: 1 }), Alert.illegalParameter],
    ['no extended master secret', without(ExtensionType.extendedMasterSecret), Alert.handshakeFailure],
    ['no SRTP', without(ExtensionType.useSrtp), Alert.handshakeFailure],
    ['an SRTP profile not offered', having(ExtensionType.useSrtp, writeUseSrtp([2])), Alert.illegalParameter],
    ['two SRTP profiles', having(ExtensionType.useSrtp, writeUseSrtp([7, 1])), Alert.illegalParameter],
    ['an MKI', having(ExtensionType.useSrtp, mki), Alert.illegalParameter],
    ['a renegotiation', having(ExtensionType.renegotiationInfo, Buffer.of(1, 7)), Alert.handshakeFailure],
    ['a session ticket', having(35, Buffer.alloc(0)), Alert.unsupportedExtension],
    ['only compressed points', having(ExtensionType.ecPointFormats, Buffer.of(1, 1)), Alert.illegalParameter],
    ['no extensions', () => ({ extensions: new Map() }), Alert.handshakeFailure],
  ];

  test.each(cases)('%s', (_, change, alert) => {
    const server = attack();
    server.hello(change(server));
    expectRefused(server, /./, alert);
  });

  test('and takes a session id, which it forgets', () => {
    const server = attack();
    server.hello({ sessionId: randomBytes(32) });
    expectWaiting(server);
  });

  test('an SRTP profile that the other of our peers would take', () => {
    const server = attack({ srtpProfiles: ['AES_CM_128_HMAC_SHA1_80'] });
    server.hello();
    expectRefused(server, /chose SRTP profiles 7/, Alert.illegalParameter);
  });
});

describe('a client refuses a message that ends too early or too late', () => {
  const { helloVerifyRequest, serverHello, certificate, serverKeyExchange, certificateRequest } = HandshakeType;
  const changes = {
    early: (body: Buffer) => body.subarray(0, -1),
    late: (body: Buffer) => Buffer.concat([body, body]),
  };
  const types = [helloVerifyRequest, serverHello, certificate, serverKeyExchange, certificateRequest];
  const cases = types.flatMap((type) => Object.entries(changes).map(([name, change]) => [type, name, change] as const));
  test.each(cases)('type %i, %s', (type, _, change) => {
    const server = attack();
    server.alter = (sent, body) => (sent === type ? change(body) : body);
    const steps = [
      () => server.helloVerifyRequest(Buffer.from('cookie')),
      () => server.hello(),
      () => server.certificate(victimDer),
      () => server.keyExchange(victimKey),
      () => server.request(),
    ];
    for (const step of steps) if (server.end.closed.length === 0) step();
    expectRefused(server, /too early|too many/, Alert.decodeError);
  });

  test('and a session id that is too long', () => {
    const server = attack();
    server.hello({ sessionId: Buffer.alloc(33) });
    expectRefused(server, /session id of 33 bytes/, Alert.decodeError);
  });
});

describe('a client refuses a public key', () => {
  const curve = (type: number, group: number) => {
    const parameters = writeServerParameters(createECDH('prime256v1').generateKeys());
    parameters[0] = type;
    parameters.writeUInt16BE(group, 1);
    return parameters;
  };
  const off = writeServerParameters(Buffer.concat([Buffer.of(4), randomBytes(64)]));
  const cases: [string, Buffer, RegExp][] = [
    ['of P-384', curve(3, 24), /curve 24/],
    ['of X25519', curve(3, 29), /curve 29/],
    ['of an explicit curve', curve(1, 23), /of type 1/],
    ['that is not on the curve', off, /not a point of the curve/],
    ['at infinity', writeServerParameters(Buffer.of(0)), /public key of 1 bytes/],
  ];
  test.each(cases)('%s, properly signed', (_, parameters, detail) => {
    const server = attack();
    server.hello();
    server.certificate(victimDer);
    server.keyExchange(victimKey, { parameters });
    if (server.end.closed.length === 0) {
      server.request();
      server.done();
    }
    expectRefused(server, detail, Alert.illegalParameter);
  });
});

describe('a client is not connected without a right Finished', () => {
  test('a wrong one', () => {
    const server = untilChangeCipherSpec();
    server.changeCipherSpec();
    server.finished(randomBytes(12));
    expectRefused(server, /wrong finished/, Alert.decryptError);
    // Both directions are protected by now: so is the alert.
    expect(server.alerts.at(-1)?.[0]).toBe(1);
  });

  test('its own, reflected', () => {
    const server = untilChangeCipherSpec();
    server.changeCipherSpec();
    server.finished(server.messages.at(-1)?.body);
    expectRefused(server, /wrong finished/, Alert.decryptError);
  });

  test('none at all', () => {
    const server = untilChangeCipherSpec();
    server.changeCipherSpec();
    for (let nowMs = 0; nowMs < 60_000; nowMs += 50) server.end.association.tick(nowMs);
    server.read();
    expect(server.end.closed).toEqual([{ reason: 'timeout', detail: 'the peer did not answer' }]);
    expect(server.end.keys).toEqual([]);
  });

  test('a right one in plain text after ChangeCipherSpec', () => {
    const server = untilChangeCipherSpec();
    server.changeCipherSpec();
    server.finished(server.verifyData(), 0);
    expectWaiting(server);
  });

  test('a right one in plain text instead of ChangeCipherSpec', () => {
    const server = untilChangeCipherSpec();
    server.finished(server.verifyData(), 0);
    expectRefused(server, /finished when ChangeCipherSpec was due/, Alert.unexpectedMessage);
  });

  test('a right one in epoch 1 without ChangeCipherSpec', () => {
    const server = untilChangeCipherSpec();
    server.finished();
    expectWaiting(server);
  });
});

describe('a client goes its own way', () => {
  test('when ChangeCipherSpec is early', () => {
    const server = attack();
    server.changeCipherSpec();
    server.hello();
    server.changeCipherSpec();
    server.certificate(victimDer);
    server.keyExchange(victimKey);
    server.changeCipherSpec();
    server.request();
    server.done();
    expect(server.types).toEqual([1, 11, 16, 15, 20]);
    server.finished();
    expectWaiting(server);
  });

  test('and takes only one cookie', () => {
    const server = attack();
    server.helloVerifyRequest(Buffer.from('one'));
    server.helloVerifyRequest(Buffer.from('two'));
    expectRefused(server, /helloVerifyRequest when ServerHello was due/, Alert.unexpectedMessage);
  });

  test('and takes no cookie after the ServerHello', () => {
    const server = attack();
    server.hello();
    server.helloVerifyRequest(Buffer.from('one'));
    expectRefused(server, /helloVerifyRequest when Certificate was due/, Alert.unexpectedMessage);
  });

  test('and refuses a ServerHelloDone with content', () => {
    const server = attack();
    server.hello();
    server.certificate(victimDer);
    server.keyExchange(victimKey);
    server.request();
    server.message(HandshakeType.serverHelloDone, Buffer.of(1));
    expectRefused(server, /not empty/, Alert.decodeError);
  });

  test('and answers HelloRequest with no_renegotiation once connected, a few times', () => {
    const server = connect();
    for (let count = 0; count < 10; count += 1) {
      const sequence = count % 2 === 0 ? 0 : 7 + count;
      server.stray(HandshakeType.helloRequest, Buffer.alloc(0), { sequence, epoch: 1 });
    }
    expect(server.alerts).toEqual(Array.from({ length: 4 }, () => [1, 1, Alert.noRenegotiation]));
    expect(server.end.association.connected).toBe(true);
  });

  test('and refuses a HelloRequest in the handshake', () => {
    const server = attack();
    server.message(HandshakeType.helloRequest, Buffer.alloc(0));
    expectRefused(server, /helloRequest when ServerHello was due/, Alert.unexpectedMessage);
  });

  test('and sends its flight again when the server repeats its own', () => {
    const server = untilChangeCipherSpec();
    const sent = server.end.sent.length;
    server.nowMs = 100;
    server.stray(HandshakeType.serverHelloDone, Buffer.alloc(0), { sequence: 4, epoch: 0 });
    expect(server.end.sent).toHaveLength(sent + 1);
    // Too soon for yet another.
    server.stray(HandshakeType.serverHelloDone, Buffer.alloc(0), { sequence: 4, epoch: 0 });
    expect(server.end.sent).toHaveLength(sent + 1);
    // The clock begins anew: 150 ms after the repetition the flight would go out by itself.
    server.end.association.tick(249);
    expect(server.end.sent).toHaveLength(sent + 1);
    server.end.association.tick(250);
    server.read();
    expect(server.end.sent).toHaveLength(sent + 2);
    // Nonces are new each time, also those of Finished.
    const nonces = server.protectedRecords.map((record) => record.fragment.subarray(0, 8).toString('hex'));
    expect(new Set(nonces).size).toBe(3);
  });

  test('and hears nothing without protection once the server has changed the cipher', () => {
    const server = untilChangeCipherSpec();
    server.changeCipherSpec();
    server.record(ContentType.alert, Buffer.of(2, Alert.handshakeFailure));
    expectWaiting(server);
    server.finished();
    server.record(ContentType.alert, Buffer.of(1, Alert.closeNotify));
    expect(server.end.association.connected).toBe(true);
  });

  test('and ends when the server reports a fatal error', () => {
    const server = untilChangeCipherSpec();
    server.record(ContentType.alert, Buffer.of(1, Alert.userCanceled));
    server.record(ContentType.alert, Buffer.of(2));
    expectWaiting(server);
    server.record(ContentType.alert, Buffer.of(2, Alert.badCertificate));
    expect(server.end.closed).toEqual([{ reason: 'error', detail: 'the peer reports bad_certificate' }]);
  });
});
