import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';
import { FLASH_INPUT } from './support/webrtc/flashes.ts';
import { type SdkPage, SdkPages } from './support/websdk/sdk-pages.ts';

const WAIT = { timeout: 20_000, interval: 100 };

let server: TestServer;
let other: TestServer;
let pages: SdkPages;
let page: SdkPage;

beforeAll(async () => {
  [server, other] = await Promise.all([
    TestServer.start({ args: ['--no-demo'], settings: { pull_by_name_idle_timeout: 500 } }),
    TestServer.start({ args: ['--no-demo'] }),
  ]);
  pages = await SdkPages.start();
  page = await pages.open();
  expect(await page.connect(`ws://localhost:${server.ports.ws}`)).toBe('ESTABLISHED');
});

afterAll(async () => {
  await pages.close();
  await Promise.all([server.stop(), other.stop()]);
});

describe('the unmodified Web SDK', () => {
  it('has a stream sent on to rtmpUrl for as long as it is published', async () => {
    await page.publish('room', { rtmpUrl: `rtmp://127.0.0.1:${other.rtmpPort}/live` });
    await other.untilLive('rtmp_room');
    await page.call('room', 'stop');
    await vi.waitFor(async () => expect(await other.streamNames()).toEqual([]), WAIT);
  });

  it.each([
    ['rtsp', () => other.rtsp('cam')],
    ['rtmp', () => other.rtmp('cam')],
  ])('plays an %s:// address as the name of a stream, once for all viewers, and lets go of it', async (_, url) => {
    const codecs = [
      '-c:v',
      'libx264',
      '-preset',
      'veryfast',
      '-g',
      '25',
      '-bf',
      '0',
      '-c:a',
      'pcm_alaw',
      '-ar',
      '8000',
    ];
    const camera = new Ffmpeg(['-v', 'error', ...FLASH_INPUT, ...codecs, '-f', 'flv', other.rtmp('cam')]);
    try {
      await other.untilLive('cam');
      for (const viewer of ['first', 'second']) await page.play(viewer, url(), {});
      await vi.waitFor(async () => {
        for (const viewer of ['first', 'second']) {
          const report = await page.report(viewer);
          expect(report.frames).toBeGreaterThan(20);
          expect(report.soundMs).toBeGreaterThan(100);
        }
      }, WAIT);
      expect(await server.streamNames()).toEqual([url()]);
      for (const viewer of ['first', 'second']) await page.call(viewer, 'stop');
      await vi.waitFor(async () => expect(await server.streamNames()).toEqual([]), WAIT);
    } finally {
      await camera.stop();
    }
  });

  it('is told why a camera can not be played', async () => {
    await page.start({ label: 'gone', how: 'play', name: other.rtsp('nothing'), options: {} });
    await page.status('gone', 'FAILED');
    const report = await page.report('gone');
    expect(report.statuses.at(-1)).toMatchObject({ status: 'FAILED', info: 'Rtsp stream not found' });
  });
});
