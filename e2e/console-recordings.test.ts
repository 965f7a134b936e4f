import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordingsBody } from '@sluice/contract';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { Ffmpeg } from './support/ffmpeg.ts';
import { ROOT, TestServer } from './support/server.ts';

const PATIENT = { timeout: 20_000, interval: 50 };
const CLIP = join(ROOT, 'assets/demo.mp4');

let server: TestServer;
let browser: Browser;
let page: Page;
const errors: string[] = [];
const publishers: Ffmpeg[] = [];

/** One server and one page for all: the recordings are what changes. */
beforeAll(async () => {
  server = await TestServer.start({
    settings: {
      publisher_reconnect_wait: 100,
      record_retry_interval: 1,
      stream_record_policy_template: '{streamName}',
    },
    args: ['--no-demo'],
  });
  browser = await launchChromium();
  page = await browser.newPage();
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(server.http('/#/recordings'));
});

afterEach(() => {
  expect(errors.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  await server.stop();
});

async function visit(hash: string): Promise<void> {
  await page.evaluate((to) => location.assign(to), hash);
}

async function publish(name: string): Promise<void> {
  if ((await server.streamNames()).includes(name)) return;
  const input = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', CLIP, '-c', 'copy'];
  publishers.push(new Ffmpeg([...input, '-f', 'flv', server.rtmp(name)]));
  await server.untilLive(name);
}

async function listed(): Promise<RecordingsBody> {
  return (await (await fetch(server.http('/api/recordings'))).json()) as RecordingsBody;
}

/** Of the recording that runs. */
async function durationMs(): Promise<number> {
  return (await listed()).running.at(-1)?.durationMs ?? 0;
}

/** Presses Record at the stream and waits until it runs. */
async function record(name: string): Promise<void> {
  await visit(`#/streams/${name}`);
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await page.getByTestId('record-state').filter({ hasText: 'Recording' }).waitFor();
}

function row(stream: string) {
  return page.locator(`[data-testid=recording-row][data-stream="${stream}"]`);
}

/** By how much the page is wider than the window. */
function excess(): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

describe("the console's pictures of streams", () => {
  it('appear in the list of streams', async () => {
    await publish('cam');
    await visit('#/');
    const picture = page.locator('[data-stream=cam] [data-testid=thumbnail]');
    await expect.poll(() => picture.getAttribute('data-there'), PATIENT).toBe('true');
    const seen = await picture.evaluate((canvas: HTMLCanvasElement) => {
      const data = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
      return { width: canvas.width, colours: new Set(data).size };
    });
    expect(seen.width).toBe(128);
    expect(seen.colours).toBeGreaterThan(50);
  });

  it('are asked for ever less often where none comes, and no more where the server refuses them', async () => {
    const askedMs: number[] = [];
    let status = 500;
    const other = await browser.newPage();
    await other.clock.install();
    await other.route('**/snapshot/**', async (route) => {
      askedMs.push(await other.evaluate(() => performance.now()));
      await route.fulfill({ status });
    });
    await other.goto(server.http('/'));
    const asked = async (): Promise<number> => {
      await other.clock.runFor(2000);
      return askedMs.length;
    };
    await expect.poll(asked, PATIENT).toBe(2);
    status = 401;
    await expect.poll(asked, PATIENT).toBe(3);
    const [first = 0, second = 0, third = 0] = askedMs;
    expect(second - first).toBeGreaterThan(19_000);
    expect(third - second).toBeGreaterThan(39_000);
    for (let minute = 0; minute < 10; minute++) await other.clock.runFor(60_000);
    expect(askedMs.length).toBe(3);
    await other.close();
  });
});

describe("the console's recordings", () => {
  it('are none at first, and say how to begin', async () => {
    await visit('#/recordings');
    await page.getByTestId('recordings-empty').waitFor();
    expect(await page.getByTestId('recordings-empty').textContent()).toContain('Nothing was recorded yet');
    expect(await page.getByTestId('recording-room').textContent()).toMatch(
      /0 B in all; .* are free\. Nothing is being/,
    );
  });

  it('are begun at a stream and ended there, and played, downloaded and deleted in the list', async () => {
    await publish('cam');
    await record('cam');
    // So much that it can be told from an empty file.
    await expect.poll(durationMs, PATIENT).toBeGreaterThan(3000);
    await visit('#/');
    await page.locator('[data-stream=cam] [data-testid=stream-recording]').filter({ hasText: 'recording' }).waitFor();
    await visit('#/streams/cam');
    await page.getByRole('button', { name: 'Stop recording' }).click();
    await page.getByTestId('record-result').click();
    await expect.poll(() => row('cam').getAttribute('data-state'), PATIENT).toBe('complete');
    expect(await row('cam').count()).toBe(1);

    const [recording] = (await listed()).recordings;
    const seconds = (recording?.durationMs ?? 0) / 1000;
    expect(await row('cam').textContent()).toMatch(/cam\.mp4.*H\.264 \d+×\d+\s*AAC/s);

    await page.getByRole('button', { name: 'Play cam.mp4' }).click();
    const video = page.getByTestId('recording-video');
    await expect.poll(() => video.evaluate((v: HTMLVideoElement) => v.currentTime), PATIENT).toBeGreaterThan(1);
    const played = await video.evaluate((v: HTMLVideoElement) => ({ seconds: v.duration, width: v.videoWidth }));
    expect(played.seconds).toBeCloseTo(seconds, 1);
    expect(played.width).toBeGreaterThan(0);
    await page.getByTestId('recording-close').click();
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Play cam.mp4');

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download cam.mp4' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('cam.mp4');
    const file = join(server.folder, 'records/cam.mp4');
    expect(await readFile(await download.path())).toEqual(await readFile(file));

    await page.getByRole('button', { name: 'Delete cam.mp4' }).click();
    await page.getByTestId('confirm-no').click();
    expect(statSync(file).size).toBe(recording?.bytes);
    await page.getByRole('button', { name: 'Delete cam.mp4' }).click();
    await page.getByTestId('confirm-yes').click();
    await expect.poll(() => row('cam').count(), PATIENT).toBe(0);
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('are ended in the list, and found by name and state', async () => {
    await publish('door');
    await publish('hall');
    await record('door');
    await record('hall');
    await visit('#/recordings');
    await expect.poll(() => row('hall').count(), PATIENT).toBe(1);
    await page.getByTestId('recording-filter').fill('DOOR');
    await expect.poll(() => row('hall').count(), PATIENT).toBe(0);
    await row('door').getByTestId('recording-stop').click();
    await expect.poll(() => row('door').getAttribute('data-state'), PATIENT).toBe('complete');
    await page.getByTestId('recording-filter').fill('');
    await expect.poll(() => row('hall').getAttribute('data-state'), PATIENT).toBe('recording');
    await page.getByTestId('recording-state-filter').selectOption('complete');
    await expect.poll(() => row('hall').count(), PATIENT).toBe(0);
    expect(await row('door').count()).toBe(1);
    await page.getByTestId('recording-filter').fill('no such thing');
    await page.getByTestId('recordings-empty').waitFor();
    expect(await page.getByTestId('recordings-empty').textContent()).toMatch(/\d others are/);
  });

  it('tell why nothing is written, and why one has failed', async () => {
    const folder = join(server.folder, 'records');
    await publish('shed');
    await record('shed');
    await expect.poll(durationMs, PATIENT).toBeGreaterThan(1000);
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, 'in the way');
    await expect
      .poll(() => page.getByTestId('record-state').textContent(), PATIENT)
      .toMatch(/^Not recording: .*\. The server tries again\.$/);
    await visit('#/recordings?text=shed');
    await expect.poll(() => row('shed').getAttribute('data-state'), PATIENT).toBe('failed');
    // Other recordings are in the same trouble.
    const trouble = page.getByTestId('recording-trouble').filter({ hasText: 'shed' });
    await expect.poll(() => trouble.count(), PATIENT).toBe(1);
    const failed = (await listed()).recordings.find(({ streamName }) => streamName === 'shed');
    expect(failed?.reason?.length).toBeGreaterThan(3);
    expect(await row('shed').getByTestId('recording-state').textContent()).toContain(failed?.reason);
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    await expect.poll(() => trouble.count(), PATIENT).toBe(0);
    await visit('#/streams/shed');
    await page.getByRole('button', { name: 'Stop recording' }).click();
    await page.getByTestId('record-result').waitFor();
  });

  it('are as wide as a phone', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await visit('#/recordings');
    await row('door').first().waitFor();
    expect(await excess()).toBeLessThanOrEqual(0);
    await visit('#/streams/door');
    await page.getByTestId('record-toggle').waitFor();
    expect(await excess()).toBeLessThanOrEqual(0);
    await page.setViewportSize({ width: 1280, height: 720 });
  });
});
