import { join } from 'node:path';
import type { OverviewBody } from '@sluice/contract';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';

const PATIENT = { timeout: 30_000, interval: 100 };

let server: TestServer;
let browser: Browser;
const publishers: Ffmpeg[] = [];
const errors: string[] = [];

beforeAll(async () => {
  server = await TestServer.start();
  const clip = join(server.folder, 'clip.mp4');
  makeClip(clip, { seconds: 20, gop: 50 });
  for (const name of ['cam', 'yard']) publishers.push(publish(clip, name));
  await server.untilLive('cam');
  await server.untilLive('yard');
  browser = await launchChromium({ webrtc: true, tellAddresses: true });
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
  await page.goto(path.startsWith('/') ? server.http(path) : path);
  return page;
}

async function expectPlaying(page: Page, protocol?: string | RegExp): Promise<void> {
  const choice = page.getByTestId('player-choice');
  await expect.poll(() => page.getByTestId('player-state').getAttribute('data-state'), PATIENT).toBe('playing');
  if (protocol !== undefined) await expect.poll(() => choice.getAttribute('data-protocol'), PATIENT).toMatch(protocol);
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

/** Lets WebRTC connections be made that never reach the server, as behind a firewall that lets nothing through. */
function blockMedia(): void {
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description): Promise<void> {
    const sdp = (description.sdp ?? '').replace(/^a=candidate:.*\r\n/gm, '');
    return Reflect.apply(original, this, [{ ...description, sdp }]) as Promise<void>;
  };
}

/** Has the browser tell of many more lost packets each second than there are, as on a bad line. */
function losePackets(): void {
  const original = RTCPeerConnection.prototype.getStats;
  const startMs = performance.now();
  RTCPeerConnection.prototype.getStats = async function (selector): Promise<RTCStatsReport> {
    const report = await original.call(this, selector);
    const changed = new Map<string, object>();
    for (const [id, entry] of report.entries() as Iterable<[string, Record<string, unknown>]>) {
      const packetsLost = (performance.now() - startMs) / 10;
      changed.set(id, entry['type'] === 'inbound-rtp' ? { ...entry, packetsLost } : entry);
    }
    return changed as unknown as RTCStatsReport;
  };
}

describe('a player by MSE', () => {
  it('stays close to the live edge, and says how close', async () => {
    const page = await openPage('/#/streams/cam', () => localStorage.setItem('sluice.play-protocol', 'mse'));
    await expectPlaying(page);
    const delay = async (): Promise<number> => Number.parseFloat((await textOf(page, 'player-delay')) ?? '');
    await expect.poll(delay, PATIENT).toBeLessThan(700);
    expect(await textOf(page, 'player-delay')).toMatch(/^\d+ ms$/);
  });
});

describe('a player by low-latency HLS', () => {
  it("measures its delay by the server's clock, and stays close to the live edge", async () => {
    const page = await openPage('/#/streams/cam', () => localStorage.setItem('sluice.play-protocol', 'll-hls'));
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await expectPlaying(page);
    const delay = async (): Promise<number> => Number.parseFloat((await textOf(page, 'player-delay')) ?? '');
    await expect.poll(delay, PATIENT).toBeLessThan(2.5);
    expect(await delay()).toBeGreaterThan(0.5);
    await expect.poll(() => asked.some((url) => url.includes('_HLS_msn=')), PATIENT).toBe(true);
    await expect.poll(() => asked.some((url) => url.endsWith('/embed/time')), PATIENT).toBe(true);
  });
});

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
    await expectPlaying(page, 'mse');
    expect(await textOf(page, 'player-choice')).toMatch(/because WebRTC did not work \(This browser has no WebRTC\)/);
    expect(await tried(page, 'webrtc')).toMatch(/This browser has no WebRTC/);
  });

  it('takes the next way when WebRTC does not get through, and remembers that for the next stream', async () => {
    const page = await openPage('/#/streams/cam', blockMedia);
    await expectPlaying(page, 'mse');
    expect(await tried(page, 'webrtc')).toMatch(/no way for media within 4 s/);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.evaluate(() => location.assign('#/streams/yard'));
    await page.locator('[data-testid=stream-details][data-stream=yard]').waitFor();
    await expectPlaying(page, 'mse');
    expect(asked.filter((path) => path.startsWith('/whep/'))).toEqual([]);
    await page.getByTestId('player-better').click();
    await expect.poll(() => asked.filter((path) => path.startsWith('/whep/')), PATIENT).not.toEqual([]);
    await expectPlaying(page, 'mse');
  });
});

