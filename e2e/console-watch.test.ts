import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';
import { WEBRTC_ARGS } from './support/webrtc/pages.ts';

const PATIENT = { timeout: 30_000, interval: 100 };

let server: TestServer;
let browser: Browser;
const publishers: Ffmpeg[] = [];
const errors: string[] = [];

beforeAll(async () => {
  server = await TestServer.start();
  const clip = join(server.folder, 'clip.mp4');
  makeClip(clip, { seconds: 20, gop: 25 });
  for (const name of ['cam', 'yard']) publishers.push(publish(clip, name));
  await server.untilLive('cam');
  await server.untilLive('yard');
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: WEBRTC_ARGS });
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  expect(errors.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  await server.stop();
});

function publish(clip: string, name: string): Ffmpeg {
  const input = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clip];
  return new Ffmpeg([...input, '-c', 'copy', '-f', 'flv', server.rtmp(name)]);
}

/** A page of the console; `prepare` runs in it before anything else. */
async function openPage(path: string, prepare?: () => void): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => errors.push(error.message));
  if (prepare !== undefined) await page.addInitScript(prepare);
  await page.goto(server.http(path));
  return page;
}

async function expectPlaying(page: Page, protocol: string | RegExp): Promise<void> {
  const choice = page.getByTestId('player-choice');
  await expect.poll(() => page.getByTestId('player-state').getAttribute('data-state'), PATIENT).toBe('playing');
  await expect.poll(() => choice.getAttribute('data-protocol'), PATIENT).toMatch(protocol);
  const time = (): Promise<number> =>
    page.getByTestId('player-video').evaluate((element) => (element as HTMLVideoElement).currentTime);
  const before = await time();
  await expect.poll(time, PATIENT).toBeGreaterThan(before + 0.5);
}

function textOf(page: Page, testId: string): Promise<string | null> {
  return page.getByTestId(testId).textContent();
}

function tried(page: Page, protocol: string): Promise<string | null> {
  return page.locator(`[data-testid=player-tried] [data-protocol=${protocol}]`).textContent();
}

/** Lets WebRTC connections be made that never reach the server, as behind a firewall without UDP. */
function blockUdp(): void {
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description): Promise<void> {
    const sdp = (description.sdp ?? '').replace(/^a=candidate:.*\r\n/gm, '');
    return Reflect.apply(original, this, [{ ...description, sdp }]) as Promise<void>;
  };
}

describe('a player that chooses by itself', () => {
  it('plays by WebRTC where that works, and says so', async () => {
    const page = await openPage('/#/streams/cam');
    expect(await page.getByTestId('play-auto').isChecked()).toBe(true);
    await expectPlaying(page, 'webrtc');
    expect(await textOf(page, 'player-choice')).toMatch(/^Plays by WebRTC: of all ways it has the least delay/);
    expect(await page.getByTestId('player-tried').count()).toBe(0);
    await expect.poll(() => textOf(page, 'player-delay'), PATIENT).toMatch(/^\d+ ms$/);
  });

  it('takes the next way where the browser has no WebRTC', async () => {
    const page = await openPage('/#/streams/cam', () => Reflect.deleteProperty(window, 'RTCPeerConnection'));
    await expectPlaying(page, /mse|hls/);
    expect(await textOf(page, 'player-choice')).toMatch(/because WebRTC did not work \(This browser has no WebRTC\)/);
    expect(await tried(page, 'webrtc')).toMatch(/This browser has no WebRTC/);
  });

  it('takes the next way when UDP does not get through, and remembers that for the next stream', async () => {
    const page = await openPage('/#/streams/cam', blockUdp);
    await expectPlaying(page, /mse|hls/);
    expect(await tried(page, 'webrtc')).toMatch(/no answer by UDP within 4 s/);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.evaluate(() => location.assign('#/streams/yard'));
    await page.locator('[data-testid=stream-details][data-stream=yard]').waitFor();
    await expectPlaying(page, /mse|hls/);
    expect(asked.filter((path) => path.startsWith('/whep/'))).toEqual([]);
    await page.getByTestId('player-better').click();
    await expect.poll(() => asked.filter((path) => path.startsWith('/whep/')), PATIENT).not.toEqual([]);
    await expectPlaying(page, /mse|hls/);
  });
});
