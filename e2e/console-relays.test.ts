import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { TestServer } from './support/server.ts';

const PATIENT = { timeout: 20_000, interval: 50 };

let server: TestServer;
let other: TestServer;
let browser: Browser;
let page: Page;
const errors: string[] = [];

beforeAll(async () => {
  [server, other] = await Promise.all([
    TestServer.start({ args: ['--demo'] }),
    TestServer.start({ args: ['--no-demo'] }),
  ]);
  browser = await launchChromium();
  page = await browser.newPage();
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(server.http('/#/relays'));
});

afterEach(() => {
  expect(errors.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  await Promise.all([server.stop(), other.stop()]);
});

const row = (stream: string) => page.locator(`[data-testid="relay-row"][data-stream="${stream}"]`);
const textOf = (stream: string, part: string) => row(stream).getByTestId(part).textContent();

async function begin(direction: 'pull' | 'push', url: string, name: string): Promise<void> {
  await page.getByTestId('relay-direction').selectOption(direction);
  await page.getByTestId('relay-url').fill(url);
  await page.getByTestId('relay-name').fill(name);
  await page.getByTestId('relay-start').click();
}

async function end(stream: string): Promise<void> {
  await row(stream).getByTestId('relay-end').click();
  await page.getByRole('dialog').getByRole('button', { name: 'End' }).click();
  await expect.poll(() => row(stream).count(), PATIENT).toBe(0);
}

describe('the page of other servers', () => {
  it('begins a push, shows that it runs, and ends it', async () => {
    await expect.poll(() => page.getByTestId('relays-empty').isVisible(), PATIENT).toBe(true);
    await begin('push', `rtmp://user:secret@127.0.0.1:${other.rtmpPort}/live`, 'demo');
    await expect.poll(() => textOf('demo', 'relay-state'), PATIENT).toBe('running');
    expect(await row('demo').textContent()).not.toContain('secret');
    await other.untilLive('rtmp_demo');
    await end('demo');
  });

  it('shows why a camera does not come, without its password', async () => {
    await begin('pull', other.rtsp('nothing').replace('//', '//user:secret@'), 'door');
    await expect.poll(() => textOf('door', 'relay-error'), PATIENT).toBeTruthy();
    expect(await row('door').textContent()).not.toContain('secret');
    await expect.poll(() => textOf('door', 'relay-state'), PATIENT).toContain('tries again');
    await end('door');
  });

  it('says what is wrong with an address', async () => {
    await begin('pull', 'gopher://somewhere/1', 'x');
    await expect.poll(() => page.getByTestId('relay-failure').textContent(), PATIENT).toContain('gopher');
  });
});
