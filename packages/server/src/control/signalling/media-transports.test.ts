import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type RawData, WebSocket } from 'ws';
import type { SocketProvider } from '../../core/index.ts';
import type { SignallingOptions } from './options.ts';
import { OFFER } from './testing/memory-gateway.ts';
import { MemorySockets, SOCKET_ANSWER } from './testing/memory-sockets.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';
import type { WebSdkClient } from './testing/web-sdk-client.ts';

vi.setConfig({ testTimeout: 30_000 });

let fixture: SignallingFixture;
let sockets: MemorySockets;
const open: Transport[] = [];

afterEach(async () => {
  for (const transport of open.splice(0)) transport.socket.terminate();
  await fixture.close();
  expect(sockets.players.size).toBe(0);
});

/** The second WebSocket of a client, as the SDK opens it. */
class Transport {
  readonly socket: WebSocket;
  readonly messages: string[] = [];
  readonly texts: string[] = [];
  closedWith: number | undefined;

  constructor(url: string) {
    this.socket = new WebSocket(url);
    this.socket.on('message', (data: RawData, isBinary) => {
      (isBinary ? this.messages : this.texts).push((data as Buffer).toString());
      if (!isBinary) this.socket.send('{"message":"pong"}');
    });
    this.socket.on('close', (code) => {
      this.closedWith = code;
    });
    open.push(this);
  }

  static async connect(url: string, authToken: unknown): Promise<Transport> {
    const transport = new Transport(url);
    await once(transport.socket, 'open');
    transport.socket.send(JSON.stringify({ message: 'connectMediaTransport', data: [{ authToken }] }));
    return transport;
  }
}

async function start(
  options: Partial<SignallingOptions> = {},
  providers?: readonly SocketProvider[],
): Promise<{ client: WebSdkClient; token: unknown }> {
  sockets = new MemorySockets(providers);
  fixture = await SignallingFixture.start(options, 0, { mediaSockets: sockets });
  await fixture.publisher('room', OFFER);
  const { client, userData } = await fixture.establish();
  return { client, token: userData['authToken'] };
}

function play(client: WebSdkClient, id: string, mediaProvider = 'MSE', fields: object = {}): void {
  client.play(id, 'room', { sdp: 'v=0\r\n', mediaProvider, ...fields });
}

describe('a player by MSE', () => {
  it('gets its answer, plays by the transport that comes then, and is told its size', async () => {
    const { client, token } = await start();
    play(client, 'a', 'MSE', { width: '320' });
    expect((await client.next('setRemoteSDP')).data).toEqual(['a', SOCKET_ANSWER, true]);
    expect(sockets.requests[0]).toMatchObject({ provider: 'MSE', streamName: 'room', picture: { width: 320 } });
    const transport = await Transport.connect(fixture.url, token);
    const status = await client.status('a', 'PLAYING');
    expect(status).toMatchObject({ mediaProvider: 'MSE', transport: 'TCP', videoCodec: 'H264', width: 640 });
    await client.next('notifyStreamEvent', (body) => body['type'] === 'resize');
    await eventually(() => expect(transport.messages).toEqual(['a']));
    client.send('stopStream', { mediaSessionId: 'a', name: 'room' });
    await client.status('a', 'STOPPED');
    await eventually(() => expect(transport.closedWith).toBe(1000));
  });

  it('waits for its answer until the transport of the one before has come', async () => {
    const { client, token } = await start();
    play(client, 'a');
    play(client, 'b');
    await client.next('setRemoteSDP', () => true);
    await eventually(() => expect(sockets.players.size).toBe(2));
    expect(client.received.filter(({ message }) => message === 'setRemoteSDP')).toHaveLength(1);
    const first = await Transport.connect(fixture.url, token);
    await eventually(() => expect(client.received.filter(({ message }) => message === 'setRemoteSDP')).toHaveLength(2));
    const second = await Transport.connect(fixture.url, token);
    await eventually(() => expect([first.messages, second.messages]).toEqual([['a'], ['b']]));
  });

  it('whose transport does not come is FAILED, and the next one has its turn', async () => {
    const { client, token } = await start({ mediaSocketWaitMs: 200 });
    play(client, 'a');
    play(client, 'b');
    expect((await client.status('a', 'FAILED')).info).toBe('Failed by ICE timeout');
    await eventually(() => expect(client.about('b')).toContain('setRemoteSDP'));
    const transport = await Transport.connect(fixture.url, token);
    await eventually(() => expect(transport.messages).toEqual(['b']));
  });

  it('whose transport is lost is STOPPED', async () => {
    const { client, token } = await start();
    play(client, 'a');
    await client.next('setRemoteSDP');
    const transport = await Transport.connect(fixture.url, token);
    await client.status('a', 'PLAYING');
    transport.socket.terminate();
    await client.status('a', 'STOPPED');
  });

  it('ends with its session, and its transport too', async () => {
    const { client, token } = await start();
    play(client, 'a');
    await client.next('setRemoteSDP');
    const transport = await Transport.connect(fixture.url, token);
    await client.status('a', 'PLAYING');
    client.drop();
    await eventually(() => expect(transport.closedWith).toBe(1000));
  });

  it('is refused where MSE is off', async () => {
    const { client } = await start({}, ['WSPlayer']);
    play(client, 'a');
    expect((await client.status('a', 'FAILED')).info).toBe('Media provider MSE is not available');
  });

  it('is told no rates, which the SDK could not take', async () => {
    const { client, token } = await start({ outboundVideoRateIntervalMs: 1 });
    await fixture.player('w', 'room', OFFER).then(async (other) => {
      fixture.gateway.peer('w').videoBitrateBps = 1000;
      play(client, 'a');
      await client.next('setRemoteSDP');
      await Transport.connect(fixture.url, token);
      await client.status('a', 'PLAYING');
      await other.next('outboundVideoRate');
      await other.next('outboundVideoRate', () => true);
    });
    expect(client.received.filter(({ message }) => message === 'outboundVideoRate')).toEqual([]);
  });
});

