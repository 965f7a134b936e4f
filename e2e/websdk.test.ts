import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StreamReport } from './support/websdk/in-page.ts';
import { type SdkPage, SdkPages } from './support/websdk/sdk-pages.ts';
import { SdkServer } from './support/websdk/sdk-server.ts';

const WAIT = { timeout: 20_000, interval: 100 };

let server: SdkServer;
let pages: SdkPages;
/** Publishes and plays, in this order. */
let one: SdkPage;
let two: SdkPage;

beforeAll(async () => {
  server = await SdkServer.start();
  pages = await SdkPages.start();
});

afterAll(async () => {
  await pages.close();
  await server.stop();
});

beforeEach(async () => {
  one = await pages.open();
  two = await pages.open();
  for (const page of [one, two]) expect(await page.connect(server.url)).toBe('ESTABLISHED');
});

afterEach(async () => {
  expect([...(await one.faults()), ...(await two.faults())]).toEqual([]);
  await one.close();
  await two.close();
  await vi.waitFor(async () => expect(await server.mediaSessions()).toEqual([]), WAIT);
});

/** Waits until a player has decoded pictures and heard sound, of those that it is to get. */
async function untilSeen(page: SdkPage, label: string, media = { video: true, audio: true }): Promise<StreamReport> {
  return vi.waitFor(async () => {
    const report = await page.report(label);
    if (media.video) expect(report.frames).toBeGreaterThan(30);
    if (media.audio) expect(report.soundMs).toBeGreaterThan(100);
    return report;
  }, WAIT);
}

describe('a page that publishes by the Web SDK, and another that plays', () => {
  it.each([
    ['H264', {}],
    ['VP8', { stripCodecs: 'H264,VP9,AV1' }],
  ])('exchange %s and Opus, with the size told', async (videoCodec, options) => {
    await one.publish('room', options);
    expect(await server.mediaSessions()).toEqual([
      expect.objectContaining({ name: 'room', status: 'PUBLISHING', videoCodec, audioCodec: 'opus' }),
    ]);
    await two.play('viewer', 'room', {});
    const report = await untilSeen(two, 'viewer');
    expect(report).toMatchObject({ width: 320, height: 240 });
    expect(report.statuses.map(({ status }) => status)).toEqual(['PENDING', 'PLAYING']);
    await vi.waitFor(async () => {
      const { events } = await two.report('viewer');
      expect(events).toContainEqual({
        type: 'resize',
        payload: { streamerVideoWidth: 320, streamerVideoHeight: 240 },
      });
    }, WAIT);
    await two.call('viewer', 'stop');
    await two.status('viewer', 'STOPPED');
    await one.call('room', 'stop');
    await one.status('room', 'UNPUBLISHED');
  });

  it('exchange sound only', async () => {
    await one.publish('voice', { constraints: { audio: true, video: false } });
    await two.play('viewer', 'voice', { constraints: { audio: true, video: false } });
    const report = await untilSeen(two, 'viewer', { video: false, audio: true });
    expect(report.width).toBe(0);
  });

  it('let a player that wants sound and picture have the sound of a publisher without a camera', async () => {
    await one.publish('voice', { constraints: { audio: true, video: false } });
    await two.play('viewer', 'voice');
    await untilSeen(two, 'viewer', { video: false, audio: true });
  });

  it('play one stream twice in one session', async () => {
    await one.publish('room');
    await two.play('first', 'room');
    await two.play('second', 'room');
    await untilSeen(two, 'first');
    await untilSeen(two, 'second');
    await two.call('first', 'stop');
    await two.status('first', 'STOPPED');
    const { frames } = await two.report('second');
    await vi.waitFor(async () => expect((await two.report('second')).frames).toBeGreaterThan(frames + 20), WAIT);
  });

  it('let a page play its own stream as soon as it is told that it publishes', async () => {
    await one.publish('own');
    await one.play('mirror', 'own');
    await untilSeen(one, 'mirror');
  });

  it('pass on mute events, data, and what later players must know', async () => {
    await one.publish('room');
    await two.play('early', 'room');
    await one.call('room', 'muteAudio');
    await one.sendStreamData('room', { n: 1, text: 'ü' });
    await one.call('room', 'muteVideo');
    await one.call('room', 'unmuteAudio');
    await vi.waitFor(async () => {
      const { events } = await two.report('early');
      expect(events.filter(({ type }) => type !== 'resize')).toEqual([
        { type: 'audioMuted' },
        { type: 'data', payload: { n: 1, text: 'ü' } },
        { type: 'videoMuted' },
        { type: 'audioUnmuted' },
      ]);
    }, WAIT);
    await server.rest('stream/event/send', { streamName: 'room', payload: { from: 'the back end' } });
    await vi.waitFor(async () => {
      const last = (await two.report('early')).events.at(-1);
      expect(last).toEqual({ type: 'data', payload: { from: 'the back end' } });
    }, WAIT);
    await two.play('late', 'room');
    expect((await two.report('late')).statuses.at(-1)).toMatchObject({
      status: 'PLAYING',
      audioMuted: false,
      videoMuted: true,
    });
  });
});

