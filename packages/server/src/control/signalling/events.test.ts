import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SignallingOptions } from './options.ts';
import { AUDIO_OFFER, OFFER } from './testing/memory-gateway.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';
import type { WebSdkClient } from './testing/web-sdk-client.ts';

let fixture: SignallingFixture;

vi.setConfig({ testTimeout: 30_000 });

async function start(options: Partial<SignallingOptions> = {}, graceMs = 0): Promise<SignallingFixture> {
  fixture = await SignallingFixture.start(options, graceMs);
  return fixture;
}

afterEach(() => fixture.close());

function eventsOf(client: WebSdkClient): readonly unknown[] {
  return client.received.filter(({ message }) => message === 'notifyStreamEvent').map(({ data }) => data[0]);
}

describe('stream events of a publisher', () => {
  it('reach each player under its own id, with a payload only when there is one', async () => {
    await start();
    const publisher = await fixture.publisher('room', OFFER);
    const players = [await fixture.player('v1', 'room', OFFER), await fixture.player('v2', 'room', OFFER)];
    for (const type of ['audioMuted', 'audioUnmuted', 'videoMuted', 'videoUnmuted']) {
      publisher.send('sendStreamEvent', { mediaSessionId: 'room-pub', type });
    }
    publisher.send('sendStreamEvent', { mediaSessionId: 'room-pub', type: 'data', payload: { n: [1, null] } });
    publisher.send('sendStreamEvent', { mediaSessionId: 'room-pub', type: 'audioMuted', payload: null });
    for (const [index, player] of players.entries()) {
      const mediaSessionId = `v${index + 1}`;
      await eventually(() => expect(eventsOf(player)).toHaveLength(6));
      expect(eventsOf(player)).toEqual([
        { mediaSessionId, type: 'audioMuted' },
        { mediaSessionId, type: 'audioUnmuted' },
        { mediaSessionId, type: 'videoMuted' },
        { mediaSessionId, type: 'videoUnmuted' },
        { mediaSessionId, type: 'data', payload: { n: [1, null] } },
        { mediaSessionId, type: 'audioMuted' },
      ]);
    }
    expect(eventsOf(publisher)).toEqual([]);
  });

  it('do not reach players that have stopped', async () => {
    await start();
    const publisher = await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    player.send('stopStream', { mediaSessionId: 'v' });
    await player.status('v', 'STOPPED');
    publisher.send('sendStreamEvent', { mediaSessionId: 'room-pub', type: 'data', payload: 1 });
    publisher.send('availableStream', { mediaSessionId: 'x', name: 'room' });
    await publisher.next('availableStream');
    expect(player.about('v')).toEqual(['setRemoteSDP', 'PLAYING', 'STOPPED']);
  });

  it.each([
    ['of an id that is not publishing', { mediaSessionId: 'v', type: 'audioMuted' }],
    ['of an unknown type', { mediaSessionId: 'room-pub', type: 'resize' }],
    ['without an id', { type: 'audioMuted' }],
  ])('are refused with a warning when they are %s', async (_what, event) => {
    await start();
    await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    player.send('sendStreamEvent', event);
    await player.next('fail', (body) => body['apiMethod'] === 'sendStreamEvent');
    expect(eventsOf(player)).toEqual([]);
  });

  it('are taken back when another publisher goes on with the stream', async () => {
    await start({}, 5000);
    const { streams } = fixture.hub;
    const publisher = { sessionId: 'rtmp', close: () => {} };
    const stream = streams.publish('room', publisher);
    const player = await fixture.player('v', 'room', OFFER);
    stream.signals.send({ type: 'audioMuted' });
    streams.unpublish(stream, publisher, 'encoder left');
    streams.publish('room', publisher);
    await eventually(() =>
      expect(eventsOf(player)).toEqual([
        { mediaSessionId: 'v', type: 'audioMuted' },
        { mediaSessionId: 'v', type: 'audioUnmuted' },
      ]),
    );
  });
});

describe('availability', () => {
  it('is the text "true" for a stream that is live, else "false" with a reason', async () => {
    await start();
    const client = await fixture.publisher('room', OFFER);
    client.send('availableStream', { mediaSessionId: 'a', name: 'room' });
    expect((await client.next('availableStream')).data).toEqual([{ id: 'a', status: 'true' }]);
    client.send('availableStream', { mediaSessionId: 'b', name: 'none' });
    const { data } = await client.next('availableStream', (body) => body['id'] === 'b');
    expect(data).toEqual([{ id: 'b', status: 'false', info: 'Stream not found' }]);
    client.send('availableStream', {});
    await client.next('availableStream', (body) => body['id'] === '');
  });

  it('is "false" while players wait for a publisher that left', async () => {
    await start({}, 5000);
    const { streams } = fixture.hub;
    const publisher = { sessionId: 'rtmp', close: () => {} };
    const stream = streams.publish('room', publisher);
    const player = await fixture.player('v', 'room', OFFER);
    streams.unpublish(stream, publisher, 'encoder left');
    player.send('availableStream', { mediaSessionId: 'a', name: 'room' });
    expect((await player.next('availableStream')).data[0]).toMatchObject({ status: 'false' });
    expect(player.about('v')).toEqual(['setRemoteSDP', 'PLAYING']);
  });
});

