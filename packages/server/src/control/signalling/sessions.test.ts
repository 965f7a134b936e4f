import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { SignallingOptions } from './options.ts';
import { OFFER } from './testing/memory-gateway.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';
import { WebSdkClient } from './testing/web-sdk-client.ts';

let fixture: SignallingFixture;

vi.setConfig({ testTimeout: 30_000 });

async function start(options: Partial<SignallingOptions> = {}): Promise<SignallingFixture> {
  fixture = await SignallingFixture.start(options);
  return fixture;
}

afterEach(() => fixture.close());

describe('a session', () => {
  it('is established with the client’s own object, a token that can not be guessed, and no password', async () => {
    await start();
    const sip = { sipLogin: '1001', sipPassword: 'secret', sipPort: '5060' };
    const { userData } = await fixture.establish({ custom: { a: 1, nested: { b: [1, 2] } }, ...sip });
    expect(userData).toEqual({
      appKey: 'defaultApp',
      mediaProviders: ['WebRTC', 'MSE', 'WSPlayer'],
      clientVersion: '2.0',
      clientOSVersion: '5.0 (X11; Linux x86_64)',
      clientBrowserVersion: 'Mozilla/5.0',
      msePacketizationVersion: 2,
      clientInfo: {},
      custom: { a: 1, nested: { b: [1, 2] } },
      sipLogin: '1001',
      sipPort: '5060',
      useWsTunnel: false,
      useWsTunnelPacketization2: false,
      useBase64BinaryEncoding: false,
      status: 'ESTABLISHED',
      authToken: expect.stringMatching(/^[\w-]{32}$/) as string,
    });
    const second = await fixture.establish();
    expect(second.userData['authToken']).not.toBe(userData['authToken']);
  });

  it('can be opened at any path and from a page of any origin', async () => {
    await start();
    const client = await fixture.silentClient('/1a2b3c4d?x=y');
    client.send('connection', {});
    const { data } = await client.next('getUserData');
    expect(data[0]).toMatchObject({ appKey: 'defaultApp', status: 'ESTABLISHED' });
  });

  it('is told once that it is established, however often the client asks', async () => {
    await start();
    const client = await fixture.client();
    client.send('connection', { appKey: 'other' });
    await client.next('fail', (body) => body['apiMethod'] === 'connection');
    expect(client.received.filter(({ message }) => message === 'getUserData')).toHaveLength(1);
  });

  it('takes every field of a wrong type as one that is not there', async () => {
    await start();
    const wrong = { appKey: 7, mediaProviders: 'WebRTC', keepAlive: 'yes', authToken: {}, custom: null, sipPort: [] };
    const { userData } = await fixture.establish(wrong);
    expect(userData).toMatchObject({ appKey: 'defaultApp', custom: null });
    expect(userData).not.toHaveProperty('mediaProviders');
    expect(userData).not.toHaveProperty('keepAlive');
    expect(userData).not.toHaveProperty('sipPort');
  });

  it('does not give fields back that would switch metrics on', async () => {
    await start();
    const { userData } = await fixture.establish({ webRTCMetricsServerDescription: { collect: 'on' }, other: 1 });
    expect(userData).not.toHaveProperty('webRTCMetricsServerDescription');
  });

  it('is closed when its first message does not come in time', async () => {
    await start({ firstMessageTimeoutMs: 50 });
    const client = await fixture.silentClient();
    await client.gone();
    expect(fixture.hub.counters.of('signalling_silent_clients')).toBe(1);
  });

  it('can not begin streams before it is established', async () => {
    await start();
    const client = await fixture.silentClient();
    client.publish('p', 'room', { sdp: OFFER });
    const { data } = await client.next('fail');
    expect(data[0]).toEqual({ apiMethod: 'StreamStatusEvent', id: 'p', status: 'FAILED', info: 'Session not ready' });
    expect(fixture.gateway.requests).toEqual([]);
  });

  it('that must register a SIP account is refused with a warning and closed', async () => {
    await start();
    const { client } = await fixture.establish({ sipLogin: '1001', sipRegisterRequired: true, keepAlive: true });
    const { data } = await client.next('fail');
    expect(data[0]).toMatchObject({ apiMethod: 'RegistrationStatusEvent', status: 'FAILED' });
    await client.gone();
    expect(fixture.server.resumable).toBe(0);
  });
});

