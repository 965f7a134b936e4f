import { afterEach, describe, expect, it, vi } from 'vitest';
import { MediaServerError } from '../../core/index.ts';
import { ScriptedRelays } from '../testing/scripted-relays.ts';
import type { SignallingOptions } from './options.ts';
import { AUDIO_OFFER, OFFER } from './testing/memory-gateway.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';

let fixture: SignallingFixture;

vi.setConfig({ testTimeout: 30_000 });

async function start(options: Partial<SignallingOptions> = {}): Promise<SignallingFixture> {
  fixture = await SignallingFixture.start(options);
  return fixture;
}

afterEach(() => fixture.close());

describe('publishing', () => {
  it('gives the answer first, and PUBLISHING only when media flows', async () => {
    await start();
    const client = await fixture.client();
    const limits = { minBitrate: '300', maxBitrate: 900 };
    client.publish('p', 'room', { sdp: OFFER, custom: { token: 'x', deep: { a: 1 } }, cvoExtension: true, ...limits });
    expect(await client.next('setRemoteSDP')).toEqual({
      message: 'setRemoteSDP',
      data: ['p', fixture.gateway.peer('p').answer, true],
    });
    client.send('availableStream', { mediaSessionId: 'other', name: 'room' });
    await client.next('availableStream');
    expect(client.about('p')).toEqual(['setRemoteSDP']);
    expect(fixture.gateway.requests[0]).toMatchObject({
      streamName: 'room',
      mediaSessionId: 'p',
      sessionId: [...fixture.hub.connections.all()][0]?.sessionId,
      appKey: 'defaultApp',
      mediaProvider: 'WebRTC',
      localAddress: '127.0.0.1',
      offer: OFFER,
      videoOrientation: true,
      minBitrateBps: 300_000,
      maxBitrateBps: 900_000,
      custom: { token: 'x', deep: '{"a":1}' },
    });
    fixture.gateway.peer('p').activate();
    expect(await client.status('p', 'PUBLISHING')).toMatchObject({
      sessionId: [...fixture.hub.connections.all()][0]?.sessionId,
      name: 'room',
      published: true,
      hasVideo: true,
      hasAudio: true,
      videoCodec: 'H264',
      audioCodec: 'opus',
      mediaType: 'publish',
      minBitrate: 300,
      maxBitrate: 900,
      cvoExtension: true,
      mediaProvider: 'WebRTC',
    });
    client.send('unPublishStream', { mediaSessionId: 'p', name: 'room', published: true, status: 'PUBLISHING' });
    const last = await client.status('p', 'UNPUBLISHED');
    expect(last).not.toHaveProperty('recordName');
    expect(client.about('p')).toEqual(['setRemoteSDP', 'PUBLISHING', 'UNPUBLISHED']);
    expect(fixture.hub.streams.get('room')).toBeUndefined();
  });

  it('sends the answer first even when media flows, or all is over, before it is there', async () => {
    await start();
    const client = await fixture.client();
    fixture.gateway.onPeer = (peer) => peer.activate();
    client.publish('quick', 'a', { sdp: OFFER });
    await client.status('quick', 'PUBLISHING');
    expect(client.about('quick')).toEqual(['setRemoteSDP', 'PUBLISHING']);
    fixture.gateway.onPeer = (peer) => peer.end('dtls_error');
    client.publish('dead', 'b', { sdp: OFFER });
    await client.status('dead', 'FAILED');
    expect(client.about('dead')).toEqual(['setRemoteSDP', 'FAILED']);
  });

  it('does not tell a publisher the size of its own picture as an event', async () => {
    await start();
    fixture.gateway.onPeer = (peer) => peer.resize(640, 480);
    const client = await fixture.publisher('room', OFFER);
    fixture.gateway.peer('room-pub').resize(320, 240);
    client.send('unPublishStream', { mediaSessionId: 'room-pub' });
    expect(await client.status('room-pub', 'UNPUBLISHED')).toMatchObject({ width: 320, height: 240 });
    expect(client.about('room-pub')).toEqual(['setRemoteSDP', 'PUBLISHING', 'UNPUBLISHED']);
  });

  it('tells the media that is exchanged, not what was asked for', async () => {
    await start();
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: AUDIO_OFFER });
    await client.next('setRemoteSDP');
    fixture.gateway.peer('p').activate();
    const status = await client.status('p', 'PUBLISHING');
    expect(status).toMatchObject({ hasVideo: false, hasAudio: true, audioCodec: 'opus' });
    expect(status).not.toHaveProperty('videoCodec');
  });

  it('says that a name is in use, and publishes again as soon as it is free', async () => {
    await start();
    await fixture.publisher('room', OFFER);
    const other = await fixture.client();
    other.publish('q', 'room', { sdp: OFFER });
    expect((await other.status('q', 'FAILED')).info).toBe('Stream name is already in use');
    expect(other.about('q')).toEqual(['FAILED']);
  });

  it('frees the names of a client at once when its socket is gone', async () => {
    await start();
    const first = await fixture.publisher('room', OFFER);
    const second = await fixture.client();
    first.drop();
    await eventually(() => expect(fixture.hub.connections.size).toBe(1));
    second.publish('again', 'room', { sdp: OFFER });
    await second.next('setRemoteSDP');
    fixture.gateway.peer('again').activate();
    await second.status('again', 'PUBLISHING');
  });

  it('warns that nothing is recorded or republished, and publishes all the same', async () => {
    await start();
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER, record: true });
    client.publish('q', 'room2', { sdp: OFFER, rtmpUrl: 'rtmp://x/y' });
    await client.next('fail', (body) => body['info'] === 'Recording is not available');
    await client.next('fail', (body) => body['info'] === 'Republishing to rtmpUrl is not available');
    await eventually(() => expect(fixture.gateway.peers.size).toBe(2));
    fixture.gateway.peer('p').activate();
    expect((await client.status('p', 'PUBLISHING')).record).toBe(true);
  });
});

