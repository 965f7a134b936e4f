import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Alert } from './alerts.ts';
import { ContentType, HandshakeType } from './constants.ts';
import { writeClientHello } from './hello-messages.ts';
import { handshakeMessage } from './reassembly.ts';
import { attackServer, clientUntilChangeCipherSpec, connectClient } from './testing/attack.ts';
import { ecdsaIdentity } from './testing/identities.ts';

const [own, victim, attacker] = await Promise.all([ecdsaIdentity(), ecdsaIdentity(), ecdsaIdentity()]);
const victimDer = victim.certificate.certificate;
const victimKey = victim.certificate.privateKey;
const scene = { own, victim };
const untilChangeCipherSpec = () => clientUntilChangeCipherSpec(scene);
const connect = () => connectClient(scene);

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
    const client = attackServer(scene);
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

  test('does not repeat anything for a part of what is repeated', () => {
    const client = connect();
    const part = Buffer.from(client.transcript.messages.at(-2) ?? Buffer.alloc(0)).subarray(0, 18);
    part.writeUIntBE(6, 9, 3);
    const sent = client.end.sent.length;
    client.nowMs += 1000;
    client.protect(ContentType.handshake, part);
    expect(client.end.sent).toHaveLength(sent);
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
