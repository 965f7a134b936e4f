import { afterEach, describe, expect, it, vi } from 'vitest';
import { MediaServerError, type PeerEndReason } from '../../core/index.ts';
import { terminateConnection } from '../rest/connection-methods.ts';
import { terminateStreams } from '../rest/stream-methods.ts';
import type { SignallingOptions } from './options.ts';
import { OFFER } from './testing/memory-gateway.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';

let fixture: SignallingFixture;

vi.setConfig({ testTimeout: 30_000 });

async function start(options: Partial<SignallingOptions> = {}): Promise<SignallingFixture> {
  fixture = await SignallingFixture.start(options);
  return fixture;
}

afterEach(() => fixture.close());

/** No offer is answered until the result is called. */
function holdAnswers(): () => void {
  let open = (): void => {};
  fixture.gateway.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return open;
}

describe('a stream always comes to an end that its client is told', () => {
  it.each<[PeerEndReason, string, string]>([
    ['ice_timeout', 'FAILED', 'Failed by ICE timeout'],
    ['ice_keep_alive', 'FAILED', 'Failed by ICE keep alive'],
    ['dtls_error', 'FAILED', 'Failed by DTLS error'],
    ['dtls_fingerprint', 'FAILED', 'Failed by DTLS fingerprint error'],
    ['rtp_activity', 'FAILED', 'Failed by RTP activity'],
    ['publisher_stopped', 'FAILED', 'Stopped by publisher stop'],
    ['terminated', 'FAILED', 'Stopped by rest /terminate'],
    ['peer_closed', 'UNPUBLISHED', 'Stopped by user'],
    ['not_playable', 'FAILED', 'Transcoding required, but disabled'],
    ['server_stops', 'FAILED', 'Requested stream shutdown'],
    ['internal_error', 'FAILED', 'Failed by error'],
  ])('after %s by %s "%s"', async (reason, status, info) => {
    await start();
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER });
    await client.next('setRemoteSDP');
    fixture.gateway.peer('p').end(reason, 'some detail');
    expect((await client.status('p', status)).info).toBe(info);
    expect(fixture.hub.streams.size).toBe(0);
  });

  it('when REST ends the stream, for its players too', async () => {
    await start();
    const publisher = await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    terminateStreams({ ...fixture.hub, describeTrack: () => ({}) }, { mediaSessionId: 'room-pub' });
    expect((await publisher.status('room-pub', 'FAILED')).info).toBe('Stopped by rest /terminate');
    expect((await player.status('v', 'FAILED')).info).toBe('Stopped by publisher stop');
  });

  it('when REST ends the player only', async () => {
    await start();
    const publisher = await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    terminateStreams({ ...fixture.hub, describeTrack: () => ({}) }, { mediaSessionId: 'v' });
    expect((await player.status('v', 'FAILED')).info).toBe('Stopped by rest /terminate');
    expect(publisher.about('room-pub')).toEqual(['setRemoteSDP', 'PUBLISHING']);
  });

  it('when REST ends its connection', async () => {
    await start();
    const publisher = await fixture.publisher('room', OFFER);
    const [connection] = [...fixture.hub.connections.all()];
    terminateConnection(fixture.hub, { sessionId: connection?.sessionId ?? '' });
    await publisher.gone();
    expect((await publisher.status('room-pub', 'FAILED')).info).toBe('Stopped by session disconnect');
  });

  it('gives the operator’s own reason when it is one that applications know', async () => {
    await start();
    const client = await fixture.publisher('room', OFFER);
    fixture.hub.sessions.get('room-pub')?.close('Stopped by session disconnect');
    expect((await client.status('room-pub', 'FAILED')).info).toBe('Stopped by session disconnect');
  });

  it('is STOPPED for a player whose transport was closed by itself', async () => {
    await start();
    await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    fixture.gateway.peer('v').end('peer_closed');
    await player.status('v', 'STOPPED');
  });

  it('is STOPPED for a player whose file is at its end, and FAILED for one whose file failed', async () => {
    await start();
    await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    fixture.gateway.peer('v').end('file_finished');
    await player.status('v', 'STOPPED');
    const unlucky = await fixture.player('w', 'room', OFFER);
    fixture.gateway.peer('w').end('publisher_stopped', 'Got exception while streaming file');
    expect((await unlucky.status('w', 'FAILED')).info).toBe('Got exception while streaming file');
  });

  it.each([
    ['STREAM_LIMIT', 'Failed to add stream to proxy'],
    ['PEER_LIMIT', 'Failed to add stream to proxy'],
    ['SDP_INVALID', 'Failed to add stream to proxy'],
    ['NO_COMMON_CODECS', 'No common codecs'],
    ['TRANSCODING_DISABLED', 'Transcoding required, but disabled'],
    ['STREAM_NAME_INVALID', 'Bad URI'],
    ['FILE_NOT_FOUND', 'File not found'],
    ['FILE_INVALID', 'File has wrong format'],
    ['FILE_UNREADABLE', 'Failed to read file'],
    ['MEDIA_SESSION_BUSY', 'MediaSessionId is already in use'],
  ] as const)('when the gateway says %s: "%s"', async (code, info) => {
    await start();
    fixture.gateway.error = new MediaServerError(code, 'words for people');
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER });
    expect((await client.status('p', 'FAILED')).info).toBe(info);
  });

  it('when the gateway fails by an error of its own, which is logged', async () => {
    await start();
    fixture.gateway.error = new TypeError('a fault');
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER });
    expect((await client.status('p', 'FAILED')).info).toBe('Failed by error');
    const [line] = fixture.hub.log.lines.splice(
      fixture.hub.log.lines.findIndex((entry) => entry.level === 'error'),
      1,
    );
    expect(line?.message).toBe('stream could not begin');
  });

  it.each([
    ['without media', 'v=0\r\n', 'Failed to add stream to proxy'],
    ['without any text', undefined, 'Failed to add stream to proxy'],
    ['with codecs that nobody knows', 'm=audio 9 X 1\r\na=rtpmap:1 SILK/8000\r\n', 'No common codecs'],
  ])('for an offer %s', async (_what, sdp, info) => {
    await start();
    const client = await fixture.client();
    client.publish('p', 'room', { sdp });
    expect((await client.status('p', 'FAILED')).info).toBe(info);
  });

  it('for a request without an id, or with one that is in use here or elsewhere', async () => {
    await start();
    const client = await fixture.publisher('room', OFFER);
    client.send('publishStream', { name: 'x', sdp: OFFER });
    expect((await client.status('', 'FAILED')).info).toBe('MediaSessionId is null');
    const other = await fixture.client();
    other.publish('room-pub', 'y', { sdp: OFFER });
    expect((await other.status('room-pub', 'FAILED')).info).toBe('MediaSessionId is already in use');
    client.publish('room-pub', 'y', { sdp: OFFER });
    expect((await client.status('room-pub', 'FAILED')).info).toBe('MediaSessionId is already in use');
    expect(fixture.gateway.peers.size).toBe(1);
  });

  it('for more streams than a client may have', async () => {
    await start({ maxStreams: 1 });
    const client = await fixture.publisher('room', OFFER);
    client.publish('q', 'other', { sdp: OFFER });
    expect((await client.status('q', 'FAILED')).info).toBe('Failed to add stream to proxy');
  });

  it('for a stop of something that is not there', async () => {
    await start();
    const client = await fixture.client();
    client.send('stopStream', { mediaSessionId: 'x', name: 'room' });
    await client.status('x', 'STOPPED');
    client.send('unPublishStream', { mediaSessionId: 'y', name: 'room' });
    await client.status('y', 'UNPUBLISHED');
  });

  it('for a stop before the answer, which is then never sent', async () => {
    await start();
    const open = holdAnswers();
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER });
    await eventually(() => expect(fixture.gateway.peers.size).toBe(1));
    client.send('unPublishStream', { mediaSessionId: 'p' });
    await client.status('p', 'UNPUBLISHED');
    expect(fixture.gateway.requests[0]?.signal?.aborted).toBe(true);
    open();
    await eventually(() => expect(fixture.gateway.peers.size).toBe(0));
    expect(client.about('p')).toEqual(['UNPUBLISHED']);
  });

  it('once, when a player stops that still waits for its stream', async () => {
    await start({ playWaitMs: 5000 });
    const player = await fixture.client();
    player.play('v', 'room', { sdp: OFFER });
    await eventually(() => expect(fixture.gateway.requests).toHaveLength(1));
    player.send('stopStream', { mediaSessionId: 'v' });
    await player.status('v', 'STOPPED');
    player.send('availableStream', { mediaSessionId: 'x', name: 'room' });
    await player.next('availableStream');
    expect(player.about('v')).toEqual(['STOPPED']);
  });

  it('and is released when the client leaves before the answer', async () => {
    await start();
    const open = holdAnswers();
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER });
    await eventually(() => expect(fixture.gateway.peers.size).toBe(1));
    client.drop();
    await eventually(() => expect(fixture.hub.connections.size).toBe(0));
    open();
    await eventually(() => expect(fixture.gateway.peers.size).toBe(0));
  });
});
