import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { Alert } from './alerts.ts';
import { ContentType } from './constants.ts';
import { HANDSHAKE_HEADER_BYTES, MAX_MESSAGE_BYTES } from './reassembly.ts';
import { RecordWriter } from './records.ts';
import { HandmadeClient } from './testing/handmade.ts';
import { ecdsaIdentity } from './testing/identities.ts';
import { mutate } from './testing/mutate.ts';
import { createEnd, type End, Pair } from './testing/pair.ts';
import { createRandom, type Random } from './testing/random.ts';

/** Mutated datagrams in all; set `DTLS_FUZZ_DATAGRAMS` and `DTLS_FUZZ_SEED` for a longer or another run. */
const DATAGRAMS = Number(process.env['DTLS_FUZZ_DATAGRAMS'] ?? 120_000);
/** A long run says how it went. */
const LONG = process.env['DTLS_FUZZ_DATAGRAMS'] !== undefined;
/** Shares of the three kinds: those that cost a handshake each few datagrams are dear. */
const SHARE = { handshake: DATAGRAMS / 6, connected: (DATAGRAMS * 3) / 4, authenticated: DATAGRAMS / 12 };
const SEED = Number(process.env['DTLS_FUZZ_SEED'] ?? 1);
/** CPU time of one call: far above what the slowest takes, and far below what a hang takes. */
const MAX_CALL_MS = 250;
const MAX_GROWTH_BYTES = 24 * 1024 * 1024;
const TIMEOUT = 60_000 + DATAGRAMS;

const [client, server] = await Promise.all([ecdsaIdentity(), ecdsaIdentity()]);
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function memoryBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What must hold of an end at any time, whatever it was fed. */
function expectSane(end: End): void {
  expect(end.keys.length).toBeLessThanOrEqual(1);
  expect(end.closed.length).toBeLessThanOrEqual(1);
  expect(end.closed[0]?.detail ?? '').not.toMatch(/internal error/);
}

class Meter {
  count = 0;
  slowestMs = 0;

  feed(end: End, datagram: Buffer, nowMs: number): void {
    const before = process.cpuUsage();
    end.association.receive(datagram, nowMs);
    const { user, system } = process.cpuUsage(before);
    this.slowestMs = Math.max(this.slowestMs, (user + system) / 1000);
    this.count += 1;
  }
}

/** One handshake; at a random point one end gets mutants of what it would get, until it breaks or has had enough. */
function disturbedHandshake(random: Random, meter: Meter): void {
  const mtu = random.below(2) === 0 ? 300 : 1200;
  const pair = new Pair({ client, server }, { client: { mtu }, server: { mtu } });
  pair.start();
  const seen: Buffer[] = [];
  let calm = random.below(10);
  let left = 1 + random.below(60);
  for (let step = 0; step < 30; step += 1) {
    for (const [from, to] of [
      [pair.client, pair.server],
      [pair.server, pair.client],
    ] as const) {
      for (const datagram of from.outgoing.splice(0)) {
        seen.push(datagram);
        for (calm -= 1; calm < 0 && left > 0 && to.closed.length === 0; left -= 1) {
          meter.feed(to, mutate(datagram, seen, random), pair.nowMs);
        }
        meter.feed(to, datagram, pair.nowMs);
      }
    }
    pair.advance(80);
  }
  expectSane(pair.client);
  expectSane(pair.server);
  // Either both have the same keys, or they have not both been told any.
  if (pair.client.keys.length + pair.server.keys.length < 2) return;
  expect(pair.client.keys[0]?.local).toEqual(pair.server.keys[0]?.remote);
  expect(pair.client.keys[0]?.remote).toEqual(pair.server.keys[0]?.local);
}

