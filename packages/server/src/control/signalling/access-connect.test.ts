import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { MediaServerError } from '../../core/index.ts';
import { ScriptedAccess } from '../../core/testing/scripted-access.ts';
import type { SignallingOptions } from './options.ts';
import type { SignallingDeps } from './signalling-server.ts';
import { OFFER } from './testing/memory-gateway.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';
import type { WebSdkClient } from './testing/web-sdk-client.ts';

let fixture: SignallingFixture;
let access: ScriptedAccess;

vi.setConfig({ testTimeout: 30_000 });

beforeEach(() => {
  access = new ScriptedAccess();
});

afterEach(() => fixture.close());

async function start(
  options: Partial<SignallingOptions> = {},
  deps: Partial<Pick<SignallingDeps, 'allowsOrigin'>> = {},
): Promise<SignallingFixture> {
  fixture = await SignallingFixture.start(options, 0, { access, ...deps });
  return fixture;
}

/** Answers to `connect` that a test gives when it wants. */
function held(): { allow: (fields?: Record<string, unknown>) => void; deny: (words: string) => void } {
  let give = (_answer: { deny?: string; fields?: Record<string, unknown> }): void => {};
  const answer = new Promise<{ deny?: string; fields?: Record<string, unknown> }>((resolve) => {
    give = resolve;
  });
  access.answer = (what) => (what === 'connect' ? answer : undefined);
  return { allow: (fields = {}) => give({ fields }), deny: (words) => give({ deny: words }) };
}

async function asking(connection: object = {}): Promise<WebSdkClient> {
  const client = await fixture.silentClient();
  const before = access.whats.filter((what) => what === 'connect').length;
  client.send('connection', connection);
  await eventually(() => expect(access.whats.filter((what) => what === 'connect')).toHaveLength(before + 1));
  return client;
}

const PHONE = { sipLogin: '1001', sipPassword: 'secret-word', sipDomain: 'sip.example', keepAlive: true };

describe('a client that connects', () => {
  it('is asked for with all that it said, and is told what the back end made of it', async () => {
    await start();
    access.answer = () => ({ fields: { sipLogin: '2002', custom: { role: 'guest' }, sipPassword: 'injected' } });
    access.hidden = { connect: ['clientVersion'], ConnectionStatusEvent: ['sipDomain'] };
    const { userData } = await fixture.establish({ ...PHONE, custom: { token: 't', deep: [1, { a: null }] } });
    expect(access.calls[0]).toEqual({
      what: 'connect',
      fields: {
        sessionId: expect.stringMatching(/^\/127\.0\.0\.1:\d+\/127\.0\.0\.1:\d+$/) as string,
        appKey: 'defaultApp',
        protocol: 'webrtc',
        remoteAddress: '127.0.0.1',
        custom: { token: 't', deep: [1, { a: null }] },
        fields: {
          ...PHONE,
          mediaProviders: ['WebRTC', 'MSE', 'WSPlayer'],
          clientVersion: '2.0',
          clientOSVersion: '5.0 (X11; Linux x86_64)',
          clientBrowserVersion: 'Mozilla/5.0',
          msePacketizationVersion: 2,
          clientInfo: {},
          useWsTunnel: false,
          useWsTunnelPacketization2: false,
          useBase64BinaryEncoding: false,
          origin: 'http://pages.example',
          status: 'PENDING',
        },
      },
    });
    expect(access.calls[1]).toEqual({ what: 'established', fields: { authToken: userData['authToken'] } });
    expect(userData).toMatchObject({ sipLogin: '2002', custom: { role: 'guest' }, status: 'ESTABLISHED' });
    for (const name of ['clientVersion', 'sipDomain', 'sipPassword', 'origin'])
      expect(userData).not.toHaveProperty(name);
    expect([...fixture.hub.connections.all()][0]?.describe().custom).toEqual({ role: 'guest' });
    expect(JSON.stringify(fixture.hub.log.lines)).not.toMatch(/secret-word|injected/);
  });

  it('is warned and fails when it is refused, with the words of the back end', async () => {
    await start();
    access.answer = () => ({ deny: 'no such user' });
    const client = await asking({ ...PHONE, custom: { token: 'tok-123' } });
    expect(await client.next('fail')).toEqual({
      message: 'fail',
      data: [{ apiMethod: 'ConnectionStatusEvent', status: 'FAILED', info: 'no such user' }],
    });
    await client.gone();
    expect(client.failed).toBe(true);
    expect(client.received.map(({ message }) => message)).toEqual(['fail']);
    await eventually(() => expect(fixture.hub.connections.size).toBe(0));
    expect(access.whats).toEqual(['connect']);
    expect(fixture.server.resumable).toBe(0);
    expect(fixture.hub.counters.of('signalling_refused')).toBe(1);
    expect(JSON.stringify(fixture.hub.log.lines)).not.toMatch(/tok-123|secret-word/);
  });

  it('fails when no application has its key', async () => {
    await start();
    access.answer = () => {
      throw new MediaServerError('APPLICATION_UNKNOWN', 'no application has the key "nobody"');
    };
    const client = await asking({ appKey: 'nobody' });
    expect((await client.next('fail')).data[0]).toMatchObject({ info: 'no application has the key "nobody"' });
    await client.gone();
  });

  it('is told at the end that it is gone, once and last', async () => {
    await start();
    const client = await fixture.client();
    client.close();
    await eventually(() => expect(access.whats).toEqual(['connect', 'established', 'end']));
    expect(access.calls.at(-1)?.fields).toEqual({ reason: 'client left' });
  });

  it('is ended by the back end with all that it carries', async () => {
    await start();
    const client = await fixture.publisher('room', OFFER);
    access.clients[0]?.close('not welcome any more');
    access.clients[0]?.close('not welcome any more');
    expect(await client.gone()).toEqual({ code: 1000, reason: 'not welcome any more' });
    expect(access.whats).toEqual(['connect', 'established', 'publish', 'active', 'ended', 'end']);
    expect(fixture.hub.streams.size).toBe(0);
  });
});

