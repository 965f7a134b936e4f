import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { ROOT, TestServer } from './support/server.ts';

const SDK = dirname(createRequire(import.meta.url).resolve('@flashphoner/websdk/package.json'));

/** Pages by path: those of the guides, as they are but for the server's ports. */
const pages = new Map<string, string>();
let server: TestServer;
let site: Server;
let origin: string;
let browser: Browser;

const docs = join(ROOT, 'docs');
const snippets = readdirSync(docs)
  .filter((file) => file.endsWith('.md'))
  .flatMap((file) => {
    const blocks = readFileSync(join(docs, file), 'utf8').matchAll(/```html test\n([\s\S]*?)```/g);
    return [...blocks].map((block) => [file, block[1] ?? ''] as const);
  });

beforeAll(async () => {
  server = await TestServer.start({ args: ['--demo'] });
  site = createServer((request, response) => {
    if (request.url === '/flashphoner.js' || request.url === '/flashphoner-room-api.js') {
      response.setHeader('content-type', 'text/javascript');
      return response.end(readFileSync(join(SDK, request.url)));
    }
    response.setHeader('content-type', 'text/html');
    return response.end(pages.get(request.url ?? '') ?? '<!doctype html>');
  }).listen(0, 'localhost');
  await once(site, 'listening');
  const address = site.address();
  origin = `http://localhost:${typeof address === 'object' && address !== null ? address.port : 0}`;
  browser = await launchChromium({ webrtc: true, tellAddresses: true });
});

afterAll(async () => {
  await browser.close();
  site.close();
  await server.stop();
});

function withPorts(text: string): string {
  return text
    .replaceAll('localhost:8081', `localhost:${server.httpPort}`)
    .replaceAll('localhost:8080', `localhost:${server.ports.ws}`);
}

describe('the pages of the guides', () => {
  it('are there', () => expect(snippets.length).toBeGreaterThanOrEqual(3));

  it.each(snippets)('%s works as written', async (file, text) => {
    await server.untilLive('demo');
    pages.set(`/${file}`, withPorts(text));
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${origin}/${file}`);
    await vi.waitFor(
      async () => {
        const status = await page.evaluate(() => document.getElementById('status')?.textContent);
        expect(status, errors.join()).toMatch(/^(connected|playing)$/);
        const shown = await page.evaluate(() =>
          [...document.querySelectorAll('video')].map((video) => video.videoWidth > 0 && video.currentTime > 1),
        );
        expect(shown.length).toBeGreaterThan(0);
        expect(shown).not.toContain(false);
      },
      { timeout: 20_000, interval: 200 },
    );
    await page.close();
  });
});

describe("the page of the Web SDK's own README", () => {
  it('publishes, plays and stops when its buttons are pressed, with only the address changed', async () => {
    const readme = readFileSync(join(SDK, 'README.md'), 'utf8');
    const html = /```HTML\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
    const script = /```Javascript\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
    const url = `ws://localhost:${server.ports.ws}`;
    expect(script).toContain('wss://demo.flashphoner.com');
    pages.set(
      '/two-way-streaming.html',
      html.replace('node_modules/@flashphoner/websdk/flashphoner.js', '/flashphoner.js'),
    );
    pages.set('/two-way-streaming.js', script.replace('wss://demo.flashphoner.com', url));
    const page = await browser.newPage();
    await page.goto(`${origin}/two-way-streaming.html`);
    await page.click('#publishBtn');
    await server.untilLive('stream');
    await page.click('#playBtn');
    await page.waitForFunction(() => (document.querySelector('#play video') as HTMLVideoElement | null)?.videoWidth);
    await page.click('#stopBtn');
    await vi.waitFor(async () => expect(await server.streamNames()).not.toContain('stream'), { timeout: 10_000 });
    await page.close();
  });
});
