import { createRequire } from 'node:module';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { bitrateWishes } from './bitrate-wishes.ts';
import { OFFER } from './testing/memory-gateway.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';
import type { WebSdkClient } from './testing/web-sdk-client.ts';

/** The Web SDK's own, unmodified. */
const SDK = createRequire(import.meta.url)('@flashphoner/websdk/src/constants') as Record<
  'STREAM_EVENT_TYPE' | 'STREAM_STATUS',
  Record<string, string>
>;

let fixture: SignallingFixture;

afterEach(() => fixture.close());

function said(client: WebSdkClient): unknown[] {
  const thin = [SDK.STREAM_EVENT_TYPE['NOT_ENOUGH_BANDWIDTH'], SDK.STREAM_STATUS['NOT_ENOUGH_BANDWIDTH']];
  return client.received.flatMap(({ data }) => {
    const body = data[0] as { type?: string; status?: string } | undefined;
    return thin.includes(body?.type ?? body?.status) ? [body] : [];
  });
}

describe('a player whose way is too thin', () => {
  it('is told the bitrates of stream and way, as new clients know it and as old ones do', async () => {
    fixture = await SignallingFixture.start();
    await fixture.publisher('room', OFFER);
    const player = await fixture.player('v', 'room', OFFER);
    fixture.gateway.peer('v').thin(2_000_000.4, 750_000);
    await player.next('notifyStreamStatusEvent', ({ status }) => status === 'NOT_ENOUGH_BANDWIDTH');
    expect(said(player)).toEqual([
      { mediaSessionId: 'v', type: 'notEnoughBandwidth', payload: { info: '2000000/750000' } },
      { mediaSessionId: 'v', status: 'NOT_ENOUGH_BANDWIDTH', info: '2000000/750000' },
    ]);
  });

  it('is told once a second at most, and nothing before it plays or after its end', async () => {
    const now = vi.spyOn(performance, 'now');
    try {
      fixture = await SignallingFixture.start();
      await fixture.publisher('room', OFFER);
      const player = await fixture.client();
      player.play('v', 'room', { sdp: OFFER });
      await player.next('setRemoteSDP');
      const peer = fixture.gateway.peer('v');
      peer.thin(9, 1);
      peer.activate();
      peer.thin(9, 2);
      peer.thin(9, 3);
      const atMs = performance.now();
      now.mockImplementation(() => atMs + 1001);
      peer.thin(9, 4);
      player.send('stopStream', { mediaSessionId: 'v', name: 'room' });
      await player.status('v', 'STOPPED');
      now.mockImplementation(() => atMs + 3000);
      peer.thin(9, 5);
      player.send('availableStream', { mediaSessionId: 'x', name: 'none' });
      await player.next('availableStream');
      const infos = said(player).map((body) => (body as { payload?: { info: string } }).payload?.info);
      expect(infos.filter((info) => info !== undefined)).toEqual(['9/2', '9/4']);
    } finally {
      now.mockRestore();
    }
  });
});

describe('the transport of a stream', () => {
  it.each([
    ['TCP', 'tcp'],
    ['tcp', 'tcp'],
    ['Udp', 'udp'],
    ['', undefined],
    ['SCTP', undefined],
    [7, undefined],
  ])('that the client writes as %j is asked for as %s, of publishers and players', async (transport, asked) => {
    fixture = await SignallingFixture.start();
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER, transport });
    await eventually(() => expect(fixture.gateway.requests).toHaveLength(1));
    client.play('v', 'room', { sdp: OFFER, transport });
    await eventually(() => expect(fixture.gateway.requests).toHaveLength(2));
    expect(fixture.gateway.requests.map((request) => request.transport)).toEqual([asked, asked]);
  });

  it('is told as it really is, whatever was asked for', async () => {
    fixture = await SignallingFixture.start();
    const client = await fixture.client();
    for (const [id, wished, real] of [
      ['a', 'TCP', undefined],
      ['b', 'UDP', 'tcp'],
      ['c', undefined, 'udp'],
    ] as const) {
      client.publish(id, id, { sdp: OFFER, transport: wished });
      await eventually(() => fixture.gateway.peer(id));
      fixture.gateway.peer(id).transport = real;
      fixture.gateway.peer(id).activate();
      expect((await client.status(id, 'PUBLISHING')).transport).toBe(real === 'tcp' ? 'TCP' : 'UDP');
    }
  });
});

describe('limits of the bitrate', () => {
  it.each([
    ['publisher', { minBitrate: 300, maxBitrate: '900.5' }, [300_000, 900_500]],
    ['publisher', { minBitrate: 0, maxBitrate: 0, bitrate: 700 }, [0, 700_000]],
    ['publisher', { bitrate: 700, maxBitrate: 500 }, [0, 500_000]],
    ['publisher', { constraints: { video: { minBitrate: '200', maxBitrate: 800, width: 640 } } }, [200_000, 800_000]],
    ['publisher', { maxBitrate: 400, constraints: { video: { maxBitrate: 800 } } }, [0, 400_000]],
    ['publisher', { constraints: { video: { bitrate: 600 } } }, [0, 600_000]],
    ['publisher', { minBitrate: 900, maxBitrate: 300 }, [0, 300_000]],
    ['publisher', { minBitrate: 900 }, [900_000, 0]],
    ['publisher', { constraints: { video: { maxBitrate: 'much', minBitrate: -1 } } }, [0, 0]],
    ['publisher', { constraints: { video: true } }, [0, 0]],
    ['publisher', { constraints: 'x' }, [0, 0]],
    ['player', { bitrate: 700, maxBitrate: 900 }, [0, 900_000]],
    ['player', { bitrate: 700 }, [0, 0]],
  ] as const)('of a %s that asks for %j are %j bits a second', async (who, request, [min, max]) => {
    fixture = await SignallingFixture.start();
    const { log } = fixture.hub;
    expect(bitrateWishes(request, who === 'publisher', log)).toEqual({ minBitrateBps: min, maxBitrateBps: max });
  });

  it('that can not be read leave a line for debugging, and none for what can', async () => {
    fixture = await SignallingFixture.start();
    const { log } = fixture.hub;
    bitrateWishes({ minBitrate: 1, maxBitrate: 2, constraints: { video: { maxBitrate: null } } }, true, log);
    expect(log.lines).toEqual([]);
    bitrateWishes({ minBitrate: 3, maxBitrate: 2 }, true, log);
    bitrateWishes({ constraints: { video: { maxBitrate: {} } } }, true, log);
    expect(log.lines.map(({ level, fields }) => [level, fields])).toEqual([
      ['debug', { minBitrate: 3, maxBitrate: 2 }],
      ['debug', { field: 'constraints.video.maxBitrate' }],
    ]);
  });

  it('reach the peer', async () => {
    fixture = await SignallingFixture.start();
    const client = await fixture.client();
    client.publish('p', 'room', { sdp: OFFER, bitrate: '700', minBitrate: 'x' });
    await client.next('setRemoteSDP');
    expect(fixture.gateway.requests[0]).toMatchObject({ minBitrateBps: 0, maxBitrateBps: 700_000 });
    const left = fixture.hub.log.lines.filter(({ level }) => level === 'debug').map(({ fields }) => fields);
    expect(left).toContainEqual({ field: 'minBitrate' });
  });
});