describe('keep-alive', () => {
  it('pings with a data array, and keeps a client that answers', async () => {
    await start({ keepAliveIntervalMs: 20, keepAliveProbes: 2 });
    const client = await fixture.client();
    await eventually(() =>
      expect(client.received.filter(({ message }) => message === 'ping').length).toBeGreaterThan(4),
    );
    expect(client.received.find(({ message }) => message === 'ping')).toEqual({ message: 'ping', data: [] });
    expect(client.closed).toBeUndefined();
  });

  it('drops a client that leaves its pings unanswered, with all that it published', async () => {
    await start({ keepAliveIntervalMs: 20, keepAliveProbes: 3 });
    const client = await fixture.publisher('room', OFFER);
    client.answersPings = false;
    expect((await client.gone()).code).toBe(1006);
    expect(fixture.hub.streams.get('room')).toBeUndefined();
    expect(fixture.hub.counters.of('signalling_silent_clients')).toBe(1);
  });

  it('does not ping when it is off', async () => {
    await start({ keepAlive: false, keepAliveIntervalMs: 1, keepAliveProbes: 1 });
    const client = await fixture.client();
    client.send('ping');
    client.send('availableStream', { mediaSessionId: 'x', name: 'none' });
    await client.next('availableStream');
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(client.received.map(({ message }) => message)).toEqual(['getUserData', 'availableStream']);
  });
});

describe('a session with keepAlive', () => {
  const phone = { sipLogin: '1001', sipPassword: 'secret', custom: { a: 1 }, keepAlive: true };

  it('is resumed by its token with its old login, without its old streams', async () => {
    await start();
    const { client, userData } = await fixture.establish(phone);
    client.publish('p', 'room', { sdp: OFFER });
    await client.next('setRemoteSDP');
    client.drop();
    await eventually(() => expect(fixture.server.resumable).toBe(1));
    expect(fixture.hub.streams.get('room')).toBeUndefined();
    const { authToken } = userData;
    const again = await fixture.establish({ authToken, keepAlive: true });
    expect(again.userData).toMatchObject({ authToken, sipLogin: '1001', custom: { a: 1 }, status: 'ESTABLISHED' });
    again.client.publish('p', 'room', { sdp: OFFER });
    await again.client.next('setRemoteSDP');
    again.client.drop();
    await eventually(() => expect(fixture.server.resumable).toBe(1));
    const third = await fixture.establish({ authToken, keepAlive: false });
    expect(third.userData).toMatchObject({ authToken, sipLogin: '1001' });
  });

  it('is taken over when the server has not noticed yet that the old connection is dead', async () => {
    await start();
    const { client, userData } = await fixture.establish(phone);
    client.publish('p', 'room', { sdp: OFFER });
    await client.next('setRemoteSDP');
    const { authToken } = userData;
    const again = await fixture.establish({ authToken });
    expect(again.userData).toMatchObject({ authToken, sipLogin: '1001', keepAlive: true });
    await client.gone();
    expect(fixture.gateway.peers.size).toBe(0);
    again.client.drop();
    await eventually(() => expect(fixture.server.resumable).toBe(1));
    const last = await fixture.establish({ authToken, keepAlive: false });
    expect(last.userData['authToken']).toBe(authToken);
  });

  it('can not be resumed after its time, or when too many newer ones wait', async () => {
    await start({ resumeWindowMs: 500, maxResumable: 1 });
    const first = await fixture.establish(phone);
    const second = await fixture.establish({ ...phone, sipLogin: '1002' });
    first.client.drop();
    await eventually(() => expect(fixture.server.resumable).toBe(1));
    second.client.drop();
    await eventually(() => expect(fixture.hub.connections.size).toBe(0));
    expect(fixture.server.resumable).toBe(1);
    const lost = await fixture.establish({ authToken: first.userData['authToken'] });
    expect(lost.userData['authToken']).not.toBe(first.userData['authToken']);
    expect(lost.userData).not.toHaveProperty('sipLogin');
    await eventually(() => expect(fixture.server.resumable).toBe(0));
    const late = await fixture.establish({ authToken: second.userData['authToken'] });
    expect(late.userData).not.toHaveProperty('sipLogin');
  });

  it('can not be resumed after the operator has ended it', async () => {
    await start();
    await fixture.establish(phone);
    for (const connection of fixture.hub.connections.all()) connection.close('Stopped by rest /terminate');
    expect(fixture.server.resumable).toBe(0);
  });

  it('differs from one without, whose token is worth nothing to others', async () => {
    await start();
    const { client, userData } = await fixture.establish({ sipLogin: '1001' });
    const { authToken } = userData;
    const thief = await fixture.establish({ authToken });
    expect(thief.userData['authToken']).not.toBe(authToken);
    expect(thief.userData).not.toHaveProperty('sipLogin');
    expect(client.closed).toBeUndefined();
    client.drop();
    await eventually(() => expect(fixture.hub.connections.size).toBe(1));
    expect(fixture.server.resumable).toBe(0);
  });
});