describe('what is not there yet is answered all the same', () => {
  it('snapshots fail, under the id of the one who asked', async () => {
    await start();
    const client = await fixture.publisher('room', OFFER);
    client.send('snapshot', { name: 'room', mediaSessionId: 'fresh' });
    client.send('snapshot', { name: 'none', mediaSessionId: 'fresh2' });
    await eventually(() => expect(eventsOf(client)).toHaveLength(2));
    expect(eventsOf(client)).toEqual([
      { mediaSessionId: 'fresh', type: 'snapshotFailed', payload: { info: 'Snapshots are not available' } },
      { mediaSessionId: 'fresh2', type: 'snapshotFailed', payload: { info: 'Stream not found' } },
    ]);
  });

  it('data for the server’s application is accepted', async () => {
    await start();
    const client = await fixture.client();
    client.send('sendData', { operationId: 'o1', payload: { hello: 1 } });
    expect((await client.next('DataStatusEvent')).data).toEqual([{ operationId: 'o1', status: 'ACCEPTED' }]);
    client.send('sendData', { payload: 1 });
    await client.next('fail', (body) => body['apiMethod'] === 'sendData');
  });

  it('calls come to an end', async () => {
    await start();
    const client = await fixture.client();
    client.send('call', { callId: 'c1', callee: '1002', sdp: OFFER });
    expect((await client.next('finish')).data[0]).toMatchObject({ callId: 'c1', status: 'FAILED' });
    client.send('hangup', { callId: 'c2' });
    await client.next('finish', (body) => body['callId'] === 'c2' && body['status'] === 'FINISH');
    for (const name of ['hold', 'unhold', 'transfer', 'sendDtmf']) {
      client.send(name, { callId: 'c3' });
      await client.next('fail', (body) => body['apiMethod'] === name);
    }
  });

  it('a media transport that no player waits for is closed', async () => {
    await start();
    const { userData } = await fixture.establish();
    const media = await fixture.silentClient();
    media.send('connectMediaTransport', { authToken: userData['authToken'] });
    await media.gone();
  });
});

describe('logs of clients', () => {
  function lines(message: string): string[] {
    return fixture.hub.log.lines
      .filter((line) => line.message === message)
      .map((line) => (line.fields as { text: string }).text);
  }

  it('are written on one line each, cut, and not too many a second', async () => {
    await start();
    const client = await fixture.client();
    client.send('pushLogs', { logs: `13:27 INFO core - "a"\n\u001b[31m${'x'.repeat(5000)}` });
    client.send('submitBugReport', { text: 'bug', type: 'no_media' });
    for (let i = 0; i < 50; i++) client.send('pushLogs', { logs: `line ${i}` });
    client.send('sendData', { operationId: 'o' });
    await client.next('DataStatusEvent');
    const [first] = lines('client log');
    expect(first).toMatch(/^13:27 INFO core - "a" \[31mxxx/);
    expect(first?.length).toBeLessThanOrEqual(2000);
    expect(lines('client reports a bug')).toEqual(['{"text":"bug","type":"no_media"}']);
    expect(lines('client log').length).toBeLessThan(25);
  });

  it('include its messages while it debugs its session', async () => {
    await start();
    const client = await fixture.client();
    client.send('sessionDebug', { command: 'start' });
    expect((await client.next('notifySessionDebugEvent')).data).toEqual([{ status: 'STARTED' }]);
    client.send('sendData', { operationId: 'o1' });
    client.send('sessionDebug', { command: 'stop' });
    await client.next('notifySessionDebugEvent', (body) => body['status'] === 'STOPPED');
    client.send('sendData', { operationId: 'o2' });
    await client.next('DataStatusEvent', (body) => body['operationId'] === 'o2');
    expect(lines('client message').filter((line) => line.startsWith('sendData'))).toEqual([
      'sendData {"operationId":"o1"}',
    ]);
  });
});

describe('connection quality', () => {
  it('tells publishers and players the bits of video since the message before, while they are active', async () => {
    await start({ inboundVideoRateIntervalMs: 1000, outboundVideoRateIntervalMs: 1000 });
    fixture.gateway.onPeer = (peer) => {
      peer.videoBitrateBps = 800_000;
    };
    const publisher = await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    const waiting = await fixture.client();
    waiting.play('w', 'room', { sdp: OFFER });
    const silent = await fixture.client();
    fixture.gateway.onPeer = (peer) => peer.activate();
    silent.play('s', 'room', { sdp: AUDIO_OFFER });
    const began = performance.now();
    const inbound = (await publisher.next('inboundVideoRate')).data[0] as { videoRate: number; mediaSessionId: string };
    expect(inbound.mediaSessionId).toBe('room-pub');
    const outbound = (await player.next('outboundVideoRate')).data[0] as { videoRate: number; mediaSessionId: string };
    expect(outbound.mediaSessionId).toBe('v');
    // At 800 bits a millisecond, for at least the second that must have passed.
    const mostMs = performance.now() - began + 1000;
    for (const { videoRate } of [inbound, outbound]) {
      expect(videoRate).toBeGreaterThanOrEqual(800_000);
      expect(videoRate).toBeLessThan(800 * Math.max(2500, mostMs));
    }
    expect([...waiting.received, ...silent.received].filter(({ message }) => message.endsWith('VideoRate'))).toEqual(
      [],
    );
  });

  it('is not told unless the options say so', async () => {
    await start();
    const publisher = await fixture.publisher('room', OFFER);
    await new Promise((resolve) => setTimeout(resolve, 1300));
    expect(publisher.received.filter(({ message }) => message.endsWith('VideoRate'))).toEqual([]);
  });
});
