import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MediaServerError, type PeerEndReason } from '../../core/index.ts';
import { type AccessAnswer, ScriptedAccess } from '../../core/testing/scripted-access.ts';
import { terminateStreams } from '../rest/stream-methods.ts';
import type { SignallingOptions } from './options.ts';
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

async function start(options: Partial<SignallingOptions> = {}): Promise<WebSdkClient> {
  fixture = await SignallingFixture.start(options, 0, { access });
  return fixture.client();
}

/** Has `publish` and `play` wait for an answer that the test gives. */
function held(): (answer?: AccessAnswer) => void {
  let give = (_answer: AccessAnswer): void => {};
  const answer = new Promise<AccessAnswer>((resolve) => {
    give = resolve;
  });
  access.answer = (what) => (what === 'publish' || what === 'play' ? answer : undefined);
  return (given) => give(given);
}

/** What was told after the client had connected. */
function told(): unknown[] {
  return access.calls
    .slice(2)
    .map(({ what, fields }) =>
      what === 'ended' ? [what, fields['status'], fields['info']] : what === 'end' ? [what, fields['reason']] : what,
    );
}

async function asked(count = 1): Promise<void> {
  const questions = () => access.whats.filter((what) => what === 'publish' || what === 'play');
  await eventually(() => expect(questions()).toHaveLength(count));
}

describe('a publication', () => {
  it('is asked for with all that the client wants', async () => {
    const client = await start();
    const wishes = { sdp: OFFER, record: true, rtmpUrl: 'rtmp://x/live', transport: 'TCP', cvoExtension: true };
    const device = { constraints: { audio: true, video: { width: 640 } }, localMediaInfo: { devices: {} } };
    client.publish('p', 'room', { ...wishes, ...device, minBitrate: '300', custom: { token: 't', deep: [1] } });
    await client.next('setRemoteSDP');
    expect(access.calls[2]).toEqual({
      what: 'publish',
      fields: {
        mediaSessionId: 'p',
        name: 'room',
        mediaProvider: 'WebRTC',
        hasVideo: true,
        hasAudio: true,
        custom: { token: 't', deep: [1] },
        fields: {
          ...wishes,
          ...device,
          published: true,
          status: 'PENDING',
          ...{ width: 0, height: 0, bitrate: 0, minBitrate: 300, maxBitrate: 0, quality: 0 },
        },
      },
    });
  });

  it('has the name of the back end in the hub, and its own before its client', async () => {
    const client = await start();
    access.answer = (what) =>
      what === 'publish' ? { fields: { name: 'real', maxBitrate: 500, custom: { a: 1 } } } : {};
    access.hidden = { publishStream: ['codecImpl'], StreamStatusEvent: ['mediaSessionId', 'status', 'appKey'] };
    client.publish('p', 'fake', { sdp: OFFER });
    await client.next('setRemoteSDP');
    expect(fixture.gateway.requests[0]).toMatchObject({
      streamName: 'real',
      maxBitrateBps: 500_000,
      custom: { a: '1' },
    });
    fixture.gateway.peer('p').activate();
    const status = await client.status('p', 'PUBLISHING');
    expect(status).toMatchObject({ name: 'fake', maxBitrate: 500 });
    expect(status).not.toHaveProperty('codecImpl');
    expect(status).not.toHaveProperty('appKey');
    // The SDK's own checks of a whole object do not hold where the back end hides parts of it.
    expect(client.offences.splice(0)).toEqual([expect.stringContaining('not a stream object')]);
    access.hidden = {};
    const player = await fixture.player('v', 'real', OFFER);
    client.send('sendStreamEvent', { mediaSessionId: 'p', type: 'audioMuted' });
    await player.next('notifyStreamEvent', (body) => body['type'] === 'audioMuted');
    client.send('unPublishStream', { mediaSessionId: 'p', name: 'fake' });
    expect((await player.status('v', 'FAILED')).info).toBe('Stopped by publisher stop');
  });

  it('is refused in the words of the back end, and the name stays free', async () => {
    const client = await start();
    access.answer = (what) => (what === 'publish' ? { deny: 'room is closed' } : undefined);
    client.publish('p', 'room', { sdp: OFFER });
    expect((await client.status('p', 'FAILED')).info).toBe('room is closed');
    access.answer = (what) => (what === 'publish' ? { deny: '' } : undefined);
    client.publish('q', 'room', { sdp: OFFER });
    expect((await client.status('q', 'FAILED')).info).toBe('Restricted access');
    expect(told()).toEqual(['publish', 'publish']);
    expect(fixture.gateway.requests).toEqual([]);
    access.answer = () => undefined;
    client.publish('r', 'room', { sdp: OFFER });
    await client.next('setRemoteSDP');
  });

  it('tells the back end that it runs, with its session, and that its client ended it', async () => {
    await start();
    access.calls.length = 0;
    const client = await fixture.publisher('room', OFFER);
    expect(access.sessions[0]).toBe(fixture.hub.sessions.get('room-pub'));
    client.send('unPublishStream', { mediaSessionId: 'room-pub', name: 'room' });
    expect((await client.status('room-pub', 'UNPUBLISHED')).info).toBe('Stopped by user');
    client.close();
    await eventually(() => expect(access.whats.at(-1)).toBe('end'));
    expect(told()).toEqual([
      'publish',
      'active',
      'stopping',
      ['ended', 'UNPUBLISHED', 'Stopped by user'],
      ['end', 'client left'],
    ]);
  });

  it.each([
    ['ice_timeout', 'Failed by ICE timeout', 'FAILED', []],
    ['ice_keep_alive', 'Failed by ICE keep alive', 'FAILED', []],
    ['rtp_activity', 'Failed by RTP activity', 'FAILED', []],
    ['dtls_error', 'Failed by DTLS error', 'FAILED', []],
    // A page that stops closes its media too, which may come before its message.
    ['peer_closed', 'Stopped by user', 'UNPUBLISHED', ['stopping']],
  ] as const)(
    'that ends by %s is told so once, to the client and to the back end',
    async (reason, info, status, before) => {
      const client = await start();
      client.publish('p', 'room', { sdp: OFFER });
      await client.next('setRemoteSDP');
      const peer = fixture.gateway.peer('p');
      peer.end(reason as PeerEndReason);
      expect((await client.status('p', status)).info).toBe(info);
      client.close();
      await eventually(() => expect(access.whats.at(-1)).toBe('end'));
      expect(told()).toEqual(['publish', ...before, ['ended', status, info], ['end', 'client left']]);
    },
  );

  it('that can not begin is told as failed with the words of the client', async () => {
    const client = await start();
    fixture.gateway.error = new MediaServerError('NO_COMMON_CODECS', 'none');
    client.publish('p', 'room', { sdp: OFFER });
    expect((await client.status('p', 'FAILED')).info).toBe('No common codecs');
    expect(told()).toEqual(['publish', ['ended', 'FAILED', 'No common codecs']]);
  });

  it('that the operator or a missed keep-alive terminates is told with that reason', async () => {
    await start();
    access.calls.splice(0);
    const one = await fixture.publisher('one', OFFER);
    access.sessions[0]?.close('Terminated by keep-alive');
    expect((await one.status('one-pub', 'FAILED')).info).toBe('Terminated by keep-alive');
    const two = await fixture.publisher('two', OFFER);
    terminateStreams({ ...fixture.hub, describeTrack: () => ({ tracks: [] }) as never }, { name: 'two' });
    expect((await two.status('two-pub', 'FAILED')).info).toBe('Stopped by rest /terminate');
    expect(access.calls.filter(({ what }) => what === 'ended').map(({ fields }) => fields['info'])).toEqual([
      'Terminated by keep-alive',
      'Stopped by rest /terminate',
    ]);
  });
});