describe('the words that applications compare', () => {
  it('say that a name is in use', async () => {
    await one.publish('room');
    await two.start({ label: 'clash', how: 'publish', name: 'room' });
    expect((await two.status('clash', 'FAILED')).info).toBe('Stream name is already in use');
    await two.play('viewer', 'room');
  });

  it('say that there is no such stream', async () => {
    await two.start({ label: 'viewer', how: 'play', name: 'none' });
    expect((await two.status('viewer', 'FAILED')).info).toBe('Stream not found');
  });

  it.each(['stop', 'disconnect', 'page closed'])('tell players of the publisher’s end by %s', async (how) => {
    await one.publish('room');
    await two.play('viewer', 'room');
    await untilSeen(two, 'viewer');
    const leaving = one;
    if (how === 'stop') await one.call('room', 'stop');
    else if (how === 'disconnect') await one.disconnect();
    else {
      one = await pages.open();
      await leaving.close();
    }
    expect((await two.status('viewer', 'FAILED')).info).toBe('Stopped by publisher stop');
  });

  it('tell players and publishers that REST has ended them', async () => {
    await one.publish('room');
    await two.play('viewer', 'room');
    await server.rest('stream/terminate', { name: 'room', published: false });
    expect((await two.status('viewer', 'FAILED')).info).toBe('Stopped by rest /terminate');
    await server.rest('stream/terminate', { name: 'room' });
    expect((await one.status('room', 'FAILED')).info).toBe('Stopped by rest /terminate');
  });

  it('say what is available', async () => {
    await one.publish('room');
    expect(await two.available('room')).toEqual({ available: true, reason: undefined });
    expect(await two.available('none')).toEqual({ available: false, reason: 'Stream not found' });
  });

  it('tell that a stream has ended that is stopped before it began', async () => {
    await one.start({ label: 'brief', how: 'publish', name: 'brief' });
    await one.call('brief', 'stop');
    await one.status('brief', 'UNPUBLISHED');
  });
});

describe('a session', () => {
  it('frees its names for the next one at once when its connection is dropped', async () => {
    await one.publish('room');
    const dropped = one;
    one = await pages.open();
    await one.connect(server.url);
    await dropped.close();
    // A browser takes a moment to close the connections of a page.
    await vi.waitFor(async () => expect(await server.mediaSessions()).toEqual([]), WAIT);
    await one.publish('room');
    await two.play('viewer', 'room');
    await untilSeen(two, 'viewer');
  });

  it('is kept alive by the server’s pings, and noticed as dead by the client when they stop', async () => {
    const watchful = await pages.open();
    const watchdog = { receiveProbes: 10, probesInterval: 300 };
    expect(await watchful.connect(server.url, watchdog)).toBe('ESTABLISHED');
    await new Promise((resolve) => setTimeout(resolve, 5000));
    expect(await watchful.sessionStatuses()).toEqual(['CONNECTED', 'ESTABLISHED']);
    server.freeze();
    try {
      await vi.waitFor(
        async () => expect(await watchful.sessionStatuses()).toEqual(['CONNECTED', 'ESTABLISHED', 'FAILED']),
        WAIT,
      );
    } finally {
      server.thaw();
    }
    await watchful.close();
  });

  it('has its data accepted', async () => {
    expect(await one.sendData({ hello: 1 })).toEqual({ status: 'ACCEPTED' });
  });

  it('is listed by REST with what the client says of itself', async () => {
    const connections = (await server.rest('connection/find_all', {})) as object[];
    expect(connections).toHaveLength(2);
    expect(connections[0]).toMatchObject({ status: 'ESTABLISHED', clientVersion: '2.0', appKey: 'defaultApp' });
  });
});
