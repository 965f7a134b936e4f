import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { binaryFrame, FrameCache } from '../../io/index.ts';
import { FlvFixture } from './testing/flv-fixture.ts';
import { AUDIO, feed, PUBLISHER, packet, VIDEO } from './testing/packets.ts';
import { exchange } from './testing/viewers.ts';

let fixture: FlvFixture;

beforeEach(async () => {
  fixture = await FlvFixture.start();
});

afterEach(() => fixture.close());

async function restart(...args: Parameters<typeof FlvFixture.start>): Promise<void> {
  await fixture.close();
  fixture = await FlvFixture.start(...args);
}

function handshake(changes: Record<string, string | undefined> = {}, path = '/flv/cam.flv'): string {
  const headers: Record<string, string | undefined> = {
    Host: 'a',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...changes,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

describe('a WebSocket viewer', () => {
  it('gets the same stream as by HTTP, in binary messages', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 1080 });
    const viewer = await fixture.viewByWebSocket('/flv/cam.flv?token=abc');
    await vi.waitFor(() => expect(viewer.summary).toBe('m0 vc1000 ac1000 V1000 a1000 v1040 a1040'));
    expect(viewer.header).toEqual({ video: true, audio: true });
    stream.publish(packet(VIDEO, 1080, { key: false, bytes: 100_000 }));
    await vi.waitFor(() => expect(viewer.summary).toMatch(/ v1080$/));
    const [session] = [...fixture.hub.sessions.all()].map((s) => s.describe());
    expect(session).toMatchObject({ mediaProvider: 'WS-FLV', bytesOut: viewer.bytes, custom: { token: 'abc' } });
    expect(fixture.hub.connections.get(session?.sessionId ?? '')?.describe()).toMatchObject({ keepAlive: true });
    expect(viewer.webSocket.extensions).toBe('');
  });

  it('is told by a close frame that the stream is over', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const viewer = await fixture.viewByWebSocket('/flv/cam.flv');
    stream.publish(packet(VIDEO, 40, { key: false }));
    fixture.hub.streams.unpublish(stream, PUBLISHER, 'publisher stopped');
    expect(await viewer.closed).toEqual({ code: 1000, reason: 'publisher stopped' });
    expect(viewer.summary).toMatch(/v40$/);
  });

  it('is given as much of a long reason as a close frame holds', async () => {
    feed(fixture.hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
    const viewer = await fixture.viewByWebSocket('/flv/cam.flv');
    for (const session of [...fixture.hub.sessions.all()]) session.close(`a${'ü'.repeat(100)}`);
    expect(await viewer.closed).toEqual({ code: 1000, reason: `a${'ü'.repeat(61)}` });
  });

  it('who leaves is forgotten, whether it says goodbye or not', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const [polite, rude] = [
      await fixture.viewByWebSocket('/flv/cam.flv'),
      await fixture.viewByWebSocket('/flv/cam.flv'),
    ];
    expect(stream.viewers).toBe(2);
    polite.webSocket.close();
    await vi.waitFor(() => expect(stream.viewers).toBe(1));
    rude.webSocket.terminate();
    await vi.waitFor(() => expect([stream.viewers, stream.readerCount, fixture.flv.viewerCount]).toEqual([0, 0, 0]));
  });

  it.each([
    ['says goodbye', '88820000000003e8', '880203e8'],
    ['sends too much', '82fe040100000000', '880203f1'],
  ])('who %s and stays gets nothing after the close frame and is cut off', async (_, sent, answer) => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const socket = connect({ port: fixture.port, host: '127.0.0.1', allowHalfOpen: true });
    const parts: Buffer[] = [];
    const end = (): string => Buffer.concat(parts).subarray(-4).toString('hex');
    socket.on('data', (part) => parts.push(part));
    socket.write(handshake());
    await vi.waitFor(() => expect(stream.viewers).toBe(1));
    socket.write(Buffer.from(sent, 'hex'));
    await vi.waitFor(() => expect(end()).toBe(answer));
    stream.publish(packet(VIDEO, 80));
    await vi.waitFor(() => expect([stream.viewers, fixture.connections]).toEqual([0, 0]), 3000);
    expect(end()).toBe(answer);
    socket.destroy();
  });

  it('is heard only as far as pings go', async () => {
    feed(fixture.hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
    const viewer = await fixture.viewByWebSocket('/flv/cam.flv');
    viewer.webSocket.send('hello');
    const pong = once(viewer.webSocket, 'pong');
    viewer.webSocket.ping('x');
    expect(String((await pong)[0])).toBe('x');
    viewer.webSocket.send(new Uint8Array(1025));
    expect((await viewer.closed).code).toBe(1009);
  });

  it('who does not answer pings is dropped, who does is kept', async () => {
    await restart({ keepAliveIntervalMs: 0, keepAliveProbes: 1 });
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const alive = await fixture.viewByWebSocket('/flv/cam.flv');
    const dead = await fixture.viewByWebSocket('/flv/cam.flv', { autoPong: false });
    expect(stream.viewers).toBe(2);
    expect((await dead.closed).code).toBe(1006);
    expect(stream.viewers).toBe(1);
    expect(alive.webSocket.readyState).toBe(alive.webSocket.OPEN);
  });

  it('who does not read is dropped, and nothing is torn for one who pauses', async () => {
    await restart({ viewerStallTimeoutMs: 400 });
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const [gone, slow] = [await fixture.viewByWebSocket('/flv/cam.flv'), await fixture.viewByWebSocket('/flv/cam.flv')];
    gone.webSocket.pause();
    let ms = 1000;
    await vi.waitFor(() => {
      slow.webSocket.pause();
      feed(stream, { fromMs: ms, toMs: ms + 1000, bytes: 200_000 });
      ms += 1000;
      slow.webSocket.resume();
      expect(stream.viewers).toBe(1);
    }, 10_000);
    gone.webSocket.resume();
    expect((await gone.closed).code).toBe(1006);
    stream.publish(packet(VIDEO, ms));
    await vi.waitFor(() => expect(slow.summary).toMatch(new RegExp(`V${ms}$`)), 5000);
  }, 15_000);

  it('shares its messages with all others: the frame is built once', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const all = await Promise.all(Array.from({ length: 30 }, () => fixture.viewByWebSocket('/flv/cam.flv')));
    await vi.waitFor(() => expect(all.every((viewer) => viewer.tags.length === 5)).toBe(true));
    const before = all.map((viewer) => viewer.messages);
    for (let i = 1; i <= 10; i++) stream.publish(packet(AUDIO, i * 20));
    await vi.waitFor(() => expect(all.every((viewer) => viewer.summary.endsWith('a200'))).toBe(true));
    for (const [i, viewer] of all.entries()) expect(viewer.messages - (before[i] ?? 0)).toBeLessThanOrEqual(3);
    expect(stream.readerCount).toBe(1);
  });
});