describe('the connection registry', () => {
  it('tells what the client said of itself, and what went over its connection', async () => {
    await start();
    const silent = await fixture.silentClient();
    await eventually(() => expect(fixture.hub.connections.size).toBe(1));
    expect([...fixture.hub.connections.all()][0]?.describe()).toMatchObject({ status: 'PENDING', protocol: 'webrtc' });
    silent.close();
    await eventually(() => expect(fixture.hub.connections.size).toBe(0));
    const { userData } = await fixture.establish({ keepAlive: false, custom: { token: 'x', n: { a: [1] } } });
    const [connection] = [...fixture.hub.connections.all()];
    const description = connection?.describe();
    expect(description).toMatchObject({
      sessionId: expect.stringMatching(new RegExp(`^/127.0.0.1:\\d+/127.0.0.1:${fixture.server.port}$`)) as string,
      appKey: 'defaultApp',
      protocol: 'webrtc',
      mediaProvider: 'WebRTC',
      mediaProviders: ['WebRTC', 'MSE', 'WSPlayer'],
      status: 'ESTABLISHED',
      clientVersion: '2.0',
      clientBrowserVersion: 'Mozilla/5.0',
      origin: 'http://pages.example',
      keepAlive: false,
      custom: { token: 'x', n: { a: [1] } },
    });
    expect(description?.bytesIn).toBeGreaterThan(200);
    expect(description?.bytesOut).toBeGreaterThan(200);
    expect(JSON.stringify(description)).not.toContain(userData['authToken']);
  });

  it('ends a client and all of its streams when the operator asks', async () => {
    await start();
    const client = await fixture.publisher('room', OFFER);
    for (const connection of fixture.hub.connections.all()) connection.close('Stopped by rest /terminate');
    expect(await client.gone()).toEqual({ code: 1000, reason: 'Stopped by rest /terminate' });
    expect(fixture.hub.streams.size).toBe(0);
    expect(fixture.hub.connections.size).toBe(0);
  });
});

describe('a listener', () => {
  it('tells those who speak HTTP what the port is for', async () => {
    await start();
    const response = await fetch(fixture.url.replace('ws:', 'http:'));
    expect(response.status).toBe(426);
    expect(response.headers.get('upgrade')).toBe('websocket');
    expect(await response.text()).toMatch(/WebSocket.*Web SDK/);
  });

  it('refuses more connections than it may have with 503', async () => {
    await start({ maxConnections: 1 });
    await fixture.client();
    const socket = new WebSocket(fixture.url);
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('503');
    expect(fixture.hub.counters.of('signalling_refused')).toBe(1);
  });

  it('listens at several addresses', async () => {
    await start({
      listen: [
        { host: '127.0.0.1', port: 0 },
        { host: '127.0.0.2', port: 0 },
      ],
    });
    expect(fixture.server.port).toBeGreaterThan(0);
    await fixture.client();
  });

  it('says which setting to change when its port is taken, and leaves nothing open', async () => {
    await start();
    const listen = [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: fixture.server.port },
    ];
    await expect(SignallingFixture.start({ listen })).rejects.toThrow(/ws\.port/);
  });

  it('closes clients with "going away" and peers that have said nothing when the server stops', async () => {
    await start();
    const client = await fixture.client({ keepAlive: true });
    const silent = connect(fixture.server.port, '127.0.0.1');
    await once(silent, 'connect');
    const gone = once(silent, 'close');
    const before = performance.now();
    await fixture.server.close();
    expect(performance.now() - before).toBeLessThan(5000);
    expect((await client.gone()).code).toBe(1001);
    await gone;
    await expect(WebSdkClient.open(fixture.url)).rejects.toThrow();
  });
});
