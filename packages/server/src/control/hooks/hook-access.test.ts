import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AccessRig, NODE_ID, request, SESSION_ID } from './testing/access-rig.ts';

let rig: AccessRig;

beforeEach(async () => {
  rig = await AccessRig.start();
});

afterEach(async () => {
  await rig.close();
  expect(rig.backEnd.faults).toEqual([]);
});

const told = (...story: string[]): Promise<void> => vi.waitFor(() => expect(rig.backEnd.story).toEqual(story));

describe('a recording', () => {
  it('is told in the final status, for which later hooks wait; what happens to its files is told as it happens', async () => {
    let complete: (name: string) => void = () => {};
    const client = await rig.connect();
    client.established({});
    const access = await client.publish(request());
    rig.streams.publish('cam', { sessionId: 'm1', close: () => {} });
    access.active(rig.mediaSession());
    access.recorded({ type: 'recordingStarted', fileName: 'cam-{endTime}.mp4', facts: {} });
    rig.settled = (mediaSessionId) =>
      mediaSessionId === 'm1'
        ? new Promise((resolve) => {
            complete = resolve;
          })
        : undefined;
    access.ended('UNPUBLISHED');
    client.end('client left');
    await vi.waitFor(() => expect(rig.backEnd.hooks).toContain('StreamEvent'));
    expect(rig.backEnd.story).not.toContain('ConnectionStatusEvent DISCONNECTED');
    complete('cam-9.mp4');
    access.recorded({ type: 'recordingCompleted', fileName: 'cam-9.mp4', facts: { bytes: 7 } });
    await vi.waitFor(() => expect(rig.backEnd.hooks.filter((hook) => hook === 'StreamEvent')).toHaveLength(2));
    expect(rig.backEnd.bodies('StreamStatusEvent').at(-1)).toMatchObject({
      status: 'UNPUBLISHED',
      recordName: 'cam-9.mp4',
    });
    expect(rig.backEnd.bodies('StreamEvent').at(-1)).toMatchObject({
      mediaSessionId: 'm1',
      name: 'cam',
      type: 'recordingCompleted',
      payload: { fileName: 'cam-9.mp4', bytes: 7 },
    });
    const story = rig.backEnd.story;
    expect(story.indexOf('StreamStatusEvent UNPUBLISHED')).toBeLessThan(
      story.indexOf('ConnectionStatusEvent DISCONNECTED'),
    );
  });
});

describe('the life of a publisher', () => {
  it('is told in order, each hook with the fields of WCS', async () => {
    const client = await rig.connect();
    client.established({ authToken: 'secret' });
    const access = await client.publish(request());
    rig.streams.publish('cam', { sessionId: 'm1', close: () => {} });
    access.active(rig.mediaSession());
    access.stopping();
    access.ended('UNPUBLISHED', 'Stopped by user');
    client.end('client left');
    await told(
      'connect',
      'ConnectionStatusEvent ESTABLISHED',
      'publishStream NEW',
      'StreamStatusEvent PUBLISHING',
      'unPublishStream PUBLISHING',
      'StreamStatusEvent UNPUBLISHED',
      'ConnectionStatusEvent DISCONNECTED',
    );
    const origin = { nodeId: NODE_ID, appKey: 'app', sessionId: SESSION_ID };
    for (const { body } of rig.backEnd.received) expect(body).toMatchObject(origin);
    expect(rig.backEnd.bodies('connect')[0]).toEqual({
      ...origin,
      keepAlive: false,
      useWsTunnel: false,
      useWsTunnelPacketization2: false,
      useBase64BinaryEncoding: false,
      clientVersion: 'FMLE/3.0',
      custom: { token: 'abc' },
      login: expect.stringMatching(/^.{20}$/),
    });
    expect(rig.backEnd.bodies('ConnectionStatusEvent')).toMatchObject([
      { status: 'ESTABLISHED', authToken: 'secret', custom: { token: 'abc' } },
      { status: 'DISCONNECTED', authToken: 'secret', info: 'client left' },
    ]);
    expect(rig.backEnd.bodies('publishStream')[0]).toEqual({
      ...origin,
      mediaSessionId: 'm1',
      name: 'cam',
      published: true,
      hasVideo: true,
      hasAudio: true,
      status: 'NEW',
      record: false,
      width: 0,
      height: 0,
      bitrate: 0,
      minBitrate: 0,
      maxBitrate: 0,
      quality: 0,
      mediaProvider: 'Flash',
      custom: { streamParam1: 'val1' },
    });
    expect(rig.backEnd.bodies('StreamStatusEvent')[0]).toMatchObject({
      mediaSessionId: 'm1',
      name: 'cam',
      published: true,
      hasVideo: true,
      mediaType: 'publish',
      createDate: 1_700_000_000_000,
    });
    expect(rig.backEnd.bodies('StreamStatusEvent')[1]).toMatchObject({ info: 'Stopped by user', name: 'cam' });
    expect(rig.backEnd.bodies('unPublishStream')[0]).toEqual({
      ...origin,
      mediaSessionId: 'm1',
      name: 'cam',
      published: true,
      hasVideo: true,
      hasAudio: true,
      status: 'PUBLISHING',
      record: false,
    });
  });
});