describe('a WebSocket handshake that leads nowhere', () => {
  it('gets 404 with a body before the upgrade when there is no such stream', async () => {
    const answer = await exchange(fixture.port, handshake({}, '/flv/nobody.flv'));
    expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(answer).toMatch(/access-control-allow-origin: \*/i);
    const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as object;
    expect(body).toMatchObject({ status: 404, error: 'Not Found', path: '/flv/nobody.flv' });
    await expect(fixture.viewByWebSocket('/flv/nobody.flv')).rejects.toThrow(/404/);
  });

  it('gets 400 or 426-like answers when it is malformed, and the server goes on', async () => {
    feed(fixture.hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
    for (const changes of [
      { 'Sec-WebSocket-Key': undefined },
      { 'Sec-WebSocket-Key': 'short' },
      { 'Sec-WebSocket-Version': '7' },
      { 'Sec-WebSocket-Protocol': ',' },
    ]) {
      expect(await exchange(fixture.port, handshake(changes))).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect((await fixture.viewByWebSocket('/flv/cam.flv')).webSocket.readyState).toBe(1);
  });

  it('costs nothing when the peer leaves before the answer', async () => {
    const socket = connect({ port: fixture.port, host: '127.0.0.1' });
    socket.write(handshake({}, '/flv/nobody.flv'));
    await vi.waitFor(() => expect(fixture.flv.viewerCount).toBe(1));
    socket.resetAndDestroy();
    await vi.waitFor(() => expect([fixture.flv.viewerCount, fixture.connections]).toEqual([0, 0]));
  });

  it('gets 503 when the server stops while it waits', async () => {
    await restart({ playWaitMs: 60_000 });
    const answer = exchange(fixture.port, handshake());
    await vi.waitFor(() => expect(fixture.flv.viewerCount).toBe(1));
    await fixture.flv.close();
    expect(await answer).toMatch(/^HTTP\/1\.1 503 .*server stops/s);
  });
});

describe('a frame', () => {
  it.each([
    [0, '8200'],
    [125, '827d'],
    [126, '827e007e'],
    [65_535, '827effff'],
    [65_536, '827f0000000000010000'],
  ])('of %i bytes has the header %s (RFC 6455 §5.2)', (length, header) => {
    const payload = new Uint8Array(length).fill(7);
    const frame = binaryFrame(payload);
    expect(frame.subarray(0, frame.length - length).toString('hex')).toBe(header);
    expect(frame.subarray(frame.length - length).every((byte) => byte === 7)).toBe(true);
  });

  it('is built once for viewers one after the other, and anew for other bytes', () => {
    const frames = new FrameCache();
    const [one, two] = [Buffer.from('one'), Buffer.from('two')];
    const first = frames.frameOf(one);
    expect(frames.frameOf(one)).toBe(first);
    expect(frames.frameOf(two).subarray(2).toString()).toBe('two');
    expect(frames.frameOf(one)).toEqual(first);
  });
});