describe('a playback', () => {
  it('of a name that is no stream’s can be led to a real one, without its viewer seeing it', async () => {
    const client = await start();
    await fixture.publisher('secret-stream', OFFER);
    access.answer = (what) => (what === 'play' ? { fields: { name: 'secret-stream' } } : undefined);
    client.play('v', 'ticket-7', { sdp: OFFER });
    await client.next('setRemoteSDP');
    fixture.gateway.peer('v').activate();
    expect(await client.status('v', 'PLAYING')).toMatchObject({ name: 'ticket-7' });
    client.send('stopStream', { mediaSessionId: 'v', name: 'ticket-7' });
    await client.status('v', 'STOPPED');
    expect(JSON.stringify(client.received)).not.toContain('secret-stream');
    expect(told().slice(-4)).toEqual(['play', 'active', 'stopping', ['ended', 'STOPPED', 'Stopped by user']]);
  });

  it('is told as failed when its publisher has left', async () => {
    const client = await start();
    const publisher = await fixture.publisher('room', OFFER);
    client.play('v', 'room', { sdp: OFFER });
    await client.next('setRemoteSDP');
    publisher.close();
    expect((await client.status('v', 'FAILED')).info).toBe('Stopped by publisher stop');
    expect(access.calls).toContainEqual({
      what: 'ended',
      fields: { name: 'room', status: 'FAILED', info: 'Stopped by publisher stop' },
    });
  });

  it('that the server can not do is told as failed, be it the wish of the client or of the back end', async () => {
    const client = await start();
    client.play('mse', 'room', { sdp: OFFER, mediaProvider: 'MSE' });
    expect((await client.status('mse', 'FAILED')).info).toBe('Media provider MSE is not available');
    access.answer = (what) => (what === 'play' ? { fields: { mediaProvider: 'Flash' } } : undefined);
    client.play('other', 'room', { sdp: OFFER });
    expect((await client.status('other', 'FAILED')).info).toBe('Media provider Flash is not available');
    expect(told()).toEqual([
      'play',
      ['ended', 'FAILED', 'Media provider MSE is not available'],
      'play',
      ['ended', 'FAILED', 'Media provider Flash is not available'],
    ]);
  });
});

