import { createECDH, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Alert } from './alerts.ts';
import { CIPHER_SUITE, ContentType, ExtensionType, HandshakeType } from './constants.ts';
import { writeClientHello, writeUseSrtp } from './hello-messages.ts';
import { attackServer, expectRefused } from './testing/attack.ts';
import type { HandmadeClient } from './testing/handmade.ts';
import { ecdsaIdentity } from './testing/identities.ts';
import { list16 } from './vectors.ts';

const [own, victim] = await Promise.all([ecdsaIdentity(), ecdsaIdentity()]);
const victimDer = victim.certificate.certificate;
const victimKey = victim.certificate.privateKey;
const scene = { own, victim };
const attack = () => attackServer(scene);

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

describe('a server refuses a message that ends too early or too late', () => {
  const { clientHello, certificate, clientKeyExchange, certificateVerify } = HandshakeType;
  const changes = {
    early: (body: Buffer) => body.subarray(0, -1),
    late: (body: Buffer) => Buffer.concat([body, body]),
  };
  const cases = [clientHello, certificate, clientKeyExchange, certificateVerify].flatMap((type) =>
    Object.entries(changes).map(([name, change]) => [type, name, change] as const),
  );
  test.each(cases)('type %i, %s', (type, _, change) => {
    const client = attack();
    client.alter = (sent, body) => (sent === type ? change(body) : body);
    const steps = [
      () => client.hello(),
      () => client.certificate(victimDer),
      () => client.keyExchange(),
      () => client.verify(victimKey),
    ];
    for (const step of steps) if (client.end.closed.length === 0) step();
    expectRefused(client, /too early|too many/, Alert.decodeError);
  });

  test('and a session id that is too long', () => {
    const client = attack();
    client.hello({ sessionId: Buffer.alloc(33) });
    expectRefused(client, /session id of 33 bytes/, Alert.decodeError);
  });

  test('and lists that must not be empty', () => {
    for (const empty of [{ cipherSuites: [] }, { compressionMethods: [] }]) {
      const client = attack();
      client.hello(empty);
      expectRefused(client, /too early/, Alert.decodeError);
    }
  });

  test('and fragments that lie about their length', () => {
    const client = attack();
    const { bytes } = client.transcript.write(HandshakeType.clientHello, writeClientHello(client.offer()));
    const lie = Buffer.from(bytes);
    lie.writeUIntBE(bytes.length - 13, 1, 3);
    client.record(ContentType.handshake, lie);
    expectRefused(client, /fragment 0\+/, Alert.decodeError);
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