describe('while the back end is asked about a client', () => {
  it('what it says waits, in order, and pings go on', async () => {
    await start({ firstMessageTimeoutMs: 30, keepAliveIntervalMs: 20, keepAliveProbes: 3 });
    const { allow } = held();
    const client = await asking();
    for (let i = 0; i < 20; i++) client.send('sendData', { operationId: `o${i}`, payload: i });
    client.publish('p', 'room', { sdp: OFFER });
    client.send('connection', {});
    await eventually(() =>
      expect(client.received.filter(({ message }) => message === 'ping').length).toBeGreaterThan(5),
    );
    expect(access.whats).toEqual(['connect']);
    expect([...fixture.hub.connections.all()][0]?.describe().status).toBe('PENDING');
    allow();
    await client.next('setRemoteSDP');
    const data = access.calls.filter(({ what }) => what === 'OnDataEvent').map(({ fields }) => fields['payload']);
    expect(data).toEqual(Array.from({ length: 20 }, (_, i) => i));
    const names = client.received.map(({ message }) => message).filter((message) => message !== 'ping');
    expect(names[0]).toBe('getUserData');
    expect(names.filter((name) => name === 'getUserData')).toHaveLength(1);
    await client.next('fail', (body) => body['apiMethod'] === 'connection');
  });

  it('it is dropped when it leaves pings unanswered', async () => {
    await start({ keepAliveIntervalMs: 20, keepAliveProbes: 2 });
    const { allow } = held();
    const client = await fixture.silentClient();
    client.answersPings = false;
    client.send('connection', PHONE);
    await client.gone();
    expect(fixture.hub.counters.of('signalling_silent_clients')).toBe(1);
    expect(fixture.server.resumable).toBe(0);
    allow();
    await eventually(() => expect(access.whats).toEqual(['connect', 'end']));
  });

  it('it may leave: the back end hears of it when it has answered', async () => {
    await start();
    const { allow } = held();
    const client = await asking({ keepAlive: true });
    client.publish('p', 'room', { sdp: OFFER });
    client.close();
    await eventually(() => expect(fixture.hub.connections.size).toBe(0));
    expect(access.whats).toEqual(['connect']);
    allow();
    await eventually(() => expect(access.whats).toEqual(['connect', 'end']));
    expect(access.calls.at(-1)?.fields).toEqual({ reason: 'client left' });
    expect(fixture.gateway.requests).toEqual([]);
    expect(fixture.server.resumable).toBe(0);
  });

  it('it may leave, and a refusal comes to nobody', async () => {
    await start();
    const { deny } = held();
    const client = await asking();
    client.close();
    await eventually(() => expect(fixture.hub.connections.size).toBe(0));
    deny('no');
    await new Promise((resolve) => setImmediate(resolve));
    expect(access.whats).toEqual(['connect']);
    expect(fixture.hub.counters.of('signalling_refused')).toBe(0);
  });

  it.each([
    ['many', 300, 'x'],
    ['long', 20, 'x'.repeat(20_000)],
  ])('it is disconnected when it says too much (%s messages)', async (_what, count, payload) => {
    await start();
    const { allow } = held();
    const client = await asking();
    for (let i = 0; i < count; i++) client.send('sendData', { operationId: `o${i}`, payload });
    expect((await client.gone()).code).toBe(1008);
    expect(fixture.hub.counters.of('signalling_bad_messages')).toBe(1);
    allow();
    await eventually(() => expect(access.whats).toEqual(['connect', 'end']));
  });

  it('the server may stop', async () => {
    await start();
    const { allow } = held();
    const client = await asking();
    await fixture.server.close();
    expect((await client.gone()).code).toBe(1001);
    allow();
    await eventually(() => expect(access.whats).toEqual(['connect', 'end']));
  });
});

