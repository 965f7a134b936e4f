import type { WebSocketRoute } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type SdkPage, SdkPages } from './support/websdk/sdk-pages.ts';
import { SdkServer } from './support/websdk/sdk-server.ts';

/** WCS's unit is seconds; rates are never told more often than once a second. */
const RATE_INTERVAL = 1;
const WAIT = { timeout: 20_000, interval: 100 };

let pages: SdkPages;
let server: SdkServer | undefined;
let opened: SdkPage[] = [];

beforeAll(async () => {
  pages = await SdkPages.start();
});

afterEach(async () => {
  for (const page of opened) await page.close();
  opened = [];
  await server?.stop();
  server = undefined;
});

afterAll(() => pages.close());

/** A page with an established session. */
async function connected(url: string, options: object = {}): Promise<SdkPage> {
  const page = await pages.open();
  opened.push(page);
  expect(await page.connect(url, options)).toBe('ESTABLISHED');
  return page;
}

describe('the Web SDK', () => {
  it('publishes by WSS and plays by WS', async () => {
    server = await SdkServer.start();
    const publisher = await connected(server.secureUrl);
    await publisher.publish('room');
    const player = await connected(server.url);
    await player.play('viewer', 'room');
    await vi.waitFor(async () => expect((await player.report('viewer')).frames).toBeGreaterThan(20), WAIT);
  });

  it('finds the connection of publishers and players good, by the rates that the server tells', async () => {
    server = await SdkServer.start({
      inbound_video_rate_stat_send_interval: RATE_INTERVAL,
      outbound_video_rate_stat_send_interval: RATE_INTERVAL,
    });
    const publisher = await connected(server.url);
    await publisher.publish('room');
    const player = await connected(server.url);
    await player.play('viewer', 'room');
    for (const [page, label] of [
      [publisher, 'room'],
      [player, 'viewer'],
    ] as const) {
      await vi.waitFor(async () => expect((await page.report(label)).qualities.length).toBeGreaterThan(5), WAIT);
      const last = (await page.report(label)).qualities.at(-1);
      expect(last?.quality).not.toBe('BAD');
      expect(last?.serverBps).toBeGreaterThan(10_000);
    }
  });

  it('plays on when it is told that its way is too thin, in the new way and in the old one', async () => {
    server = await SdkServer.start();
    const publisher = await connected(server.url);
    await publisher.publish('room');
    const player = await pages.open();
    opened.push(player);
    const sockets: WebSocketRoute[] = [];
    await player.page.routeWebSocket(/.*/, (socket) => {
      socket.connectToServer();
      sockets.push(socket);
    });
    expect(await player.connect(server.url)).toBe('ESTABLISHED');
    await player.play('viewer', 'room');
    const mediaSessionId = await player.page.evaluate('harness.stream("viewer").id()');
    // As the server says it: control/signalling/thin-ways.test.ts.
    for (const [message, body] of [
      ['notifyStreamEvent', { type: 'notEnoughBandwidth', payload: { info: '2000000/750000' } }],
      ['notifyStreamStatusEvent', { status: 'NOT_ENOUGH_BANDWIDTH', info: '2000000/750000' }],
    ] as const)
      sockets[0]?.send(JSON.stringify({ message, data: [{ mediaSessionId, ...body }] }));
    await player.status('viewer', 'NOT_ENOUGH_BANDWIDTH');
    const { events, frames } = await player.report('viewer');
    expect(events).toContainEqual({ type: 'notEnoughBandwidth', payload: { info: '2000000/750000' } });
    expect(await player.page.evaluate('harness.stream("viewer").status()')).toBe('PLAYING');
    expect(await player.page.evaluate('harness.stream("viewer").getNetworkBandwidth()')).toBe('750000');
    await vi.waitFor(async () => expect((await player.report('viewer')).frames).toBeGreaterThan(frames + 10), WAIT);
    await player.call('viewer', 'stop');
    await player.status('viewer', 'STOPPED');
    expect(await player.faults()).toEqual([]);
  });

  it('plays a file that the server plays as a stream, converted for browsers', async () => {
    server = await SdkServer.start({}, ['--demo']);
    const player = await connected(server.url);
    await player.play('viewer', 'demo');
    const report = await vi.waitFor(async () => {
      const seen = await player.report('viewer');
      expect(seen.frames).toBeGreaterThan(30);
      expect(seen.soundMs).toBeGreaterThan(200);
      return seen;
    }, WAIT);
    expect(report.events).toContainEqual({
      type: 'resize',
      payload: { streamerVideoWidth: report.width, streamerVideoHeight: report.height },
    });
  });

  it('resumes a session with keepAlive by its token when its page was loaded anew', async () => {
    server = await SdkServer.start();
    const first = await connected(server.url, { keepAlive: true, custom: { user: 'u1' } });
    await first.publish('room');
    const { authToken } = await first.connection();
    await first.close();
    const second = await connected(server.url, { keepAlive: true, authToken });
    expect(await second.connection()).toMatchObject({ authToken, custom: { user: 'u1' } });
    await second.publish('room');
  });

  it('is told the new size when the publisher changes it', async () => {
    server = await SdkServer.start();
    const publisher = await connected(server.url);
    await publisher.publish('room', { stripCodecs: 'VP8,VP9,AV1' });
    const player = await connected(server.url);
    await player.play('viewer', 'room');
    await vi.waitFor(async () => expect((await player.report('viewer')).width).toBe(320), WAIT);
    await publisher.resize('room', { width: 160, height: 120 });
    await vi.waitFor(async () => {
      const { width, events } = await player.report('viewer');
      expect(width).toBe(160);
      expect(events).toContainEqual({
        type: 'resize',
        payload: { streamerVideoWidth: 160, streamerVideoHeight: 120 },
      });
    }, WAIT);
  });

  it('is disconnected with all of its streams when the server stops', async () => {
    const stopping = await SdkServer.start();
    const publisher = await connected(stopping.url);
    await publisher.publish('room');
    await stopping.stop();
    await publisher.status('room', 'FAILED');
    expect((await publisher.sessionStatuses()).at(-1)).toBe('DISCONNECTED');
  });
});
