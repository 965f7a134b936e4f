import { afterEach, describe, expect, it, vi } from 'vitest';
import { MediaServerError, type ViewerIntroduction } from '../../core/index.ts';
import { OutboundGuard } from '../../io/index.ts';
import type { AccessGate } from './hook-context.ts';
import { DEFAULT_HOOK_OPTIONS, type HlsAuthOptions } from './hook-options.ts';
import { AccessRig, NODE_ID } from './testing/access-rig.ts';

let rig: AccessRig;

afterEach(async () => {
  await rig.close();
  expect(rig.backEnd.faults).toEqual([]);
});

async function start(hlsAuth: Partial<HlsAuthOptions> = {}, gate?: AccessGate): Promise<void> {
  rig = await AccessRig.start(
    { timeoutMs: 300, hlsAuth: { ...DEFAULT_HOOK_OPTIONS.hlsAuth, enabled: true, ...hlsAuth } },
    gate,
  );
}

const viewer: ViewerIntroduction = {
  sessionId: '/192.0.2.9:4000/192.0.2.1:8082',
  mediaSessionId: 'm-test-HLS',
  appKey: 'app',
  protocol: 'hls',
  mediaProvider: 'HLS',
  remoteAddress: '192.0.2.9',
  streamName: 'test',
  custom: { token: '12', other: 'x' },
};

async function view(fields: Partial<ViewerIntroduction> = {}): Promise<void> {
  await rig.access.view({ ...viewer, ...fields });
}

