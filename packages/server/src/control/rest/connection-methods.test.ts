import { ConnectionObject, type ErrorBody } from '@sluice/contract';
import Value from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { avcFrame, RtmpRig } from '../../protocols/rtmp/testing/rig.ts';
import { MESSAGE } from '../../protocols/rtmp/wire/chunk-writer.ts';
import { ControlFixture } from '../testing/control-fixture.ts';

let fixture: ControlFixture;

beforeEach(() => {
  fixture = new ControlFixture();
});

afterEach(() => fixture.close());

async function post(base: string, method: string, body: unknown = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${base}/rest-api/${method}`, { method: 'POST', body: JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

async function found(base: string, filter: unknown): Promise<string[]> {
  const { status, body } = await post(base, 'connection/find', filter);
  expect(status).toBe(200);
  return (body as ConnectionObject[]).map((connection) => connection.sessionId);
}

describe('/connection', () => {
  it('lists connections with every field of WCS', async () => {
    fixture.addConnection('/192.0.2.7:50000/192.0.2.1:1935', { custom: { token: 'x' } });
    const { status, body } = await post(await fixture.start(), 'connection/find_all');
    expect(status).toBe(200);
    const [object] = body as ConnectionObject[];
    expect(Value.Check(ConnectionObject, object)).toBe(true);
    expect(object).toMatchObject({
      sessionId: '/192.0.2.7:50000/192.0.2.1:1935',
      appKey: 'flashStreamingApp',
      custom: { token: '***' },
      sipRegisterRequired: false,
      sipLogin: '',
      sipPort: 0,
      supportedResolutions: '0x0',
      useWsTunnel: false,
      mediaProviders: ['Flash'],
      status: 'ESTABLISHED',
      clientVersion: 'FMLE/3.0',
      keepAlive: true,
      login: 'token',
    });
  });

  it('finds by what is asked for, and all without a filter', async () => {
    fixture.addConnection('/1', { clientVersion: 'OBS' });
    fixture.addConnection('/2', { status: 'PENDING' });
    const base = await fixture.start();
    expect(await found(base, {})).toEqual(['/1', '/2']);
    expect(await found(base, { clientVersion: 'OBS' })).toEqual(['/1']);
    expect(await found(base, { status: 'PENDING', appKey: 'flashStreamingApp', sessionId: null })).toEqual(['/2']);
    expect((await post(base, 'connection/find', { sessionId: '/3' })).status).toBe(404);
    expect((await post(base, 'connection/find', { sessionId: {} })).status).toBe(400);
  });

  it('answers 404 when there is none', async () => {
    const base = await fixture.start();
    expect((await fetch(`${base}/rest-api/connection/find_all`)).status).toBe(404);
  });

  it('ends what a connection carries before the connection, and nothing of others', async () => {
    fixture.addConnection('/1');
    fixture.addConnection('/2');
    fixture.publish('room', { sessionId: '/1', mediaSessionId: 'a' });
    fixture.publish('hall', { sessionId: '/2', mediaSessionId: 'b' });
    const { status, body } = await post(await fixture.start(), 'connection/terminate', { sessionId: '/1' });
    expect([status, body]).toEqual([200, undefined]);
    expect(fixture.closed).toEqual(['room: Stopped by session disconnect', '/1: Stopped by rest /terminate']);
  });

  it.each([
    [{ sessionId: '/9' }, 404, 'no connection has that sessionId'],
    [{}, 400, 'sessionId is missing'],
    [{ sessionId: [] }, 400, 'sessionId is a text'],
    [{ sessionId: '' }, 400, 'sessionId is empty'],
    [{ sessionId: null }, 400, 'sessionId is missing'],
  ])('ends nothing for %j', async (filter, expected, message) => {
    fixture.addConnection('/1');
    const { status, body } = await post(await fixture.start(), 'connection/terminate', filter);
    expect([status, (body as ErrorBody).message]).toEqual([expected, message]);
    expect(fixture.closed).toEqual([]);
  });
});

describe('terminating RTMP peers', () => {
  let rig: RtmpRig;

  beforeEach(async () => {
    rig = await RtmpRig.start({}, 60_000);
  });

  afterEach(() => rig.close());

  async function startOverRig(): Promise<string> {
    const { streams, sessions, connections } = rig.hub;
    return fixture.start({ streams, sessions, connections });
  }

  async function publisherAndPlayer(): Promise<{ publisherId: string; ended: Promise<unknown> }> {
    const source = await rig.publisher('cam');
    source.send(MESSAGE.video, avcFrame(true), 0);
    await vi.waitFor(() => expect(rig.hub.streams.get('cam')?.log.end).toBe(1));
    const player = await rig.client();
    await player.play('cam');
    await vi.waitFor(() => expect(rig.hub.sessions.size).toBe(2));
    const [publication] = [...rig.hub.sessions.all()].filter((s) => s.describe().mediaType === 'publish');
    return {
      publisherId: publication?.describe().sessionId ?? '',
      ended: Promise.all([source.closed, player.closed]),
    };
  }

  it('ends publisher and players of a stream, and frees its name', async () => {
    const base = await startOverRig();
    const { ended } = await publisherAndPlayer();
    expect((await post(base, 'stream/terminate', { name: 'cam', published: true })).status).toBe(200);
    await ended;
    expect([rig.hub.streams.get('cam'), rig.hub.sessions.size]).toEqual([undefined, 0]);
    await rig.publisher('cam');
    expect(rig.hub.streams.get('cam')?.live).toBe(true);
  });

  it('ends a connection with its stream', async () => {
    const base = await startOverRig();
    const { publisherId, ended } = await publisherAndPlayer();
    expect((await post(base, 'connection/terminate', { sessionId: publisherId })).status).toBe(200);
    await ended;
    await vi.waitFor(() => expect(rig.hub.connections.size).toBe(0));
    expect(rig.hub.streams.size).toBe(0);
  });
});