describe('while the back end is asked about a stream', () => {
  it.each([
    [undefined, ['publish', 'stopping', ['ended', 'UNPUBLISHED', 'Stopped by user'], ['end', 'client left']]],
    [{ deny: 'no' }, ['publish', ['end', 'client left']]],
  ])('its client may stop it (answer %j)', async (answer, expected) => {
    const client = await start();
    const give = held();
    client.publish('p', 'room', { sdp: OFFER });
    await asked();
    client.send('unPublishStream', { mediaSessionId: 'p', name: 'room' });
    expect((await client.status('p', 'UNPUBLISHED')).info).toBe('Stopped by user');
    client.close();
    await eventually(() => expect(fixture.hub.connections.size).toBe(0));
    expect(told()).toEqual(['publish']);
    give(answer);
    await eventually(() => expect(told()).toEqual(expected));
    expect(fixture.gateway.requests).toEqual([]);
    expect(client.about('p')).toEqual(['UNPUBLISHED']);
  });

  it('its client may leave: its end is told after those of its streams', async () => {
    const client = await start();
    await fixture.publisher('live', OFFER);
    const before = access.calls.length;
    client.play('v', 'live', { sdp: OFFER });
    await client.next('setRemoteSDP');
    const give = held();
    client.publish('p', 'room', { sdp: OFFER });
    client.publish('q', 'hall', { sdp: OFFER });
    await asked(4);
    client.drop();
    await eventually(() => expect(fixture.hub.connections.size).toBe(1));
    give();
    await eventually(() => expect(access.whats.at(-1)).toBe('end'));
    const gone = 'Stopped by session disconnect';
    expect(access.calls.slice(before).map(({ what, fields }) => [what, fields['status'], fields['info']])).toEqual([
      ['play', undefined, undefined],
      ['publish', undefined, undefined],
      ['publish', undefined, undefined],
      ['ended', 'STOPPED', gone],
      ['ended', 'UNPUBLISHED', gone],
      ['ended', 'UNPUBLISHED', gone],
      ['end', undefined, undefined],
    ]);
    expect(fixture.gateway.requests).toHaveLength(2);
  });

  it('its id is taken: another of that id is refused without a question', async () => {
    const client = await start();
    const give = held();
    client.publish('p', 'room', { sdp: OFFER });
    await asked();
    client.play('p', 'other', { sdp: OFFER });
    expect((await client.status('p', 'FAILED')).info).toBe('MediaSessionId is already in use');
    give();
    await eventually(() => expect(fixture.gateway.peers.size).toBe(1));
    expect(access.whats.filter((what) => what === 'play')).toEqual([]);
    // To this client the id is over; that the first one goes on is not its fault.
    client.offences.length = 0;
    client.close();
    await eventually(() => expect(access.whats.at(-1)).toBe('end'));
    client.offences.length = 0;
  });

  it('it can not pile up questions by stopping what it has asked for', async () => {
    const client = await start({ maxStreams: 3 });
    const give = held();
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      client.publish(id, id, { sdp: OFFER });
      client.send('unPublishStream', { mediaSessionId: id, name: id });
    }
    await client.status('e', 'UNPUBLISHED');
    expect((await client.status('d', 'FAILED')).info).toBe('Failed to add stream to proxy');
    await asked(3);
    client.offences.length = 0;
    give();
    await eventually(() => expect(access.whats.filter((what) => what === 'ended')).toHaveLength(3));
  });

  it('the server may stop', async () => {
    const client = await start();
    const give = held();
    client.publish('p', 'room', { sdp: OFFER });
    await asked();
    await fixture.server.close();
    give();
    await eventually(() =>
      expect(told()).toEqual([
        'publish',
        ['ended', 'UNPUBLISHED', 'Stopped by session disconnect'],
        ['end', 'server stops'],
      ]),
    );
  });
});