describe('a publisher with rtmpUrl', () => {
  it('has its stream sent on while it publishes', async () => {
    const relays = new ScriptedRelays();
    fixture = await SignallingFixture.start({}, 0, { relays });
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER, rtmpUrl: 'rtmp://target/live' });
    await client.next('setRemoteSDP');
    fixture.gateway.peer('p').activate();
    await client.status('p', 'PUBLISHING');
    await eventually(() => expect(relays.starts).toHaveLength(1));
    expect(relays.starts[0]).toMatchObject({ streamName: 'room', url: 'rtmp://target/live', origin: 'publisher' });
    client.send('unPublishStream', { mediaSessionId: 'p', name: 'room' });
    await client.status('p', 'UNPUBLISHED');
    expect(relays.relays).toEqual([]);
  });

  it('is told when that is not possible, and publishes all the same', async () => {
    const relays = new ScriptedRelays();
    relays.refusal = new MediaServerError('URL_DENIED', 'not there');
    fixture = await SignallingFixture.start({}, 0, { relays });
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER, rtmpUrl: 'rtmp://target/live' });
    await client.next('setRemoteSDP');
    fixture.gateway.peer('p').activate();
    await client.status('p', 'PUBLISHING');
    await client.next('fail', (body) => body['info'] === 'Republishing to rtmpUrl failed: not there');
  });
});