describe('a player whose way fails', () => {
  it('goes on by the next one, and lists what was tried', async () => {
    const page = await openPage('about:blank', () => Reflect.deleteProperty(window, 'RTCPeerConnection'));
    await page.routeWebSocket('**/mse/**', (socket) => socket.close({ code: 1011 }));
    await page.goto(server.http('/#/streams/cam'));
    await expectPlaying(page, 'll-hls');
    expect(await tried(page, 'webrtc')).toMatch(/This browser has no WebRTC/);
    expect(await tried(page, 'mse')).toMatch(/The connection for MSE broke or was refused/);
  });

  it('leaves WebRTC while it plays, when too much gets lost for long', async () => {
    const page = await openPage('/#/streams/cam', losePackets);
    await expectPlaying(page, 'webrtc');
    await expectPlaying(page, 'mse');
    expect(await tried(page, 'webrtc')).toMatch(/\d\d % of the packets got lost for \d+ s/);
    // More is kept ahead than on a line that is good.
    const buffer = async (): Promise<number> => Number.parseFloat((await textOf(page, 'player-buffer')) ?? '');
    await expect.poll(buffer, PATIENT).toBeGreaterThan(0.9);
  });
});

describe('the page of a stream', () => {
  it('shows what qualities cost, asks before one is made, and plays it', async () => {
    const page = await openPage('/#/streams/cam');
    await expectPlaying(page, 'webrtc');
    const row = page.locator('[data-testid=quality-row][data-quality="240"]');
    await expect.poll(() => row.getByTestId('quality-cost').textContent(), PATIENT).toMatch(/about \d\.\d+ cores/);
    await row.getByTestId('quality-watch').click();
    expect(await textOf(page, 'confirm')).toMatch(/takes about \d\.\d+ cores .* cores? are free/s);
    await page.getByTestId('confirm-no').click();
    expect(await page.getByTestId('player-quality').inputValue()).toBe('');
    await page.getByTestId('player-quality').selectOption('240');
    await page.getByTestId('confirm-yes').click();
    await expectPlaying(page, /hls/);
    expect(await textOf(page, 'player-choice')).toContain('by which the quality comes that is wished');
    const width = (): Promise<number> =>
      page.getByTestId('player-video').evaluate((element) => (element as HTMLVideoElement).videoWidth);
    await expect.poll(width, PATIENT).toBe(426);
    await expect.poll(() => row.textContent(), PATIENT).toContain('running');
  });

  it('gives the code to embed it, and shows how that looks', async () => {
    const page = await openPage('/#/streams/cam');
    await page.getByTestId('embed-size').selectOption('640 × 360');
    await page.getByTestId('embed-controls').uncheck();
    const code = (): Promise<string | null> => page.getByTestId('copy-embed').getAttribute('data-value');
    const address = server.http('/embed?stream=cam&amp;controls=0');
    await expect.poll(code).toContain(`<iframe src="${address}" title="cam" width="640" height="360"`);
    const opened = page.context().waitForEvent('page');
    await page.getByTestId('embed-preview').click();
    const preview = await opened;
    await expect.poll(() => preview.locator('main').getAttribute('data-state'), PATIENT).toBe('playing');
    expect(await preview.getByTestId('embed-controls').count()).toBe(0);
  });
});

