import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionsBody } from '@sluice/contract';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { apiMethods } from '../apps/console/src/api-methods.ts';
import { factRows } from '../apps/console/src/fact-rows.ts';
import { readRoute, sessionLink, streamLink } from '../apps/console/src/use-route.ts';
import { launchChromium } from './support/chromium.ts';
import { Ffmpeg } from './support/ffmpeg.ts';
import { ROOT, TestServer } from './support/server.ts';

const PATIENT = { timeout: 20_000, interval: 50 };
const CLIP = join(ROOT, 'assets/demo.mp4');
/** Every view, by its address. */
const VIEWS = {
  streams: '#/',
  stream: '#/streams/demo',
  publish: '#/publish',
  sessions: '#/sessions',
  connections: '#/connections',
  server: '#/server',
  explain: '#/explain/stream/demo',
  applications: '#/applications',
  settings: '#/settings',
  log: '#/log',
  api: '#/api',
};

let server: TestServer;
let browser: Browser;
let page: Page;
let configFolder: string;
const errors: string[] = [];
const publishers: Ffmpeg[] = [];

/** One server and one page for all: the views are what changes. */
beforeAll(async () => {
  configFolder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  const config = join(configFolder, 'my.properties');
  writeFileSync(config, '# chosen here\nmax_streams=77\n');
  const args = ['--demo', '--config', config];
  server = await TestServer.start({ settings: { publisher_reconnect_wait: 100 }, args });
  browser = await launchChromium();
  page = await openPage();
});