describe('a session that is resumed', () => {
  async function lost(): Promise<string> {
    const { client, userData } = await fixture.establish({ ...PHONE, custom: { a: 1 } });
    client.drop();
    await eventually(() => expect(fixture.server.resumable).toBe(1));
    return userData['authToken'] as string;
  }

  it('is asked for again, with its token and what its client had said', async () => {
    await start();
    const authToken = await lost();
    await fixture.establish({ authToken });
    const again = access.calls.filter(({ what }) => what === 'connect')[1];
    expect(again?.fields).toMatchObject({ custom: { a: 1 }, fields: { authToken, sipLogin: '1001', keepAlive: true } });
    expect(again?.fields['fields']).not.toHaveProperty('sipPassword');
    expect(access.whats).toEqual(['connect', 'established', 'end', 'connect', 'established']);
  });

  it('is given up when the back end says no', async () => {
    await start();
    const authToken = await lost();
    access.answer = () => ({ deny: 'no' });
    const client = await asking({ authToken });
    await client.gone();
    expect(fixture.server.resumable).toBe(0);
  });

  it('can be resumed later when its client leaves before the answer', async () => {
    await start();
    const authToken = await lost();
    const { allow } = held();
    const client = await asking({ authToken });
    expect(fixture.server.resumable).toBe(0);
    client.drop();
    await eventually(() => expect(fixture.server.resumable).toBe(1));
    allow();
    const { userData } = await fixture.establish({ authToken, keepAlive: false });
    expect(userData).toMatchObject({ authToken, sipLogin: '1001' });
  });

  it('is a new one when nobody has its token, of which the back end hears nothing', async () => {
    await start();
    const { userData } = await fixture.establish({ authToken: 'unknown' });
    expect(userData['authToken']).not.toBe('unknown');
    expect(access.calls[0]?.fields['fields']).not.toHaveProperty('authToken');
  });
});

describe('a page of a domain that is not allowed', () => {
  it('gets 403 before there is a WebSocket', async () => {
    await start({}, { allowsOrigin: (origin) => origin === 'http://pages.example' });
    const socket = new WebSocket(fixture.url, { headers: { origin: 'http://other.example' } });
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('403');
    expect(fixture.hub.counters.of('signalling_refused')).toBe(1);
    expect(fixture.hub.counters.of('signalling_connections')).toBe(0);
    await fixture.client();
  });
});
