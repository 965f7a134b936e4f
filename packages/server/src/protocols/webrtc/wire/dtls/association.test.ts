import { describe, expect, test } from 'vitest';
import { ContentType, DTLS_1_2, ExtensionType, HandshakeType } from './constants.ts';
import { writeClientHello } from './hello-messages.ts';
import { RecordWriter, readRecords } from './records.ts';
import { HandmadeClient } from './testing/handmade.ts';
import { ecdsaIdentity } from './testing/identities.ts';
import { createEnd, Pair } from './testing/pair.ts';
import { createRandom } from './testing/random.ts';

const [client, server] = await Promise.all([ecdsaIdentity(), ecdsaIdentity()]);
const both = { client, server };

function connectedPair(): Pair {
  const pair = new Pair(both);
  pair.start();
  pair.settle();
  expect(pair.bothConnected).toBe(true);
  return pair;
}

function expectSameKeys(pair: Pair): void {
  expect(pair.client.keys).toHaveLength(1);
  expect(pair.server.keys).toHaveLength(1);
  expect(pair.client.keys[0]?.local).toEqual(pair.server.keys[0]?.remote);
  expect(pair.client.keys[0]?.remote).toEqual(pair.server.keys[0]?.local);
}

describe('a DTLS association', () => {
  test('connects client and server with the same SRTP keys, crosswise', () => {
    const pair = connectedPair();
    expectSameKeys(pair);
    const keys = pair.client.keys[0];
    expect(keys?.profile).toBe('AEAD_AES_128_GCM');
    expect(keys?.local).not.toEqual(keys?.remote);
    expect([keys?.local.key.length, keys?.local.salt.length]).toEqual([16, 12]);
    expect([pair.client.sent.length, pair.server.sent.length]).toEqual([2, 2]);
  });

  test('takes the server’s choice among the profiles that both know', () => {
    const pair = new Pair(both, { server: { srtpProfiles: ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'] } });
    pair.start();
    pair.settle();
    expectSameKeys(pair);
    const keys = pair.client.keys[0];
    expect([keys?.profile, keys?.local.key.length, keys?.local.salt.length]).toEqual([
      'AES_CM_128_HMAC_SHA1_80',
      16,
      14,
    ]);
  });

  test('has new keys each time', () => {
    expect(connectedPair().client.keys[0]).not.toEqual(connectedPair().client.keys[0]);
  });

  test.each([256, 300, 500, 1200, 16_384])('sends no datagram beyond an MTU of %i', (mtu) => {
    const pair = new Pair(both, { client: { mtu }, server: { mtu } });
    pair.start();
    pair.settle();
    expectSameKeys(pair);
    const lengths = [...pair.client.sent, ...pair.server.sent].map((datagram) => datagram.length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(mtu);
  });

  test('takes a ClientHello of 1413 bytes in two datagrams, in either order', () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const peer = new HandmadeClient(createEnd('server', server, { remoteFingerprints: client.fingerprints }));
      const bytes = 1413 - writeClientHello(peer.offer()).length - 4;
      const extensions = peer.extensions(new Map([[ExtensionType.supportedVersions + 100, Buffer.alloc(bytes)]]));
      const message = peer.transcript.write(HandshakeType.clientHello, writeClientHello(peer.offer({ extensions })));
      expect(message.body).toHaveLength(1413);
      const datagrams = [
        [0, 1175],
        [1175, 238],
      ].map(([offset = 0, length = 0]) => {
        const header = Buffer.from(message.bytes.subarray(0, 12));
        header.writeUIntBE(offset, 6, 3);
        header.writeUIntBE(length, 9, 3);
        const body = message.body.subarray(offset, offset + length);
        return peer.plain.write(ContentType.handshake, Buffer.concat([header, body]));
      });
      for (const index of order) peer.datagram(datagrams[index] ?? Buffer.alloc(0));
      expect(peer.types).toEqual([2, 11, 12, 13, 14]);
    }
  });
});

describe('a server that waits for its client', () => {
  test('hears no alerts: there is nobody yet whose they could be', () => {
    const pair = new Pair(both);
    pair.server.association.start(0);
    const writer = new RecordWriter(0);
    pair.server.association.receive(writer.write(ContentType.alert, Buffer.of(2, 40)), 0);
    pair.server.association.receive(writer.write(ContentType.alert, Buffer.of(1, 0)), 0);
    expect(pair.server.closed).toEqual([]);
    pair.client.association.start(0);
    pair.settle();
    expectSameKeys(pair);
  });

  test('need not have been started', () => {
    const pair = new Pair(both);
    pair.client.association.start(0);
    pair.settle();
    expectSameKeys(pair);
  });

  test('is not impressed by what is no DTLS', () => {
    const pair = new Pair(both);
    for (const bytes of [Buffer.alloc(0), Buffer.of(22), Buffer.alloc(2000), Buffer.alloc(2000, 0xff)]) {
      pair.client.association.receive(bytes, 0);
      pair.server.association.receive(bytes, 0);
    }
    pair.start();
    pair.settle();
    expectSameKeys(pair);
  });
});

describe('time', () => {
  test('makes a client repeat its hello with doubled waits up to 2.4 s, and give up after 38 s', () => {
    const pair = new Pair(both);
    pair.client.association.start(0);
    const sentAt: number[] = [];
    let count = 0;
    let closedAtMs = 0;
    for (let nowMs = 0; nowMs <= 40_000; nowMs += 10) {
      pair.client.association.tick(nowMs);
      if (pair.client.sent.length > count) sentAt.push(nowMs);
      count = pair.client.sent.length;
      if (closedAtMs === 0 && pair.client.closed.length > 0) closedAtMs = nowMs;
    }
    const waits = sentAt.map((atMs, index) => atMs - (sentAt[index - 1] ?? 0));
    expect(waits).toEqual([0, 150, 300, 600, 1200, ...Array.from({ length: 14 }, () => 2400)]);
    expect(closedAtMs).toBe(38_250);
    expect(pair.client.closed).toEqual([{ reason: 'timeout', detail: 'the peer did not answer' }]);
  });

  test('makes datagrams smaller after three tries, should the path not let long ones pass', () => {
    const pair = new Pair(both);
    pair.start();
    for (let step = 0; step < 400 && !pair.bothConnected; step += 1) {
      for (const [from, to] of [
        [pair.client, pair.server],
        [pair.server, pair.client],
      ] as const) {
        for (const datagram of from.outgoing.splice(0)) {
          if (datagram.length <= 600) to.association.receive(datagram, pair.nowMs);
        }
      }
      pair.advance(10);
    }
    expectSameKeys(pair);
    expect(Math.max(...pair.server.sent.map((datagram) => datagram.length))).toBeGreaterThan(600);
  });

  test('does nothing to a connected association', () => {
    const pair = connectedPair();
    const sent = [pair.client.sent.length, pair.server.sent.length];
    for (let count = 0; count < 1000; count += 1) pair.advance(100);
    expect([pair.client.sent.length, pair.server.sent.length]).toEqual(sent);
    expect(pair.bothConnected).toBe(true);
  });

  test('lets a server wait for its client as long as it takes', () => {
    const pair = new Pair(both);
    pair.server.association.start(0);
    pair.advance(1_000_000);
    expect(pair.server.closed).toEqual([]);
    pair.client.association.start(pair.nowMs);
    pair.settle();
    expectSameKeys(pair);
  });
});

describe('a lossy path', () => {
  test('with 20 % loss lets all of 1,000 handshakes come up, each once', { timeout: 60_000 }, () => {
    const random = createRandom(20);
    const durations: number[] = [];
    for (let count = 0; count < 1000; count += 1) {
      const mtu = count % 4 === 0 ? 300 : 1200;
      const pair = new Pair(both, { client: { mtu }, server: { mtu } });
      pair.start();
      for (let step = 0; step < 4000 && !pair.bothConnected; step += 1) {
        for (const [from, to] of [
          [pair.client, pair.server],
          [pair.server, pair.client],
        ] as const) {
          for (const datagram of from.outgoing.splice(0)) {
            if (random.below(5) > 0) to.association.receive(datagram, pair.nowMs);
          }
        }
        pair.advance(10);
      }
      expectSameKeys(pair);
      durations.push(pair.nowMs);
    }
    expect(Math.max(...durations)).toBeLessThan(38_000);
    expect(durations.toSorted((a, b) => a - b)[500]).toBeLessThan(1000);
  });

  test('that reorders and doubles datagrams hinders nobody', () => {
    const random = createRandom(21);
    for (let count = 0; count < 100; count += 1) {
      const pair = new Pair(both, { client: { mtu: 300 }, server: { mtu: 300 } });
      pair.start();
      for (let step = 0; step < 400 && !pair.bothConnected; step += 1) {
        for (const [from, to] of [
          [pair.client, pair.server],
          [pair.server, pair.client],
        ] as const) {
          const datagrams = from.outgoing.splice(0).flatMap((datagram) => [datagram, datagram]);
          while (datagrams.length > 0) {
            const [datagram] = datagrams.splice(random.below(datagrams.length), 1);
            if (datagram !== undefined) to.association.receive(datagram, pair.nowMs);
          }
        }
        pair.advance(50);
      }
      expectSameKeys(pair);
    }
  });

  test('with somebody in the middle who takes the better SRTP profile out of the hello connects nobody', () => {
    const pair = new Pair(both);
    pair.start();
    const [hello] = pair.client.outgoing.splice(0);
    const at = hello?.indexOf(Buffer.from('000e0007000400070001', 'hex')) ?? -1;
    expect(at).toBeGreaterThan(0);
    hello?.writeUInt16BE(0x0008, at + 6);
    pair.server.association.receive(hello ?? Buffer.alloc(0), 0);
    pair.settle();
    expect(pair.server.closed).toEqual([{ reason: 'error', detail: 'bad signature' }]);
    expect(pair.client.closed).toEqual([{ reason: 'error', detail: 'the peer reports decrypt_error' }]);
  });
});

describe('the end of an association', () => {
  test('is told by close_notify, and answered with it', () => {
    for (const side of ['client', 'server'] as const) {
      const pair = connectedPair();
      const other = side === 'client' ? pair.server : pair.client;
      const count = other.sent.length;
      pair[side].association.close();
      pair.settle();
      expect(pair[side].closed).toEqual([]);
      expect(other.closed).toEqual([{ reason: 'close_notify', detail: 'the peer closed' }]);
      expect(other.sent).toHaveLength(count + 1);
      expect(pair.client.association.connected || pair.server.association.connected).toBe(false);
    }
  });

  test('comes once, and then nothing more is sent or heard', () => {
    const pair = connectedPair();
    pair.client.association.close();
    pair.client.association.close();
    const sent = pair.client.sent.length;
    pair.server.association.close();
    pair.settle();
    pair.client.association.start(0);
    for (let count = 0; count < 100; count += 1) pair.advance(1000);
    expect(pair.client.sent).toHaveLength(sent);
    expect([pair.client.closed, pair.server.closed]).toEqual([[], []]);
  });

  test('in the handshake sends nothing', () => {
    const pair = new Pair(both);
    pair.start();
    pair.client.association.close();
    expect(pair.client.sent).toHaveLength(1);
    pair.settle();
    expect(pair.client.keys).toEqual([]);
  });
});

describe('what is on the wire', () => {
  test('is DTLS 1.2 with rising record numbers in each epoch, also when sent again', () => {
    const pair = new Pair(both);
    pair.start();
    pair.settle();
    pair.client.association.close();
    const lost = new Pair(both);
    lost.client.association.start(0);
    for (let count = 0; count < 5; count += 1) lost.advance(5000);
    for (const end of [pair.client, pair.server, lost.client]) {
      const next = [0, 0];
      for (const record of end.sent.flatMap(readRecords)) {
        expect(record.version).toBe(DTLS_1_2);
        expect(record.sequence).toBe(next[record.epoch]);
        next[record.epoch] = record.sequence + 1;
      }
    }
  });

  test('has nothing of the peer’s buffer: a datagram may be reused after the call', () => {
    const pair = new Pair(both);
    pair.start();
    while (pair.client.outgoing.length + pair.server.outgoing.length > 0) {
      for (const [from, to] of [
        [pair.client, pair.server],
        [pair.server, pair.client],
      ] as const) {
        for (const datagram of from.outgoing.splice(0)) {
          const shared = Buffer.from(datagram);
          to.association.receive(shared, 0);
          shared.fill(0xee);
        }
      }
    }
    expectSameKeys(pair);
  });
});
