import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { ROOT, TestServer } from './support/server.ts';

const SDK = dirname(createRequire(import.meta.url).resolve('@flashphoner/websdk/package.json'));

let server: TestServer;
let site: Server;
let browser: Browser;

/** The page of the guide, as it is but for the server's ports. */
function guidePage(): string {
  const guide = readFileSync(join(ROOT, 'docs/record-and-download.md'), 'utf8');
  const page = /```html test\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';
  return page
    .replaceAll('localhost:8081', `localhost:${server.httpPort}`)
    .replaceAll('localhost:8080', `localhost:${server.ports.ws}`);
}

beforeAll(async () => {
  server = await TestServer.start({ args: ['--no-demo'] });
  const page = guidePage();
  site = createServer((request, response) => {
    const isScript = request.url === '/flashphoner.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? readFileSync(join(SDK, 'flashphoner.js')) : page);
  }).listen(0, 'localhost');
  await once(site, 'listening');
  browser = await launchChromium({ webrtc: true, tellAddresses: true });
});

afterAll(async () => {
  await browser.close();
  site.close();
  await server.stop();
});

describe('the page of the guide to recording', () => {
  it('shows a link to what it has recorded, which plays', async () => {
    const page = await browser.newPage();
    await page.goto(`http://localhost:${(site.address() as AddressInfo).port}/`);
    const status = page.locator('#status');
    await expect.poll(() => status.textContent(), { timeout: 20_000 }).toBe('connected');
    await page.waitForFunction(() => (document.querySelector('#camera video') as HTMLVideoElement)?.currentTime > 2);
    await page.click('#stop');
    await expect.poll(() => status.textContent(), { timeout: 20_000 }).toBe('recorded');
    const address = (await page.locator('a').getAttribute('href')) ?? '';
    const seconds = await page.evaluate(async (from) => {
      const video = document.createElement('video');
      video.src = from;
      await new Promise((resolve, reject) => {
        video.onloadeddata = resolve;
        video.onerror = () => reject(new Error(video.error?.message));
      });
      return video.videoWidth > 0 ? video.duration : 0;
    }, address);
    expect(seconds).toBeGreaterThan(1);
    await page.close();
  });
});
