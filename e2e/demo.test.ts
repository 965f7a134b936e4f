import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';

const WATCH_SECONDS = 30;
/** ffmpeg's HLS reader fetches the init segment anew with each reload of a live playlist and remarks on it. */
const HARMLESS = /duplicated MOOV Atom|Last message repeated/;

let server: TestServer;
let browser: Browser;

beforeAll(async () => {
  server = await TestServer.start({ args: ['--demo'] });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser.close();
  await server.stop('SIGINT');
});

async function uptimeOf(name: string): Promise<number> {
  const overview = (await (await fetch(server.http('/api/overview'))).json()) as {
    streams: { name: string; uptimeSeconds: number }[];
  };
  return overview.streams.find((stream) => stream.name === name)?.uptimeSeconds ?? 0;
}

describe('a server with the demo stream', () => {
  it('lists it by REST, in health and in metrics', async () => {
    await server.untilLive('demo');
    const response = await fetch(server.http('/rest-api/stream/find_all'), { method: 'POST' });
    const [stream] = (await response.json()) as Record<string, unknown>[];
    expect(stream).toMatchObject({ name: 'demo', published: true, hasVideo: true, hasAudio: true, videoCodec: 'H264' });
    expect((await fetch(server.http('/health'))).status).toBe(200);
    const metrics = await (await fetch(server.http('/metrics'))).text();
    expect(metrics).toMatch(/sluice_rtmp_connections_total/);
  });

  it.concurrent(`plays in Chromium by the console's page for ${WATCH_SECONDS} s without a stall`, async ({
    expect,
  }) => {
    // A stream that has been live for a while: its first playlist has several segments then.
    await expect.poll(() => uptimeOf('demo'), { timeout: 20_000 }).toBeGreaterThan(8);
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(server.http('/'));
    const video = page.getByTestId('player-video');
    const time = (): Promise<number> => video.evaluate((element) => (element as HTMLVideoElement).currentTime);
    await expect
      .poll(() => page.getByTestId('player-state').getAttribute('data-state'), { timeout: 20_000 })
      .toBe('playing');
    await expect.poll(time, { timeout: 20_000 }).toBeGreaterThan(1);
    await video.evaluate((element) => {
      const counts = { waiting: 0 };
      element.addEventListener('waiting', () => counts.waiting++);
      Object.assign(window, { counts });
    });
    const [startTime, startClock] = [await time(), Date.now()];
    await expect.poll(time, { timeout: 60_000, interval: 500 }).toBeGreaterThan(startTime + WATCH_SECONDS);
    const late = (Date.now() - startClock) / 1000 - WATCH_SECONDS;
    expect(late).toBeLessThan(2);
    expect(await page.evaluate(() => (window as unknown as { counts: { waiting: number } }).counts.waiting)).toBe(0);
    expect(errors).toEqual([]);
    expect(await page.getByTestId('stream-row').count()).toBe(1);
    await page.close();
  });

  it.concurrent.for(['fmp4', 'ts'])(
    `plays in ffmpeg by HLS for ${WATCH_SECONDS} s without a warning (%s)`,
    async (container, { expect }) => {
      const own = await TestServer.start({ settings: { hls_container: container, publisher_reconnect_wait: 200 } });
      const clip = join(own.folder, 'clip.mp4');
      makeClip(clip, { seconds: 50, bframes: 2 });
      const publisher = new Ffmpeg(['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', own.rtmp('cam')]);
      await own.untilLive('cam');
      const args = ['-v', 'warning', '-xerror', '-i', own.hls('cam'), '-t', String(WATCH_SECONDS), '-f', 'null', '-'];
      const player = new Ffmpeg(args);
      expect(await player.exited, player.stderr).toBe(0);
      expect(player.stderr.split('\n').filter((line) => line !== '' && !HARMLESS.test(line))).toEqual([]);
      await publisher.stop();
      await own.stop();
    },
  );
});
