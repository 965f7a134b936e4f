import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { RelayEnd } from '../../../core/index.ts';
import { RelayRig } from './testing/relay-rig.ts';

vi.setConfig({ testTimeout: 30_000 });

let rig: RelayRig;
let server: WebSocketServer;
/** What came, by name. */
let heard: { readonly message: string; readonly data: readonly Record<string, unknown>[] }[];
/** What the server does with what comes. */
let answer: (message: string, client: WebSocket, data: Record<string, unknown>) => void;

beforeEach(async () => {
  rig = await RelayRig.start();
  heard = [];
  answer = () => {};
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (client) => {
    client.on('error', () => {});
    client.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as (typeof heard)[0];
      heard.push(message);
      answer(message.message, client, message.data[0] ?? {});
    });
  });
  await once(server, 'listening');
});

afterEach(async () => {
  await rig.close();
  for (const client of server.clients) client.terminate();
  await new Promise((resolve) => server.close(resolve));
});

const say = (client: WebSocket, message: string, ...data: unknown[]) => client.send(JSON.stringify({ message, data }));

function pull(connectTimeoutMs = 5000, scheme = 'ws'): Promise<RelayEnd> {
  const url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return rig.pull(url, rig.target('here'), { remoteStreamName: 'there', connectTimeoutMs }).link.ended;
}

/** A server that lets the client in, and answers what it asks for. */
function letIn(onPlay: (client: WebSocket, id: unknown) => void): void {
  answer = (message, client, data) => {
    if (message === 'connection') say(client, 'getUserData', { status: 'ESTABLISHED' });
    else if (message === 'playStream') onPlay(client, data['mediaSessionId']);
  };
}

test('it is introduced as the Web SDK is, asks once, and stops what it asked for when it leaves', async () => {
  letIn((client) => say(client, 'getUserData', {}));
  expect(await pull(600)).toMatchObject({ code: 'unreachable', message: expect.stringContaining('600 ms') });
  await vi.waitFor(() =>
    expect(heard.map(({ message }) => message)).toEqual(['connection', 'playStream', 'stopStream']),
  );
  expect(heard[0]?.data[0]).toMatchObject({ appKey: 'defaultApp', mediaProviders: ['WebRTC'], clientVersion: '2.0' });
  const played = {
    name: 'there',
    published: false,
    hasVideo: true,
    hasAudio: true,
    status: 'PENDING',
    mediaProvider: 'WebRTC',
  };
  expect(heard[1]?.data[0]).toMatchObject({ ...played, sdp: expect.stringContaining('a=recvonly') });
  expect(heard[2]?.data[0]?.['mediaSessionId']).toBe(heard[1]?.data[0]?.['mediaSessionId']);
});

test.each<[string, (client: WebSocket) => void, string]>([
  ['what is not JSON', (client) => client.send('{'), 'invalid'],
  ['a message without end', (client) => client.send('"'.padEnd(1_000_000, 'x')), 'invalid'],
  ['nothing but its end', (client) => client.close(), 'refused'],
  ['its end by force', (client) => client.terminate(), 'refused'],
])('a server that says %s is told apart: %s', async (_, act, code) => {
  answer = (_message, client) => act(client);
  expect(await pull()).toMatchObject({ code });
});

test('messages of any form, and those about other streams, are passed over', async () => {
  letIn((client, id) => {
    for (const text of ['null', '1', '[]', '{}', '{"message":"setRemoteSDP"}', '{"message":"fail","data":[null]}'])
      client.send(text);
    client.send(Buffer.from([1, 2, 3]));
    say(client, 'setRemoteSDP', 'other', 'v=0');
    say(client, 'setRemoteSDP', id, 7);
    say(client, 'notifyStreamStatusEvent', { mediaSessionId: 'other', status: 'FAILED' });
    say(client, 'notifyStreamStatusEvent', { mediaSessionId: id, status: 'RESIZE' });
    say(client, 'notifyStreamStatusEvent', { mediaSessionId: id, status: 'FAILED', info: 'Stream not found' });
  });
  expect(await pull()).toEqual({ code: 'not_found', message: 'the server says FAILED: Stream not found' });
});

test('an answer that is garbage is invalid, and a failure by another message counts as well', async () => {
  letIn((client, id) => say(client, 'setRemoteSDP', id, 'garbage', true));
  expect(await pull()).toMatchObject({ code: 'invalid', message: expect.stringContaining('answer') });
  letIn((client, id) =>
    say(client, 'fail', { apiMethod: 'StreamStatusEvent', id, status: 'FAILED', info: 'Failed by error' }),
  );
  rig.hub.streams.end(rig.hub.streams.get('here') ?? rig.target('here'), 'next');
  expect(await pull()).toEqual({ code: 'unreachable', message: 'the server says FAILED: Failed by error' });
});

test.each(['wss', 'wheps'])(
  'a server that speaks no TLS is told by %s, without the words of OpenSSL',
  async (scheme) => {
    const { message } = await pull(5000, scheme);
    expect(message).toMatch(/^the server does not speak TLS as it should \([A-Z_]+\)$/);
  },
);
