import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { Ffmpeg } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';

const SDK = dirname(createRequire(import.meta.url).resolve('@flashphoner/websdk/package.json'));
const WAIT = { timeout: 20_000, interval: 100 };

interface StreamFacts {
  readonly mediaSessionId: string;
  readonly sessionId: string;
  readonly name: string;
  readonly published: boolean;
  readonly metrics?: Readonly<Record<string, number>>;
}

/** What the page is told of a call: its answer, or that it was refused. */
interface Told {
  readonly answer?: unknown;
  readonly refused?: true;
}

let server: TestServer;
let site: Server;
let browser: Browser;
let page: Page;
let publisher: Ffmpeg;

/** Calls a function of the vendor's module, such as `stream.find`, from a page of another origin. */
function call(path: string, ...args: readonly unknown[]): Promise<Told> {
  return page.evaluate(
    async ({ base, path, args }) => {
      const { FlashphonerRestApi } = window as unknown as {
        FlashphonerRestApi: { instance(url: string, coreUrl: string): Record<string, Record<string, unknown>> };
      };
      const [group = '', method = ''] = path.split('.');
      const api = FlashphonerRestApi.instance(base, `${base}/`);
      const run = api[group]?.[method];
      if (typeof run !== 'function') throw new Error(`the module has no ${path}`);
      try {
        return { answer: await (run as (...args: readonly unknown[]) => Promise<unknown>)(...args) };
      } catch {
        return { refused: true as const };
      }
    },
    { base: `http://localhost:${server.httpPort}`, path, args },
  );
}

async function streams(...filter: readonly unknown[]): Promise<readonly StreamFacts[]> {
  const { answer } = await call('stream.find', ...filter);
  return (answer ?? []) as readonly StreamFacts[];
}

function publish(name: string): Ffmpeg {
  const inputs = ['-re', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25', '-f', 'lavfi', '-i', 'sine=440:r=48000'];
  const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '25', '-c:a', 'aac'];
  return new Ffmpeg(['-v', 'error', ...inputs, ...codecs, '-f', 'flv', server.rtmp(name)]);
}

beforeAll(async () => {
  server = await TestServer.start();
  site = createServer((request, response) => {
    const script = request.url === '/api.js';
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    response.end(
      script ? readFileSync(join(SDK, 'flashphoner-rest-api.js')) : '<!doctype html><script src="/api.js"></script>',
    );
  }).listen(0, 'localhost');
  await once(site, 'listening');
  const address = site.address();
  browser = await launchChromium();
  page = await browser.newPage();
  await page.goto(`http://localhost:${typeof address === 'object' && address !== null ? address.port : 0}/`);
  publisher = publish('cam');
  await server.untilLive('cam');
});

afterAll(async () => {
  await publisher.stop();
  await browser.close();
  site.close();
  await server.stop();
});

describe('FlashphonerRestApi of the Web SDK, in a page of another origin', () => {
  it('finds streams, with their metrics', async () => {
    await vi.waitFor(async () => {
      const [found] = await streams(null, 'cam', true, true);
      expect(found).toMatchObject({ name: 'cam', published: true, metrics: { VIDEO_WIDTH: 320, VIDEO_HEIGHT: 180 } });
      expect(found?.metrics?.['VIDEO_RATE']).toBeGreaterThan(10_000);
    }, WAIT);
    const { answer } = await call('stream.findAll');
    expect(answer).toEqual([expect.objectContaining({ name: 'cam', videoCodec: 'H264' })]);
    expect(await call('stream.find', null, 'nobody')).toEqual({ refused: true });
  });

  it('finds connections, and sets what is logged of them', async () => {
    const { answer } = await call('connection.findAll');
    const [connection] = answer as { sessionId: string; clientVersion: string }[];
    expect(connection?.sessionId).toBe((await streams(null, 'cam', true))[0]?.sessionId);
    expect(await call('connection.find', connection?.clientVersion)).toEqual({ answer });
    expect(await call('connection.find', 'nobody')).toEqual({ refused: true });
    expect(await call('connection.setLogLevel', '/1', 'DEBUG')).toEqual({ refused: true });
  });

  it('reads the statistics', async () => {
    const { answer } = await call('stat.poll');
    const groups = answer as Record<string, Record<string, string>>;
    expect(groups['stream']).toMatchObject({ streams_rtmp_in: '1', streams_webrtc_in: '0' });
    expect(Number(groups['connection']?.['connections'])).toBe(1);
    for (const key of ['system_java_cpu_usage', 'system_memory_total', 'system_memory_free']) {
      expect(Number(groups['system']?.[key]), key).toBeGreaterThanOrEqual(0);
    }
    expect(Number(groups['core']?.['core_threads'])).toBeGreaterThan(0);
  });

  it('hears that functions which do not exist are not there', async () => {
    const statuses: number[] = [];
    page.on('response', (response) => statuses.push(response.status()));
    for (const method of ['cdn.showRoutes', 'mixer.findAll']) {
      expect([method, await call(method)]).toEqual([method, { refused: true }]);
    }
    expect(statuses).toEqual([501, 501]);
  });

  it('hears that nothing is pulled, pushed or captured', async () => {
    const statuses: number[] = [];
    page.on('response', (response) => statuses.push(response.status()));
    expect(await call('pull.findAll')).not.toEqual({ refused: true });
    for (const method of ['push.findAll', 'rtsp.findAll'])
      expect([method, await call(method)]).toEqual([method, { refused: true }]);
    expect(statuses).toEqual([200, 404, 404]);
  });

  it('ends streams and connections', async () => {
    const [stream] = await streams(null, 'cam', true);
    expect(await call('stream.terminate', stream?.mediaSessionId)).toEqual({});
    await vi.waitFor(async () => expect(await server.streamNames()).toEqual([]), WAIT);
    await publisher.stop();
    publisher = publish('again');
    await server.untilLive('again');
    const [again] = await streams(null, 'again', true);
    expect(await call('connection.terminate', again?.sessionId)).toEqual({});
    await vi.waitFor(async () => expect(await call('connection.findAll')).toEqual({ refused: true }), WAIT);
    expect(await call('connection.terminate', again?.sessionId)).toEqual({ refused: true });
  });
});
