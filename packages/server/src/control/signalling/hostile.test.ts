import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SignallingOptions } from './options.ts';
import { OFFER } from './testing/memory-gateway.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';

let fixture: SignallingFixture;

vi.setConfig({ testTimeout: 30_000 });

async function start(options: Partial<SignallingOptions> = {}): Promise<SignallingFixture> {
  fixture = await SignallingFixture.start(options);
  return fixture;
}

afterEach(() => fixture.close());

const MESSAGES = [
  'connection',
  'ping',
  'pong',
  'publishStream',
  'playStream',
  'unPublishStream',
  'stopStream',
  'snapshot',
  'availableStream',
  'sendStreamEvent',
  'sendData',
  'call',
  'answer',
  'hangup',
  'hold',
  'unhold',
  'transfer',
  'sendDtmf',
  'sessionDebug',
  'submitBugReport',
  'pushLogs',
  'webRTCMetricsClientDescription',
  'webRTCMetricsBatch',
];
const FIELDS = ['mediaSessionId', 'name', 'sdp', 'type', 'payload', 'callId', 'operationId', 'width', 'custom', 'logs'];
const VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  Number.MAX_VALUE,
  '',
  'x',
  '640',
  [],
  {},
  { toString: 1, __proto__: null },
  'a'.repeat(3000),
  [[[[]]]],
];

/** Numbers that look random and are the same in each run (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('a hostile client', () => {
  it('is warned about each bad message and disconnected when they do not stop', async () => {
    const { hub } = await start();
    const client = await fixture.client();
    client.sendRaw('{');
    await client.next('fail', (body) => body['info'] === 'Message can not be read');
    client.send('noSuchThing', {});
    await client.next('fail', (body) => body['apiMethod'] === 'noSuchThing');
    for (let i = 0; i < 50; i++) client.sendRaw(Buffer.from([1, 2, 3]));
    expect((await client.gone())?.code).toBe(1008);
    expect(hub.counters.of('signalling_bad_messages')).toBeLessThan(25);
    expect(hub.log.lines.filter((line) => line.level === 'warn').length).toBeLessThan(15);
  });

  it('is disconnected when a message is too long', async () => {
    await start({ maxMessageBytes: 10_000 });
    const client = await fixture.client();
    client.send('pushLogs', { logs: 'x'.repeat(20_000) });
    expect((await client.gone())?.code).toBe(1009);
  });

  it('that says too much is read more slowly, and loses nothing', async () => {
    await start({ messagesPerSecond: 200, messageBurst: 20 });
    const client = await fixture.client();
    const count = 100;
    const before = performance.now();
    // Long enough that they do not all come in one chunk.
    for (let i = 0; i < count; i++) client.send('sendData', { operationId: `o${i}`, payload: 'x'.repeat(10_000) });
    await client.next('DataStatusEvent', (body) => body['operationId'] === `o${count - 1}`);
    expect(performance.now() - before).toBeGreaterThan(300);
    expect(client.received.filter(({ message }) => message === 'DataStatusEvent')).toHaveLength(count);
  });

  it('that reads nothing is dropped before its unsent messages fill the memory', async () => {
    const { hub, gateway } = await start({ maxUnsentBytes: 200_000, messageBurst: 100_000 });
    const publisher = await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    player.socket.pause();
    const payload = 'x'.repeat(200_000);
    await eventually(() => {
      // The buffers of both sockets take some megabytes first.
      for (let i = 0; i < 10; i++) {
        publisher.send('sendStreamEvent', { mediaSessionId: 'room-pub', type: 'data', payload });
      }
      expect(hub.counters.of('signalling_slow_clients')).toBe(1);
    });
    expect([...gateway.peers.keys()]).toEqual(['room-pub']);
    player.socket.resume();
  });

  it('can pass on deep values, but none that overflow the stack', async () => {
    await start();
    const publisher = await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    const deep = (levels: number): string =>
      `{"message":"sendStreamEvent","data":[{"mediaSessionId":"room-pub","type":"data","payload":${'['.repeat(levels)}${']'.repeat(levels)}}]}`;
    publisher.sendRaw(deep(100_000));
    await publisher.next('fail');
    publisher.sendRaw(deep(50));
    await player.next('notifyStreamEvent');
  });

  it('can send any fields of any type in any message, and the server goes on', async () => {
    await start({ messageBurst: 100_000 });
    const random = randomOf(42);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    for (let client = 0; client < 20; client++) {
      const hostile = await fixture.client();
      for (let i = 0; i < 60; i++) {
        const body = Object.fromEntries(FIELDS.filter(() => random() < 0.5).map((field) => [field, pick(VALUES)]));
        hostile.send(pick(MESSAGES), random() < 0.9 ? body : pick(VALUES));
      }
      hostile.send('availableStream', { mediaSessionId: 'end', name: 'end' });
      await Promise.race([hostile.next('availableStream', (body) => body['id'] === 'end'), hostile.gone()]);
      // What it may be told of ids that it used twice is its own affair.
      hostile.offences.splice(0);
      hostile.drop();
    }
    const honest = await fixture.publisher('room', OFFER);
    expect(honest.closed).toBeUndefined();
  });
});

describe('200 clients that come and go', () => {
  it('leave nothing behind, whatever they were doing', async () => {
    const { hub, gateway, server } = await start({ resumeWindowMs: 200 });
    gateway.onPeer = (peer) => peer.activate();
    await fixture.publisher('stays', OFFER);
    for (let round = 0; round < 20; round++) {
      const clients = await Promise.all(
        Array.from({ length: 10 }, () => fixture.client({ keepAlive: round % 2 === 0 })),
      );
      for (const [index, client] of clients.entries()) {
        client.publish(`p${index}`, `room${index}`, { sdp: OFFER });
        client.play(`v${index}`, 'stays', { sdp: OFFER });
        if (index % 3 === 0) await client.status(`v${index}`, 'PLAYING');
        if (index % 2 === 0) client.drop();
        else client.close();
      }
      await eventually(() => expect(hub.connections.size).toBe(1));
    }
    await eventually(() => expect(server.resumable).toBe(0));
    expect([...gateway.peers.keys()]).toEqual(['stays-pub']);
    expect([...hub.streams.all()].map((stream) => stream.name)).toEqual(['stays']);
    expect(hub.sessions.size).toBe(1);
  });
});
