import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ClientAccess, MediaSession } from '../../core/index.ts';
import { AccessRig, request } from './testing/access-rig.ts';

let rig: AccessRig;

afterEach(async () => {
  await rig.close();
  expect(rig.backEnd.faults).toEqual([]);
});

const INTERVAL_MS = 20;
const FAIL = { StreamKeepAliveEvent: { restOnError: 'FAIL', restExclude: 'custom' } };

async function start(restClientConfig: unknown = FAIL, appKeys: readonly string[] = ['app']): Promise<ClientAccess> {
  rig = await AccessRig.start({
    eventRetryMs: 0,
    timeoutMs: 2000,
    keepAlive: { enabled: true, intervalMs: INTERVAL_MS, appKeys: new Set(appKeys) },
  });
  await rig.applications.update({ name: 'application app', restMethods: ['connect', 'StreamKeepAliveEvent'] });
  return rig.connectWith(restClientConfig);
}

async function publish(client: ClientAccess, name = 'cam'): Promise<MediaSession> {
  const access = await client.publish(request({ name, mediaSessionId: name }));
  const publisher = { sessionId: name, close: () => {} };
  rig.streams.publish(name, publisher);
  const session = rig.mediaSession({ streamName: name, mediaSessionId: name });
  const ended: MediaSession = {
    ...session,
    close: (reason) => {
      session.close(reason);
      access.ended('UNPUBLISHED', reason);
    },
  };
  access.active(ended);
  return ended;
}

const keptAlive = (): number => rig.backEnd.bodies('StreamKeepAliveEvent').length;

describe('StreamKeepAliveEvent', () => {
  it('is sent again and again for each stream, until it ends', async () => {
    const client = await start();
    const session = await publish(client);
    await publish(client, 'other');
    await vi.waitFor(() => expect(keptAlive()).toBeGreaterThan(6));
    const names = rig.backEnd.bodies('StreamKeepAliveEvent').map(({ name }) => name);
    expect(new Set(names)).toEqual(new Set(['cam', 'other']));
    expect(rig.backEnd.bodies('StreamKeepAliveEvent')[0]).toMatchObject({ published: true, status: 'PUBLISHING' });
    session.close('gone');
    client.end('gone');
    // What was on its way then is over before what is asked now.
    await rig.connect({ sessionId: '/late' });
    const sent = keptAlive();
    await rig.connect({ sessionId: '/later' });
    expect(keptAlive()).toBe(sent);
  });

  it('ends a stream that its back end answers with 403, at once and for its viewers too', async () => {
    const client = await start();
    await publish(client);
    await publish(client, 'other');
    rig.backEnd.answer = (_hook, body) => (body['name'] === 'cam' ? { status: 403, text: '' } : undefined);
    await vi.waitFor(() => expect(rig.closed).toEqual(['Terminated by keep-alive']));
    expect(rig.streams.get('cam')).toBeUndefined();
    expect(rig.streams.get('other')?.live).toBe(true);
    expect(rig.endings.find(() => true)).toMatchObject([{ streamName: 'cam', info: 'Terminated by keep-alive' }]);
  });

  it.each([
    ['LOG', { status: 403, text: '' }],
    ['FAIL', { status: 500, text: '' }],
    ['FAIL', { status: 401, text: '' }],
  ])('ends nothing with restOnError %s and %j', async (restOnError, answer) => {
    const client = await start({ StreamKeepAliveEvent: { restOnError } });
    await publish(client);
    rig.backEnd.answer = () => answer;
    await vi.waitFor(() => expect(keptAlive()).toBeGreaterThan(3));
    expect(rig.closed).toEqual([]);
  });

  it('is never sent twice at once for a stream', async () => {
    const client = await start();
    await publish(client);
    await publish(client, 'other');
    rig.backEnd.answer = (_hook, body) => (body['name'] === 'cam' ? () => {} : undefined);
    await vi.waitFor(() => expect(keptAlive()).toBeGreaterThan(8));
    expect(rig.backEnd.bodies('StreamKeepAliveEvent').filter(({ name }) => name === 'cam')).toHaveLength(1);
  });

  it('is sent for the applications of the settings alone, and only when they have the hook', async () => {
    const other = await start(FAIL, ['app', 'quiet']);
    await rig.addApplication('quiet');
    await rig.addApplication('loud', { restMethods: ['StreamKeepAliveEvent'] });
    await publish(await rig.connect({ appKey: 'quiet', sessionId: '/q' }), 'quiet');
    await publish(await rig.connect({ appKey: 'loud', sessionId: '/l' }), 'loud');
    await publish(other);
    await vi.waitFor(() => expect(keptAlive()).toBeGreaterThan(3));
    expect(new Set(rig.backEnd.bodies('StreamKeepAliveEvent').map(({ name }) => name))).toEqual(new Set(['cam']));
  });
});