describe('the life of a player', () => {
  it('is told in order', async () => {
    const client = await rig.connect();
    client.established();
    const access = await client.play(request({ mediaSessionId: 'p1' }));
    access.active(rig.mediaSession({ mediaType: 'play', mediaSessionId: 'p1', status: 'PLAYING' }));
    access.stopping();
    access.ended('STOPPED');
    client.end('gone');
    await told(
      'connect',
      'ConnectionStatusEvent ESTABLISHED',
      'playStream NEW',
      'StreamStatusEvent PLAYING',
      'stopStream PLAYING',
      'StreamStatusEvent STOPPED',
      'ConnectionStatusEvent DISCONNECTED',
    );
    expect(rig.backEnd.bodies('StreamStatusEvent')[0]).toMatchObject({ published: false, mediaType: 'play' });
  });

  it('that fails has the short body of errors, and is remembered', async () => {
    const client = await rig.connect();
    const access = await client.play(request({ name: 'nobody' }));
    access.ended('FAILED', 'Stream not found');
    await told('connect', 'playStream NEW', 'StreamStatusEvent FAILED');
    expect(rig.backEnd.bodies('StreamStatusEvent')[0]).toEqual({
      nodeId: NODE_ID,
      appKey: 'app',
      sessionId: SESSION_ID,
      status: 'FAILED',
      info: 'Stream not found',
    });
    expect(rig.endings.find(() => true)).toMatchObject([
      { streamName: 'nobody', status: 'FAILED', info: 'Stream not found', mediaType: 'play', protocol: 'rtmp' },
    ]);
  });

  it('that ends before it begins tells what was asked for', async () => {
    const client = await rig.connect();
    const access = await client.play(request({ fields: { sdp: 'v=0', width: 320 } }));
    access.ended('STOPPED', 'Stopped by user');
    await told('connect', 'playStream NEW', 'StreamStatusEvent STOPPED');
    expect(rig.backEnd.bodies('StreamStatusEvent')[0]).toMatchObject({ name: 'cam', width: 320, mediaType: 'play' });
  });
});

describe('a client that leaves', () => {
  it('ends all that it published and played', async () => {
    const client = await rig.connect();
    client.established();
    (await client.publish(request())).active(rig.mediaSession());
    client.end('client left');
    client.end('twice');
    await told(
      'connect',
      'ConnectionStatusEvent ESTABLISHED',
      'publishStream NEW',
      'StreamStatusEvent PUBLISHING',
      'StreamStatusEvent UNPUBLISHED',
      'ConnectionStatusEvent DISCONNECTED',
    );
    await expect(client.publish(request())).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('while its back end is asked does not publish', async () => {
    const client = await rig.connect();
    let answer = (): void => {};
    rig.backEnd.answer = (hook) =>
      hook === 'publishStream' ? new Promise((resolve) => (answer = () => resolve(undefined))) : undefined;
    const publishing = client.publish(request());
    publishing.catch(() => {});
    await told('connect', 'publishStream NEW');
    client.end('client left');
    answer();
    await expect(publishing).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });
});

describe('an application', () => {
  it('that nobody has made is refused', async () => {
    await expect(rig.connect({ appKey: 'nobody' })).rejects.toMatchObject({ code: 'APPLICATION_UNKNOWN' });
  });

  it('without a back end allows everything and asks nobody', async () => {
    rig.lines.length = 0;
    const client = await rig.connect({ appKey: 'defaultApp' });
    client.established();
    const access = await client.publish(request());
    access.active(rig.mediaSession());
    access.ended('UNPUBLISHED');
    expect(await client.ask('OnDataEvent', { operationId: '1', payload: 2 })).toEqual({ operationId: '1', payload: 2 });
    client.end('gone');
    expect(rig.backEnd.received).toEqual([]);
    expect(rig.count('hooks_sent')).toBe(0);
    expect(rig.lines).toEqual([]);
    expect(rig.endings.find(() => true)).toMatchObject([{ streamName: 'cam', status: 'UNPUBLISHED' }]);
  });

  it('sends only the hooks that it has', async () => {
    await rig.applications.update({ name: 'application app', restMethods: ['publishStream', 'ConnectionStatusEvent'] });
    const client = await rig.connect();
    client.established();
    (await client.publish(request())).ended('FAILED', 'x');
    client.end('gone');
    await told('ConnectionStatusEvent ESTABLISHED', 'publishStream NEW', 'ConnectionStatusEvent DISCONNECTED');
  });

  it('that is removed refuses the clients that it has', async () => {
    const client = await rig.connect();
    await rig.applications.remove('application app');
    await expect(client.publish(request())).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });
});

describe('all hooks off', () => {
  it('allows everything, to clients of any application', async () => {
    await rig.close();
    rig = await AccessRig.start({ disabled: true });
    const client = await rig.connect({ appKey: 'nobody' });
    client.established();
    (await client.publish(request())).active(rig.mediaSession());
    client.end('gone');
    await rig.access.close();
    expect(rig.backEnd.received).toEqual([]);
  });
});

describe('applications without a back end, beside others', () => {
  it('are warned of, once for each set of them', async () => {
    const warnings = (): readonly string[] => rig.lines.filter((line) => line.includes('has no back end'));
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toContain('roomApp');
    await rig.addApplication('further');
    expect(warnings()).toHaveLength(1);
    await rig.applications.remove('roomApp');
    expect(warnings()).toHaveLength(2);
    expect(warnings()[1]).not.toContain('roomApp');
  });

  it('refuse their clients when a back end is required, and nobody warns then', async () => {
    await rig.close();
    rig = await AccessRig.start({ backEndRequired: true });
    await expect(rig.connect({ appKey: 'roomApp' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await rig.connect();
    expect(rig.lines.join()).not.toContain('has no back end');
  });
});
