import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { Ffmpeg, makeClip, type PacketSum, readPacketSums } from './support/ffmpeg.ts';
import { Program } from './support/program.ts';
import { freePort, ROOT, TestServer } from './support/server.ts';

const WATCH_SECONDS = 10;
const require = createRequire(import.meta.url);
const MPEGTS = join(dirname(require.resolve('mpegts.js/package.json')), 'dist/mpegts.js');

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start({ args: ['--demo'], settings: { publisher_reconnect_wait: 500 } });
  // All before the first one is published, for making a clip holds up what else the tests do.
  for (const bframes of [0, 3]) makeClip(clipOf(`exact${bframes}`), { seconds: 8, bframes });
  makeClip(clipOf('short'), { seconds: 4 });
});

function clipOf(name: string): string {
  return join(server.folder, `${name}.flv`);
}

afterAll(async () => {
  await server.stop();
});

describe.concurrent('a stream that ffmpeg publishes by RTMP and plays by HTTP-FLV with -c copy', () => {
  it.each([
    ['without B-frames', 0],
    ['with B-frames', 3],
  ])('keeps every packet, byte and time, from the first key frame to the end, %s', async (_, bframes) => {
    const name = `exact${bframes}`;
    const clip = clipOf(name);
    const publisher = new Ffmpeg(['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', server.rtmp(name)]);
    await server.untilLive(name);
    const played = await sumsOf(server.http(`/flv/${name}.flv`), `exact${bframes}.md5`);
    expect(await publisher.exited, publisher.stderr).toBe(0);
    const expected = await sumsOf(clip, `exact${bframes}.source.md5`);
    for (const stream of [0, 1]) {
      const got = played.filter((p) => p.stream === stream);
      const want = expected.filter((p) => p.stream === stream);
      const from = want.findIndex((p) => p.hash === got[0]?.hash && p.dts === got[0].dts && p.pts === got[0].pts);
      expect(from).toBeGreaterThanOrEqual(0);
      expect(got.length).toBeGreaterThan(100);
      expect(got).toEqual(want.slice(from));
    }
  });

  it('is over for curl without an error when the publisher stops', async () => {
    const input = ['-re', '-i', clipOf('short')];
    const publisher = new Ffmpeg(['-v', 'error', ...input, '-c', 'copy', '-f', 'flv', server.rtmp('short')]);
    await server.untilLive('short');
    const file = join(server.folder, 'curl.flv');
    const args = ['--fail', '--silent', '--max-time', '20', '-o', file, server.http('/flv/short.flv')];
    const curl = new Program('curl', args);
    expect(await curl.exited, curl.stderr).toBe(0);
    execFileSync('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-']);
    expect(await publisher.exited).toBe(0);
  });
});

describe('the page of docs/play-by-flv.md', () => {
  let browser: Browser;
  let site: Server;
  let origin: string;

  beforeAll(async () => {
    const guide = readFileSync(join(ROOT, 'docs/play-by-flv.md'), 'utf8');
    const html = /```html\n([\s\S]*?)```/.exec(guide)?.[1]?.replace(':8081/', `:${server.httpPort}/`) ?? '';
    expect(html).toContain('createPlayer');
    site = createServer((request, response) => {
      const library = request.url === '/mpegts.js';
      response.setHeader('content-type', library ? 'text/javascript' : 'text/html');
      const page = request.url === '/ws' ? html.replace('http://', 'ws://') : html;
      response.end(library ? readFileSync(MPEGTS) : page);
    });
    const port = await freePort();
    await new Promise<void>((resolve) => site.listen(port, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${port}`;
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    site.close();
  });

  it.concurrent.for([
    ['HTTP', '/'],
    ['WebSocket', '/ws'],
  ] as const)(
    `plays in Chromium by %s for ${WATCH_SECONDS} s without a stall, less than 3 s behind`,
    async ([, path], { expect }) => {
      await server.untilLive('demo');
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      await page.goto(origin + path);
      const video = page.locator('#player');
      const time = (): Promise<number> => video.evaluate((element) => (element as HTMLVideoElement).currentTime);
      await expect.poll(time, { timeout: 20_000 }).toBeGreaterThan(2);
      await video.evaluate((element) => {
        const counts = { waiting: 0 };
        element.addEventListener('waiting', () => counts.waiting++);
        Object.assign(window, { counts });
      });
      const from = await time();
      await expect.poll(time, { timeout: 60_000, interval: 500 }).toBeGreaterThan(from + WATCH_SECONDS);
      const behind = await video.evaluate((element) => {
        const { buffered, currentTime } = element as HTMLVideoElement;
        return buffered.end(buffered.length - 1) - currentTime;
      });
      expect(behind).toBeLessThan(3);
      expect(await page.evaluate(() => (window as unknown as { counts: { waiting: number } }).counts.waiting)).toBe(0);
      expect(errors).toEqual([]);
      await page.close();
    },
  );
});

/** What ffmpeg reads from a URL or file until its end, packet by packet. */
async function sumsOf(input: string, name: string): Promise<PacketSum[]> {
  const file = join(server.folder, name);
  const ffmpeg = new Ffmpeg(['-v', 'warning', '-y', '-copyts', '-i', input, '-c', 'copy', '-f', 'framemd5', file]);
  expect(await ffmpeg.exited, ffmpeg.stderr).toBe(0);
  return readPacketSums(file);
}