describe('mutated datagrams', () => {
  test('in a handshake neither break, stop nor bloat anything', { timeout: TIMEOUT }, () => {
    const random = createRandom(SEED);
    const meter = new Meter();
    const before = memoryBytes();
    let sessions = 0;
    for (; meter.count < SHARE.handshake; sessions += 1) disturbedHandshake(random, meter);
    expect(meter.slowestMs).toBeLessThan(MAX_CALL_MS);
    expect(memoryBytes() - before).toBeLessThan(MAX_GROWTH_BYTES);
    if (LONG)
      console.info(
        `${meter.count} datagrams in ${sessions} handshakes, the slowest took ${meter.slowestMs.toFixed(1)} ms`,
      );
  });

  test('after a handshake change nothing', { timeout: TIMEOUT }, () => {
    const random = createRandom(SEED + 1);
    const meter = new Meter();
    const before = memoryBytes();
    while (meter.count < SHARE.connected) {
      const pair = new Pair({ client, server });
      pair.start();
      pair.settle();
      const seen = [...pair.client.sent, ...pair.server.sent];
      const counts = [pair.client.sent.length, pair.server.sent.length];
      for (let count = 0; count < 5000; count += 1) {
        const datagram = seen[random.below(seen.length)] ?? Buffer.alloc(0);
        // Untouched ones are replays, which must not matter either.
        const sent = random.below(10) === 0 ? datagram : mutate(datagram, seen, random);
        for (const end of [pair.client, pair.server]) meter.feed(end, sent, count);
      }
      expect(pair.bothConnected).toBe(true);
      expect([pair.client.sent.length, pair.server.sent.length]).toEqual(counts);
    }
    expect(meter.slowestMs).toBeLessThan(MAX_CALL_MS);
    expect(memoryBytes() - before).toBeLessThan(MAX_GROWTH_BYTES);
  });
});

describe('nonsense from a peer that has the keys', () => {
  test('before or after Finished breaks nothing and gives no second keys', { timeout: TIMEOUT }, () => {
    const random = createRandom(SEED + 2);
    const types = [...Object.values(ContentType), 24, 0, 255];
    const before = memoryBytes();
    let count = 0;
    while (count < SHARE.authenticated) {
      const end = createEnd('server', server, { remoteFingerprints: client.fingerprints });
      const peer = new HandmadeClient(end);
      peer.hello();
      peer.certificate(client.certificate.certificate);
      peer.keyExchange();
      peer.verify(client.certificate.privateKey);
      peer.changeCipherSpec();
      if (random.below(2) === 0) peer.finished();
      const genuine = peer.transcript.messages.map((message) => Buffer.from(message));
      for (let more = 0; more < 200 && end.closed.length === 0; more += 1, count += 1) {
        peer.nowMs += random.below(100);
        const type = types[random.below(types.length)] ?? 0;
        const plaintext =
          random.below(3) === 0
            ? random.bytes(random.below(40))
            : mutate(genuine[random.below(genuine.length)] ?? Buffer.alloc(0), genuine, random);
        // Alerts end it too easily to be sent often.
        if (type === ContentType.alert && random.below(20) > 0) continue;
        peer.protect(type, plaintext);
      }
      expectSane(end);
      expect(peer.alerts.filter(([, level]) => level === 1).length).toBeLessThanOrEqual(5);
      expect(peer.alerts.some(([, , description]) => description === Alert.internalError)).toBe(false);
      count += 1;
    }
    expect(memoryBytes() - before).toBeLessThan(MAX_GROWTH_BYTES);
  });
});

test('fragments that never end hold no more than twice 32 KB for each association', () => {
  const ends: End[] = [];
  const before = memoryBytes();
  for (let number = 0; number < 200; number += 1) {
    const end = createEnd('server', server, { remoteFingerprints: client.fingerprints });
    const writer = new RecordWriter(0);
    for (let count = 0; count < 500; count += 1) {
      const fragment = Buffer.alloc(HANDSHAKE_HEADER_BYTES + 1);
      fragment[0] = 1;
      fragment.writeUIntBE(MAX_MESSAGE_BYTES, 1, 3);
      fragment.writeUInt16BE(count % 10, 4);
      fragment.writeUIntBE(count, 6, 3);
      fragment.writeUIntBE(1, 9, 3);
      end.association.receive(writer.write(ContentType.handshake, fragment), count);
    }
    expect(end.closed).toEqual([]);
    expect(end.sent).toEqual([]);
    ends.push(end);
  }
  // The bytes and the map of which are there, and what an association takes anyway.
  const each = (memoryBytes() - before) / ends.length;
  expect(each).toBeLessThan(2 * 32 * 1024 + 16 * 1024);
  expect(each).toBeGreaterThan(0);
});