describe('a media transport', () => {
  it.each([undefined, '', 'no such token', 5])('with the token %s is closed', async (authToken) => {
    await start();
    const transport = await Transport.connect(fixture.url, authToken);
    await eventually(() => expect(transport.closedWith).toBe(1008));
    expect(fixture.hub.counters.of('signalling_refused')).toBe(1);
  });

  it('that nobody waits for is closed', async () => {
    const { token } = await start({}, ['MSE']);
    const transport = await Transport.connect(fixture.url, token);
    await eventually(() => expect(transport.closedWith).toBe(1008));
  });

  it('is pinged, is no connection of a client, and is dropped when it is silent', async () => {
    const { client, token } = await start({ keepAliveIntervalMs: 100, keepAliveProbes: 3 });
    const before = fixture.hub.connections.size;
    play(client, 'a');
    await client.next('setRemoteSDP');
    const transport = await Transport.connect(fixture.url, token);
    await eventually(() => expect(transport.texts.length).toBeGreaterThan(1));
    expect(fixture.hub.connections.size).toBe(before);
    transport.socket.removeAllListeners('message');
    await client.status('a', 'STOPPED');
    await eventually(() => expect(transport.closedWith).toBe(1006));
  });
});

describe('players by WSPlayer', () => {
  it('use the transport that their page opened before, the newest one taking it over', async () => {
    const { client, token } = await start();
    const transport = await Transport.connect(fixture.url, token);
    play(client, 'a', 'WSPlayer');
    await client.status('a', 'PLAYING');
    play(client, 'b', 'WSPlayer');
    await client.status('b', 'PLAYING');
    await client.status('a', 'STOPPED');
    await eventually(() => expect(transport.messages).toEqual(['a', 'b']));
    client.send('stopStream', { mediaSessionId: 'b', name: 'room' });
    await client.status('b', 'STOPPED');
    play(client, 'c', 'WSPlayer');
    await client.status('c', 'PLAYING');
    expect(transport.closedWith).toBeUndefined();
  });

  it('that come before their transport wait for it', async () => {
    const { client, token } = await start();
    play(client, 'a', 'WSPlayer');
    await client.next('setRemoteSDP');
    const transport = await Transport.connect(fixture.url, token);
    await eventually(() => expect(transport.messages).toEqual(['a']));
    const other = await Transport.connect(fixture.url, token);
    await eventually(() => expect(other.closedWith).toBe(1008));
  });
});