describe('playing', () => {
  it('answers, then tells PLAYING with the mute state of the publisher, then the size', async () => {
    await start();
    const publisher = await fixture.publisher('room', OFFER);
    publisher.send('sendStreamEvent', { mediaSessionId: 'room-pub', type: 'videoMuted' });
    await eventually(() => expect(fixture.hub.streams.get('room')?.signals.videoMuted).toBe(true));
    const player = await fixture.client();
    fixture.gateway.onPeer = (peer) => peer.resize(640, 480);
    player.play('v', 'room', { sdp: OFFER });
    await player.next('setRemoteSDP');
    fixture.gateway.peer('v').activate();
    const status = await player.status('v', 'PLAYING');
    expect(status).toMatchObject({ published: false, mediaType: 'play', hasVideo: true, hasAudio: true });
    expect(status).toMatchObject({
      audioState: { muted: false },
      videoState: { muted: true },
      width: 640,
      height: 480,
    });
    fixture.gateway.peer('v').resize(320, 240);
    await player.next(
      'notifyStreamEvent',
      ({ payload }) => (payload as { streamerVideoWidth: number }).streamerVideoWidth === 320,
    );
    expect(player.received.filter(({ message }) => message === 'notifyStreamEvent')).toEqual(
      [
        [640, 480],
        [320, 240],
      ].map(([streamerVideoWidth, streamerVideoHeight]) => ({
        message: 'notifyStreamEvent',
        data: [{ mediaSessionId: 'v', type: 'resize', payload: { streamerVideoWidth, streamerVideoHeight } }],
      })),
    );
    player.send('stopStream', { mediaSessionId: 'v' });
    await player.status('v', 'STOPPED');
    expect(player.about('v')).toEqual(['setRemoteSDP', 'PLAYING', 'resize', 'resize', 'STOPPED']);
  });

  it('of one stream twice in a session keeps the two apart', async () => {
    await start();
    await fixture.publisher('room', OFFER);
    const player = await fixture.player('one', 'room', OFFER);
    player.play('two', 'room', { sdp: OFFER });
    await eventually(() => expect(fixture.gateway.peers.has('two')).toBe(true));
    fixture.gateway.peer('two').activate();
    await player.status('two', 'PLAYING');
    player.send('stopStream', { mediaSessionId: 'one' });
    await player.status('one', 'STOPPED');
    expect(player.about('two')).toEqual(['setRemoteSDP', 'PLAYING']);
  });

  it.each(['unPublishStream', 'leaving'])('fails at once with the publisher’s stop after %s', async (how) => {
    // Viewers by other protocols would be left to wait.
    fixture = await SignallingFixture.start({}, 60_000);
    const publisher = await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    if (how === 'leaving') publisher.close();
    else publisher.send('unPublishStream', { mediaSessionId: 'room-pub' });
    expect((await player.status('v', 'FAILED')).info).toBe('Stopped by publisher stop');
    expect(player.about('v')).toEqual(['setRemoteSDP', 'PLAYING', 'FAILED']);
  });

  it('goes on when another publisher of that name is refused', async () => {
    await start();
    await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    player.publish('q', 'room', { sdp: OFFER });
    await player.status('q', 'FAILED');
    player.send('availableStream', { mediaSessionId: 'x', name: 'room' });
    await player.next('availableStream');
    expect(player.about('v')).toEqual(['setRemoteSDP', 'PLAYING']);
  });

  it('fails when there is no such stream', async () => {
    await start();
    const player = await fixture.client();
    player.play('v', 'none', { sdp: OFFER });
    expect((await player.status('v', 'FAILED')).info).toBe('Stream not found');
  });

  it('waits for a stream as long as the options say', async () => {
    await start({ playWaitMs: 5000 });
    const player = await fixture.client();
    player.play('v', 'room', { sdp: OFFER });
    await eventually(() => expect(fixture.gateway.requests).toHaveLength(1));
    await fixture.publisher('room', OFFER);
    await player.next('setRemoteSDP');
  });

  it.each([
    [{ width: '640' }, { width: 640 }],
    [
      { height: 360, bitrate: '200' },
      { height: 360, bitrateBps: 200_000 },
    ],
    [{ quality: 50 }, { bitrateBps: 2_626_560 }],
    [{ quality: 100, bitrate: 300 }, { bitrateBps: 300_000 }],
    [{ width: 0, quality: 0 }, undefined],
  ])('with %o asks for that form of the picture', async (fields, picture) => {
    await start();
    await fixture.publisher('room', OFFER);
    await fixture.player('v', 'room', OFFER, fields);
    expect(fixture.gateway.requests.at(-1)?.picture).toEqual(picture);
  });

  it.each([
    ['TRANSCODING_DISABLED', 'Transcoding required, but disabled'],
    ['TRANSCODING_LIMIT', 'No available transcoders'],
  ] as const)('fails with %s when that form can not be had', async (code, info) => {
    await start();
    await fixture.publisher('room', OFFER);
    fixture.gateway.error = new MediaServerError(code, 'no');
    const player = await fixture.client();
    player.play('v', 'room', { sdp: OFFER, width: 320 });
    expect((await player.status('v', 'FAILED')).info).toBe(info);
  });

  it.each(['MSE', 'WSPlayer', 'Flash'])('by %s fails with a reason', async (mediaProvider) => {
    await start();
    await fixture.publisher('room', OFFER);
    const player = await fixture.client();
    player.play('v', 'room', { sdp: OFFER, mediaProvider });
    const status = await player.status('v', 'FAILED');
    expect(status).toMatchObject({ info: `Media provider ${mediaProvider} is not available`, mediaProvider });
  });
});