describe('the wall', () => {
  it('shows pictures of all streams, and plays the tile that is pressed', async () => {
    const page = await openPage('/#/wall');
    const tile = (name: string): ReturnType<Page['locator']> => page.locator(`[data-testid=tile][data-stream=${name}]`);
    for (const name of ['cam', 'yard'])
      await expect.poll(() => tile(name).getByTestId('thumbnail').getAttribute('data-there'), PATIENT).toBe('true');
    expect(await page.getByTestId('tile-video').count()).toBe(0);
    await tile('yard').getByTestId('tile-play').click();
    // The pointer has left, and it plays on.
    await page.mouse.move(0, 0);
    const video = tile('yard').getByTestId('tile-video');
    await expect
      .poll(() => video.evaluate((element) => (element as HTMLVideoElement).currentTime), PATIENT)
      .toBeGreaterThan(0.5);
    await expect.poll(() => tile('yard').textContent(), PATIENT).toContain('live by');
    expect(await page.getByTestId('tile-video').count()).toBe(1);
    await tile('yard').getByTestId('tile-play').press('Enter');
    await expect.poll(() => page.getByTestId('tile-video').count()).toBe(0);
  });

  it('plays what is in sight up to a limit, and keeps its choice in the address', async () => {
    const page = await openPage('/#/wall?columns=2&limit=1&play=1');
    await expect.poll(() => page.getByTestId('tile-video').count(), PATIENT).toBe(1);
    await page.getByTestId('wall-limit').selectOption('4');
    await expect.poll(() => page.getByTestId('tile-video').count(), PATIENT).toBe(2);
    await page.getByTestId('wall-filter').fill('ya');
    await expect.poll(() => page.getByTestId('tile').count()).toBe(1);
    expect(page.url()).toBe(server.http('/#/wall?text=ya&columns=2&limit=4&play=1'));
    await page.reload();
    await expect
      .poll(() => page.getByTestId('tile').evaluateAll((tiles) => tiles.map((tile) => tile.dataset['stream'])), PATIENT)
      .toEqual(['yard']);
    await expect.poll(() => page.getByTestId('tile-video').count(), PATIENT).toBe(1);
  });

  it('stays light with two hundred streams: only tiles in sight ask for pictures', async () => {
    const page = await openPage('about:blank');
    const asked: string[] = [];
    await page.route('**/api/overview', async (route) => {
      const answer = await route.fetch();
      const body = (await answer.json()) as OverviewBody;
      const [cam] = body.streams;
      const streams = Array.from({ length: 200 }, (_, index) => ({ ...cam, name: `cam${index}` }));
      await route.fulfill({ response: answer, json: { ...body, streams } });
    });
    let [open, most] = [0, 0];
    await page.route('**/snapshot/**', async (route) => {
      asked.push(new URL(route.request().url()).pathname);
      most = Math.max(most, ++open);
      const answer = await route.fetch({ url: server.http('/snapshot/cam.jpg?width=320') });
      open--;
      await route.fulfill({ response: answer });
    });
    await page.goto(server.http('/#/wall?columns=4'));
    await expect.poll(() => page.getByTestId('tile').count(), PATIENT).toBe(200);
    await expect.poll(() => asked.length, PATIENT).toBeGreaterThan(8);
    const [first, last] = [page.getByTestId('tile').first(), page.getByTestId('tile').last()];
    await expect.poll(() => first.getByTestId('thumbnail').getAttribute('data-there'), PATIENT).toBe('true');
    expect(asked).not.toContain('/snapshot/cam199.jpg');
    expect(await page.getByTestId('tile-play').count()).toBeLessThan(40);
    // Those that are left while they are fetched make room for others.
    expect(most).toBeLessThanOrEqual(4);
    await last.scrollIntoViewIfNeeded();
    await expect.poll(() => asked, PATIENT).toContain('/snapshot/cam199.jpg');
    await expect.poll(() => first.getByTestId('thumbnail').count(), PATIENT).toBe(0);
    await page.unrouteAll({ behavior: 'wait' });
  });
});