describe('a viewer of HLS', () => {
  it('is asked about once, with the fields of WCS, however many requests come', async () => {
    await start();
    await Promise.all(Array.from({ length: 50 }, () => view()));
    expect(rig.access.view(viewer)).toBeUndefined();
    expect(rig.backEnd.hooks).toEqual(['playHLS']);
    expect(rig.backEnd.bodies('playHLS')[0]).toEqual({
      nodeId: NODE_ID,
      appKey: 'app',
      sessionId: '/192.0.2.9:4000/192.0.2.1:8082',
      mediaSessionId: 'm-test-HLS',
      name: 'test',
      published: false,
      hasVideo: false,
      hasAudio: false,
      status: 'NEW',
      record: false,
      width: 0,
      height: 0,
      bitrate: 0,
      minBitrate: 0,
      maxBitrate: 0,
      quality: 0,
      mediaProvider: 'HLS',
      custom: { token: '12', other: 'x' },
      token: '12',
    });
  });

  it('is asked about anew with another token, stream, address or purpose, or after the time that a yes counts', async () => {
    await start({ cacheMs: 200 });
    await view();
    await view({ custom: { token: '13' } });
    await view({ streamName: 'test2' });
    await view({ remoteAddress: '192.0.2.10:5' });
    await view({ remoteAddress: '192.0.2.10:6' });
    await view({ protocol: 'snapshot' });
    await view({ protocol: 'record' });
    expect(rig.backEnd.hooks).toHaveLength(6);
    await vi.waitFor(async () => {
      await view();
      expect(rig.backEnd.hooks).toHaveLength(7);
    });
  });

  it('that is refused is remembered for a moment', async () => {
    await start({ refusalCacheMs: 200 });
    rig.backEnd.answer = () => ({ status: 403, text: '' });
    await expect(view()).rejects.toMatchObject({ code: 'ACCESS_DENIED', message: 'Restricted access' });
    await expect(view()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(rig.backEnd.hooks).toHaveLength(1);
    expect(rig.endings.find(() => true)).toMatchObject([{ streamName: 'test', status: 'FAILED', protocol: 'hls' }]);
    rig.backEnd.answer = () => undefined;
    await vi.waitFor(() => view());
    expect(rig.backEnd.hooks).toHaveLength(2);
  });

  it.each([
    ['500', { status: 500, text: '' }],
    ['nothing', () => {}],
  ])('is refused when the back end answers %s', async (_what, answer) => {
    await start();
    rig.backEnd.answer = () => answer;
    await expect(view()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('of an application that is not there is refused', async () => {
    await start();
    await expect(view({ appKey: 'nobody' })).rejects.toMatchObject({ code: 'APPLICATION_UNKNOWN' });
  });

  it('can not name an application without a back end to get by', async () => {
    await start();
    await expect(view({ appKey: 'defaultApp' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(view({ appKey: 'roomApp' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(rig.backEnd.hooks).toEqual([]);
  });

  it('with long parameters is told from others with such, too', async () => {
    await start();
    const long = 'x'.repeat(5000);
    for (const end of ['a', 'b', 'a', 'b']) await view({ custom: { token: long + end } });
    expect(rig.backEnd.hooks).toHaveLength(2);
  });

  it('is asked about by nobody when that is off, or the application has not the hook', async () => {
    await start({ enabled: false });
    await view();
    await view({ appKey: 'nobody' });
    await rig.close();
    await start();
    await rig.applications.update({ name: 'application app', restMethods: ['connect'] });
    await view();
    expect(rig.backEnd.hooks).toEqual([]);
  });

  it('is forgotten when there are too many, the one that was asked about first before the others', async () => {
    await start({ maxCached: 3 });
    for (const token of ['a', 'b', 'c', 'd', 'd', 'c']) await view({ custom: { token } });
    expect(rig.backEnd.hooks).toHaveLength(4);
    await view({ custom: { token: 'a' } });
    expect(rig.backEnd.hooks).toHaveLength(5);
  });
});

describe('what decides before a back end is asked', () => {
  const asked: object[] = [];
  const gate: AccessGate = {
    check: async (question) => {
      asked.push(question);
      if (question.custom['token'] === 'bad') throw new MediaServerError('TOKEN_REQUIRED', 'expired');
    },
  };

  it('refuses viewers', async () => {
    await start({}, gate);
    await expect(view({ custom: { token: 'bad' } })).rejects.toMatchObject({ code: 'TOKEN_REQUIRED' });
    await view();
    expect(rig.backEnd.hooks).toEqual(['playHLS']);
  });

  it('refuses publishers and players, is told all that they say, and the back end hears of it', async () => {
    await start({}, gate);
    const client = await rig.connect({ custom: { token: 'bad', a: 1 } });
    asked.length = 0;
    const facts = { mediaSessionId: 'm', name: 'cam', mediaProvider: 'Flash', hasVideo: true, hasAudio: true };
    await expect(client.publish({ ...facts, custom: { b: 2 } })).rejects.toMatchObject({ code: 'TOKEN_REQUIRED' });
    await client.play({ ...facts, custom: { token: 'good' } });
    expect(asked).toEqual([
      {
        kind: 'publish',
        protocol: 'rtmp',
        streamName: 'cam',
        remoteAddress: '192.0.2.7:50000',
        custom: { token: 'bad', a: 1, b: 2 },
        appKey: 'app',
      },
      expect.objectContaining({ kind: 'play', custom: { token: 'good', a: 1 } }),
    ]);
    await vi.waitFor(() =>
      expect(rig.backEnd.story).toEqual(['connect', 'StreamStatusEvent FAILED', 'playStream NEW']),
    );
    expect(rig.endings.find(() => true)).toMatchObject([{ info: 'expired', status: 'FAILED' }]);
  });
});

it('a back end that the settings do not let us connect to is not asked', async () => {
  const outbound = new OutboundGuard({ privateNetworks: 'deny' });
  rig = await AccessRig.start({ outbound, hlsAuth: { ...DEFAULT_HOOK_OPTIONS.hlsAuth, enabled: true } });
  await expect(view()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  expect(rig.backEnd.hooks).toEqual([]);
  expect(rig.lines.join('\n')).toContain('outbound_private_networks');
});

describe('a player of RTSP', () => {
  const player: Partial<ViewerIntroduction> = {
    protocol: 'rtsp',
    mediaProvider: 'RTSP',
    mediaSessionId: 'm-test-RTSP',
    fields: { name: 'rtsp://192.0.2.1:5554/test', userAgent: 'LibVLC/3' },
  };

  it('is asked about with each request, by the address that it asked for', async () => {
    rig = await AccessRig.start({ rtspAuth: true });
    await view(player);
    await view(player);
    expect(rig.backEnd.hooks).toEqual(['playRTSP', 'playRTSP']);
    expect(rig.backEnd.bodies('playRTSP')[0]).toMatchObject({
      name: 'rtsp://192.0.2.1:5554/test',
      userAgent: 'LibVLC/3',
      mediaProvider: 'RTSP',
      custom: { token: '12', other: 'x' },
    });
    rig.backEnd.answer = () => ({ status: 403 });
    await expect(view(player)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('is not asked about unless the settings say so, whatever is said of HLS', async () => {
    await start();
    await view(player);
    expect(rig.backEnd.hooks).toEqual([]);
  });
});

it('an application hears of its relays', async () => {
  rig = await AccessRig.start();
  const fields = { mediaSessionId: 'r', direction: 'pull', name: 'door', uri: 'rtsp://camera/1', status: 'WAITING' };
  rig.access.relayed('app', { ...fields, attempts: 2, reconnects: 1, info: 'connection refused' });
  rig.access.relayed('nobody', { ...fields, attempts: 2, reconnects: 1 });
  await vi.waitFor(() => expect(rig.backEnd.bodies('RelayStatusEvent')).toHaveLength(1));
  expect(rig.backEnd.bodies('RelayStatusEvent')[0]).toMatchObject({
    appKey: 'app',
    ...fields,
    info: 'connection refused',
  });
});