afterEach(() => {
  expect(errors.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  await server.stop();
  rmSync(configFolder, { recursive: true });
});

async function openPage(on = server): Promise<Page> {
  const opened = await browser.newPage();
  opened.on('pageerror', (error) => errors.push(error.message));
  // Without a player, which would be a session of its own.
  await opened.goto(on.http('/#/settings'));
  return opened;
}

async function visit(hash: string): Promise<void> {
  await page.evaluate((to) => location.assign(to), hash);
}

async function publish(name: string): Promise<Ffmpeg> {
  const input = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', CLIP, '-c', 'copy'];
  const publisher = new Ffmpeg([...input, '-f', 'flv', server.rtmp(name)]);
  publishers.push(publisher);
  await server.untilLive(name);
  return publisher;
}

/** Watches by FLV until the server ends it. */
function watch(name: string): { readonly ended: Promise<void> } {
  const read = async (): Promise<void> => {
    const response = await fetch(server.flv(name));
    for await (const _ of response.body ?? []);
  };
  return { ended: read().catch(() => {}) };
}

async function text(testId: string): Promise<string> {
  return (await page.getByTestId(testId).first().textContent())?.trim() ?? '';
}

function rows(stream: string) {
  return page.locator(`[data-testid=session-row][data-stream="${stream}"]`);
}

describe("the console's sessions", () => {
  it('are listed and filtered, charted one by one, and ended when that is confirmed', async () => {
    await publish('cam');
    const viewer = watch('cam');
    await visit('#/sessions');
    await expect.poll(() => rows('cam').count(), PATIENT).toBe(2);
    await page.getByTestId('session-filter').fill('CAM');
    await expect.poll(() => page.getByTestId('session-row').count(), PATIENT).toBe(2);
    await page.getByTestId('session-direction').selectOption('play');
    await expect.poll(() => page.getByTestId('session-row').count(), PATIENT).toBe(1);
    await expect.poll(() => rows('cam').textContent(), PATIENT).toMatch(/played.*FLV.*127\.0\.0\.1.*kbit\/s/s);

    await page.getByTestId('session-link').click();
    const rate = page.locator('[data-testid=chart-now][data-series=bitsOutPerSecond]');
    await expect.poll(async () => Number(await rate.getAttribute('data-value')), PATIENT).toBeGreaterThan(50_000);
    expect(await page.getByTestId('chart-session-drops').count()).toBe(1);

    await page.getByTestId('session-terminate').click();
    await page.getByTestId('confirm-no').click();
    expect(await page.getByTestId('confirm').count()).toBe(0);
    expect(await page.evaluate(() => document.activeElement?.textContent.trim())).toBe('Terminate');
    expect(await text('session-state')).toBe('running');
    await page.getByTestId('session-terminate').click();
    await page.getByTestId('confirm-yes').click();
    await viewer.ended;
    await expect.poll(() => text('session-state'), PATIENT).toBe('over');
  });

  it('are ended with all viewers when a publication is', async () => {
    const publisher = await publish('gate');
    const viewer = watch('gate');
    await visit('#/sessions?text=gate');
    await expect.poll(() => rows('gate').count(), PATIENT).toBe(2);
    await page
      .getByRole('button', { name: /^Terminate gate/ })
      .last()
      .click();
    expect(await page.getByTestId('confirm').textContent()).toContain('All who watch it are ended too');
    await page.getByTestId('confirm-yes').click();
    await viewer.ended;
    await publisher.exited;
    await page.getByTestId('sessions-empty').waitFor();
  });

  it('are told a page at a time, however many there are', async () => {
    const { sessions } = (await (await fetch(server.http('/api/sessions'))).json()) as SessionsBody;
    const many = Array.from({ length: 500 }, (_, i) => ({
      ...sessions[0],
      streamName: `s${i}`,
      mediaSessionId: `${i}`,
    }));
    await page.route('**/api/sessions?*', async (route) => {
      const query = new URL(route.request().url()).searchParams;
      const offset = Number(query.get('offset'));
      const shown = many.slice(offset, offset + Number(query.get('limit')));
      await route.fulfill({ json: { total: 500, matching: 500, protocols: ['rtmp'], sessions: shown } });
    });
    await visit('#/sessions?text=');
    await expect.poll(() => text('page-range'), PATIENT).toBe('1–50 of 500 sessions');
    await page.getByTestId('page-after').click();
    await expect.poll(() => rows('s50').count(), PATIENT).toBe(1);
    expect(await page.getByTestId('session-row').count()).toBe(50);
    await page.unroute('**/api/sessions?*');
  });
});

describe("the console's views", () => {
  it('list connections, and end one with all that it carries', async () => {
    const publisher = await publish('shed');
    await visit('#/connections');
    const row = page.getByTestId('connection-row');
    await expect
      .poll(async () => (await row.allTextContents()).join(), PATIENT)
      .toMatch(/RTMP, established.*127\.0\.0\.1/s);
    const { sessions } = (await (await fetch(server.http('/api/sessions?text=shed'))).json()) as SessionsBody;
    const own = page.locator(`[data-testid=connection-row][data-id="${sessions[0]?.sessionId ?? ''}"]`);
    await own.getByTestId('connection-terminate').click();
    await page.getByTestId('confirm-yes').click();
    await publisher.exited;
    await expect.poll(() => own.count(), PATIENT).toBe(0);
  });

  it('tell each setting with the place that it comes from', async () => {
    await visit('#/settings');
    const setting = (name: string) => page.locator(`[data-testid=setting][data-name="${name}"]`);
    await setting('max_streams').waitFor();
    expect(await setting('max_streams').getByTestId('setting-value').textContent()).toBe('77');
    expect(await setting('max_streams').getByTestId('setting-origin').textContent()).toMatch(/my\.properties:2$/);
    expect(await setting('rtmp.port').getByTestId('setting-origin').textContent()).toContain('--set');
    expect(await setting('ip').getByTestId('setting-origin').count()).toBe(0);
    await page.getByTestId('setting-filter').fill('max_streams');
    await expect.poll(() => page.getByTestId('setting').count(), PATIENT).toBe(1);
    await page.getByTestId('setting-filter').fill('no such thing');
    await page.getByTestId('settings-empty').waitFor();
  });

  it('follow the log, by level and text', async () => {
    await visit('#/log');
    const lines = page.getByTestId('log-line');
    await expect.poll(() => lines.count(), PATIENT).toBeGreaterThan(1);
    await page.getByTestId('log-filter').fill('stream=demo');
    const before = await lines.count();
    await fetch(server.hls('demo'));
    await expect.poll(() => lines.count(), PATIENT).toBeGreaterThan(before);
    expect(await lines.last().textContent()).toMatch(/info hls/);
    expect(await text('log-state')).toBe('following');
    await page.getByTestId('log-level').selectOption('error');
    await page.getByTestId('log-empty').waitFor();
  });

  it('explain a stream, the verdict first and the facts folded', async () => {
    await visit('#/explain');
    await page.getByTestId('explain-name').fill('demo');
    await page.getByTestId('explain-ask').click();
    await page.getByTestId('finding').first().waitFor();
    expect(page.url()).toContain('#/explain/stream/demo');
    const facts = page.getByTestId('explain-facts').first();
    expect(await facts.getAttribute('open')).toBeNull();
    await facts.locator('summary').click();
    await expect.poll(() => facts.textContent(), PATIENT).toMatch(/video › codec\s*h264/);
    await visit('#/explain/stream/nobody');
    const answer = page.locator('[data-testid=explain-problem], [data-code=NOT_LIVE]');
    await answer.waitFor();
  });

  it('chart the server, and tell its limits', async () => {
    await visit('#/server');
    await expect.poll(() => text('limit-streams'), PATIENT).toMatch(/ of 77$/);
    const now = page.locator('[data-testid=chart-now][data-series=bitsInPerSecond]');
    await expect.poll(async () => Number(await now.getAttribute('data-value')), PATIENT).toBeGreaterThan(50_000);
    expect(await page.getByTestId('chart-server-delay').count()).toBe(1);
  });

  it('list the methods of the API, and try one', async () => {
    await visit('#/api');
    const method = page.locator('[data-testid=api-method][data-path="/rest-api/stream/find"]');
    await method.locator('summary').click();
    await method.getByTestId('api-body').fill('{"name":"demo"}');
    await method.getByTestId('api-send').click();
    await expect.poll(() => method.getByTestId('api-status').textContent(), PATIENT).toBe('200');
    expect(await method.getByTestId('api-answer').textContent()).toContain('"mediaSessionId"');
    await method.getByTestId('api-body').fill('{');
    await method.getByTestId('api-send').click();
    await expect.poll(() => method.getByRole('alert').textContent(), PATIENT).toContain('not JSON');
  });

  it('add, change and remove applications', async () => {
    await visit('#/applications');
    await page.getByTestId('application-key').fill('shop');
    await page.getByTestId('application-new-url').fill('http://127.0.0.1:9/one');
    await page.getByTestId('application-add').click();
    const shop = page.locator('[data-testid=application][data-key=shop]');
    await expect.poll(() => shop.textContent(), PATIENT).toContain('http://127.0.0.1:9/one');
    await shop.getByTestId('application-edit').click();
    await shop.getByTestId('application-url').fill('http://127.0.0.1:9/two');
    await shop.getByTestId('application-save').click();
    await expect.poll(() => shop.textContent(), PATIENT).toContain('http://127.0.0.1:9/two');
    await shop.getByTestId('application-remove').click();
    await page.getByTestId('confirm-yes').click();
    await expect.poll(() => shop.count(), PATIENT).toBe(0);
  });

  it('are all as wide as a phone, and reached by its menu', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    const tooWide: string[] = [];
    for (const [name, hash] of Object.entries(VIEWS)) {
      const item = page.getByTestId(`nav-${name === 'stream' ? 'streams' : name}`);
      await page.getByTestId('menu').click();
      await item.click();
      await visit(hash);
      await expect.poll(() => item.getAttribute('aria-current')).toBe('page');
      await page.waitForFunction(() => {
        const main = document.querySelector('main');
        return main?.querySelector('h2') !== null && main?.textContent.includes('Asking the server') === false;
      });
      const widths = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
      ]);
      if ((widths[0] ?? 0) > (widths[1] ?? 0)) tooWide.push(`${name}: ${widths.join(' > ')}`);
    }
    expect(tooWide).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 720 });
  });

  it('ask nothing while the page is hidden', async () => {
    const hidden = await browser.newPage();
    await hidden.clock.install();
    await hidden.goto(server.http('/#/log'));
    await hidden.getByTestId('log-line').first().waitFor();
    await hidden.evaluate(() => {
      Object.defineProperty(document, 'hidden', { configurable: true, value: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    const asked: string[] = [];
    hidden.on('request', (request) => asked.push(request.url()));
    await hidden.clock.runFor(60_000);
    expect(asked).toEqual([]);
    await hidden.evaluate(() => {
      Object.defineProperty(document, 'hidden', { configurable: true, value: false });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await expect.poll(() => asked.length, PATIENT).toBeGreaterThan(1);
    await hidden.close();
  });
});

describe('the console of a server that asks everybody for a password', () => {
  it('leads to the login page and back, and out again', async () => {
    const other = await TestServer.start({ settings: { disable_rest_auth: 'false', admin_password: 'a good word' } });
    const guest = await openPage(other);
    await guest.getByTestId('login').waitFor();
    expect(await guest.getByTestId('nav-settings').count()).toBe(0);
    await guest.getByTestId('login-password').fill('a bad word');
    await guest.getByTestId('login-submit').click();
    await expect.poll(() => guest.getByTestId('login-problem').textContent(), PATIENT).toContain('is wrong');
    const asked: string[] = [];
    guest.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await guest.getByTestId('login-password').fill('a good word');
    await guest.getByTestId('login-submit').click();
    // Where it was asked for: the settings.
    await guest.getByTestId('setting').first().waitFor();
    expect(asked[0]).toBe('/api/login');
    const secret = guest.locator('[data-testid=setting][data-name=admin_password]');
    expect(await secret.getByTestId('setting-value').textContent()).toBe('******');
    await guest.reload();
    await guest.getByTestId('setting').first().waitFor();
    await guest.evaluate(() => location.assign('#/sessions'));
    await guest.getByTestId('sessions-empty').waitFor();
    await guest.getByTestId('logout').click();
    await guest.getByTestId('login').waitFor();
    await guest.reload();
    await guest.getByTestId('login').waitFor();
    await guest.close();
    await other.stop();
  });
});

describe("the console's addresses", () => {
  it('lead back to what they were made for', () => {
    const odd = 'a/b?c#d%e ü';
    expect(readRoute(streamLink(odd))).toEqual({ view: 'stream', name: odd });
    expect(readRoute(sessionLink(odd))).toEqual({ view: 'session', id: odd });
    for (const hash of ['', '#', '#publish', '#/streams/', '#/streams/%', '#/other']) {
      expect(readRoute(hash)).toEqual({ view: 'streams', text: '' });
    }
  });
});

describe("the console's readers of answers", () => {
  it('lay nested facts out in rows', () => {
    expect(factRows({ webRtc: { iceState: 'lost' }, codecs: ['a', 'b'], media: [{ lost: true }], none: [] })).toEqual([
      { path: 'web rtc › ice state', value: 'lost' },
      { path: 'codecs', value: 'a, b' },
      { path: 'media › 1 › lost', value: 'yes' },
      { path: 'none', value: 'none' },
    ]);
  });

  it('take methods and their fields out of an OpenAPI document', () => {
    const schema = { type: 'object', required: ['name'], properties: { name: { $ref: '#/components/schemas/Name' } } };
    const post = {
      summary: 'Finds.',
      requestBody: { content: { 'application/json': { schema } } },
      responses: { 200: { description: 'found' } },
    };
    const components = { schemas: { Name: { type: 'string', description: 'of a stream' } } };
    const paths = { '/api/find': { get: {}, post }, '/api/v3/find': { post } };
    const methods = apiMethods({ paths, components });
    expect(methods).toEqual([
      {
        ...{ verb: 'POST', path: '/api/find', summary: 'Finds.', about: '', example: '{\n  "name": ""\n}' },
        fields: [{ name: 'name', type: 'string', required: true, about: 'of a stream' }],
        answers: [['200', 'found']],
      },
    ]);
  });
});
