import { join } from 'node:path';
import type { OverviewBody, OverviewStream, StreamHistoryBody } from '@sluice/contract';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { axisTop } from '../apps/console/src/charts.ts';
import { type HistorySamples, joinSamples, movingMean, NO_SAMPLES } from '../apps/console/src/history-samples.ts';
import { planPlayback } from '../apps/console/src/playability.ts';
import { launchChromium } from './support/chromium.ts';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';

const PATIENT = { timeout: 30_000, interval: 100 };

let server: TestServer;
let browser: Browser;
let clip: string;
const publishers: Ffmpeg[] = [];

/** `cam` has B-frames and a key frame every 8 s, `back-door` has sound that no browser plays. */
beforeAll(async () => {
  server = await TestServer.start({ settings: { publisher_reconnect_wait: 200 } });
  clip = join(server.folder, 'clip.mp4');
  const args = ['-sc_threshold', '0', '-keyint_min', '200'];
  makeClip(clip, { seconds: 24, gop: 200, bframes: 2, args });
  publishers.push(publish('cam', ['-c', 'copy']));
  publishers.push(publish('back-door', ['-c:v', 'copy', '-c:a', 'pcm_alaw', '-ar', '8000', '-ac', '1']));
  await server.untilLive('cam');
  await server.untilLive('back-door');
  browser = await launchChromium();
});

/** A page that is left open would go on watching. */
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));

afterAll(async () => {
  await browser.close();
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  await server.stop();
});

function publish(name: string, codecs: readonly string[]): Ffmpeg {
  const input = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clip];
  return new Ffmpeg([...input, ...codecs, '-f', 'flv', server.rtmp(name)]);
}

async function streamOf(name: string): Promise<OverviewStream | undefined> {
  const overview = (await (await fetch(server.http('/api/overview'))).json()) as OverviewBody;
  return overview.streams.find((stream) => stream.name === name);
}

/** A page that remembers how to play, and what went wrong in it. */
async function openPage(path: string, protocol: string): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  await page.addInitScript((chosen) => localStorage.setItem('sluice.play-protocol', chosen), protocol);
  await page.goto(server.http(path));
  return { page, errors };
}

function currentTime(page: Page): Promise<number> {
  return page.getByTestId('player-video').evaluate((element) => (element as HTMLVideoElement).currentTime);
}

async function expectPlaying(page: Page): Promise<void> {
  await expect.poll(() => page.getByTestId('player-state').getAttribute('data-state'), PATIENT).toBe('playing');
  // Twice, for a player jumps once to what is live.
  for (let round = 0; round < 2; round++) {
    const before = await currentTime(page);
    await expect.poll(() => currentTime(page), PATIENT).toBeGreaterThan(before + 1);
  }
}

async function textOf(page: Page, testId: string): Promise<string> {
  return (await page.getByTestId(testId).textContent())?.trim() ?? '';
}

/** Hints of the server for `cam` that a text lacks. */
async function hintsNotIn(text: string): Promise<string[]> {
  const hints = (await streamOf('cam'))?.hints ?? [];
  expect(hints.length).toBeGreaterThan(1);
  return hints.map((hint) => hint.text).filter((hint) => !text.includes(hint));
}

async function chartValue(page: Page, chart: string, column: string): Promise<number> {
  const value = page.getByTestId(`chart-${chart}`).locator(`[data-testid=chart-now][data-series=${column}]`);
  return Number(await value.getAttribute('data-value'));
}

/** How many pixels of a chart have the colour of its first series. */
function drawnPixels(page: Page, chart: string): Promise<number> {
  return page.locator(`[data-testid=chart-${chart}] canvas`).evaluate((element) => {
    const canvas = element as HTMLCanvasElement;
    const theme = getComputedStyle(document.documentElement).getPropertyValue('--chart-1').trim();
    const wanted = [1, 3, 5].map((at) => Number.parseInt(theme.slice(at, at + 2), 16));
    const pixels = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
    let count = 0;
    for (let at = 0; at < pixels.length; at += 4) {
      const near = wanted.every((value, channel) => Math.abs(value - (pixels[at + channel] ?? 0)) < 24);
      if (near && (pixels[at + 3] ?? 0) > 200) count++;
    }
    return count;
  });
}

describe("the console's list of streams", () => {
  it('marks a stream whose publisher could do better, and leads to the details', async () => {
    await expect.poll(async () => (await streamOf('cam'))?.hints?.length, PATIENT).toBeGreaterThan(1);
    const { page } = await openPage('/', 'flv');
    const badge = page.locator('[data-testid=stream-row][data-stream=cam]').getByTestId('hint-badge');
    await expect.poll(() => badge.getAttribute('data-severity'), PATIENT).toBe('warning');
    expect(Number(await badge.getAttribute('data-count'))).toBe((await streamOf('cam'))?.hints?.length);
    await badge.click();
    expect(page.url()).toBe(server.http('/#/streams/cam'));
    await expect.poll(() => page.getByTestId('stream-details').getAttribute('data-stream')).toBe('cam');
  });

  it('gives the addresses of a stream for other players', async () => {
    const { page } = await openPage('/#/streams/cam', 'flv');
    const port = server.httpPort;
    expect(await page.getByTestId('copy-flv').getAttribute('data-value')).toBe(`http://127.0.0.1:${port}/flv/cam.flv`);
    expect(await page.getByTestId('copy-ws-flv').getAttribute('data-value')).toBe(`ws://127.0.0.1:${port}/flv/cam.flv`);
    expect(await page.getByTestId('copy-hls').getAttribute('data-value')).toBe(server.hls('cam'));
    expect(await page.getByTestId('copy-rtmp').getAttribute('data-value')).toBe(server.rtmp('cam'));
  });
});

describe("the console's details of a stream", () => {
  it("shows the server's hints in full", async () => {
    const { page } = await openPage('/#/streams/cam', 'flv');
    const texts = (): Promise<string> => textOf(page, 'hints');
    // Hints tell times that go on, so that page and server may differ for a moment.
    await expect.poll(async () => await hintsNotIn(await texts()), PATIENT).toEqual([]);
    const codes = await page.getByTestId('hint').evaluateAll((items) => items.map((item) => item.dataset['code']));
    expect(codes).toEqual(expect.arrayContaining(['B_FRAMES', 'KEY_FRAME_INTERVAL_LONG']));
  });

  it('draws charts that go on every second and survive a reload', async () => {
    await expect.poll(async () => (await streamOf('cam'))?.keyFrameIntervalMs, PATIENT).toBe(8000);
    const { page, errors } = await openPage('/#/streams/cam', 'flv');
    const samples = async (): Promise<number> => Number(await page.getByTestId('charts').getAttribute('data-samples'));
    await expect.poll(samples, PATIENT).toBeGreaterThan(3);
    const before = await samples();
    await expect.poll(samples, PATIENT).toBeGreaterThan(before + 2);
    expect(await chartValue(page, 'bitrate', 'videoBitsPerSecond')).toBeGreaterThan(100_000);
    expect(await chartValue(page, 'bitrate', 'audioBitsPerSecond')).toBeGreaterThan(20_000);
    expect(await chartValue(page, 'fps', 'framesPerSecond')).toBeGreaterThan(15);
    expect(await chartValue(page, 'key-frames', 'keyFrameIntervalMs')).toBe(8000);
    await expect.poll(() => chartValue(page, 'viewers', 'viewers'), PATIENT).toBeGreaterThanOrEqual(1);
    expect(await drawnPixels(page, 'bitrate')).toBeGreaterThan(10);
    expect(await drawnPixels(page, 'drops')).toBe(0);
    await page.reload();
    await expect.poll(samples, PATIENT).toBeGreaterThanOrEqual(before);
    expect(errors).toEqual([]);
  });

  it('stops asking and playing when it is left', async () => {
    await expect.poll(async () => (await streamOf('cam'))?.viewers, PATIENT).toBe(0);
    const { page } = await openPage('/#/streams/cam', 'flv');
    await expectPlaying(page);
    expect((await streamOf('cam'))?.viewers).toBe(1);
    const asked: string[] = [];
    await page.getByTestId('back-to-list').click();
    await expect.poll(() => page.getByTestId('stream-row').count(), PATIENT).toBe(2);
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await expect.poll(() => asked.filter((path) => path === '/api/overview').length, PATIENT).toBeGreaterThan(1);
    expect(asked.filter((path) => path.startsWith('/api/streams/'))).toEqual([]);
    await expect.poll(async () => (await streamOf('cam'))?.viewers, PATIENT).toBe(0);
  });
});

describe("the console's views", () => {
  it('leave nothing behind when they change', async () => {
    const { page, errors } = await openPage('/', 'flv');
    const devTools = await page.context().newCDPSession(page);
    const visit = async (): Promise<void> => {
      await page.evaluate(() => location.assign('#/streams/cam'));
      await page.locator('[data-testid=player-state][data-state=playing]').waitFor();
      await page.getByTestId('chart-viewers').waitFor();
      await page.getByTestId('back-to-list').click();
      await page.getByTestId('stream-row').first().waitFor();
    };
    const count = async (): Promise<{ nodes: number; jsEventListeners: number }> => {
      await devTools.send('HeapProfiler.collectGarbage');
      return await devTools.send('Memory.getDOMCounters');
    };
    // The first visits load the parts of the page; what is left after later ones would grow for ever.
    for (let round = 0; round < 2; round++) await visit();
    const before = await count();
    for (let round = 0; round < 5; round++) await visit();
    await expect.poll(async () => (await count()).nodes, PATIENT).toBeLessThan(before.nodes + 200);
    expect((await count()).jsEventListeners).toBeLessThan(before.jsEventListeners + 40);
    expect(errors).toEqual([]);
  });
});

describe("the console's player", () => {
  it.each(['flv', 'ws-flv'])('plays with little delay and no error (%s)', async (protocol) => {
    const { page, errors } = await openPage('/#/streams/cam', protocol);
    await expectPlaying(page);
    expect(await page.getByTestId(`play-${protocol}`).isChecked()).toBe(true);
    const delay = async (): Promise<number> => Number.parseFloat(await textOf(page, 'player-delay'));
    await expect.poll(delay, PATIENT).toBeLessThan(3);
    expect(await page.getByTestId('player-note').count()).toBe(0);
    expect(errors).toEqual([]);
  });

  it('takes nothing from the server while FLV is paused', async () => {
    await expect.poll(async () => (await streamOf('cam'))?.viewers, PATIENT).toBe(0);
    const { page, errors } = await openPage('/#/streams/cam', 'flv');
    await expectPlaying(page);
    await page.getByTestId('player-toggle').click();
    await expect.poll(() => page.getByTestId('player-state').getAttribute('data-state')).toBe('paused');
    await expect.poll(async () => (await streamOf('cam'))?.viewers, PATIENT).toBe(0);
    await page.getByTestId('player-toggle').click();
    await expectPlaying(page);
    expect(errors).toEqual([]);
  });

  it('changes from FLV to HLS and back', async () => {
    const { page } = await openPage('/#/streams/cam', 'flv');
    await expectPlaying(page);
    await page.getByTestId('play-hls').check({ force: true });
    await expectPlaying(page);
    await page.getByTestId('play-ws-flv').check({ force: true });
    await expectPlaying(page);
  });

  it('plays the picture and says why there is no sound, where no browser has the codec', async () => {
    const { page, errors } = await openPage('/#/streams/back-door', 'flv');
    await expectPlaying(page);
    expect(await textOf(page, 'player-note')).toMatch(/^No sound: no browser can play G\.711 A-law\./);
    expect(errors).toEqual([]);
  });

  it('goes on by itself when the publisher comes back, and so do the charts', async () => {
    let encoder = publish('porch', ['-c', 'copy']);
    await server.untilLive('porch');
    const { page } = await openPage('/#/streams/porch', 'flv');
    await expectPlaying(page);
    await encoder.stop();
    await expect.poll(() => textOf(page, 'details-state'), PATIENT).toBe('not live');
    await expect.poll(() => textOf(page, 'charts-state'), PATIENT).toMatch(/^Not live/);
    await expect.poll(() => textOf(page, 'player-message'), PATIENT).toContain('not live');
    encoder = publish('porch', ['-c', 'copy']);
    await expectPlaying(page);
    await expect.poll(() => textOf(page, 'charts-state'), PATIENT).toBe('');
    await encoder.stop();
  });
});

describe("the console's samples", () => {
  function history(startedMs: number, fromMs: number, count: number): StreamHistoryBody {
    const timesMs = Array.from({ length: count }, (_, index) => fromMs + index * 1000);
    const ones = timesMs.map(() => 1);
    const bits = { videoBitsPerSecond: timesMs, audioBitsPerSecond: ones, framesPerSecond: ones };
    const rest = {
      drops: ones,
      lost: ones,
      viewers: ones,
      gopMs: ones,
      keyFrameIntervalMs: timesMs.map(() => 0),
      longestGapMs: ones,
    };
    return { name: 'cam', startedMs, intervalMs: 1000, timesMs, ...bits, ...rest };
  }

  it('span five minutes, however long the page is open', () => {
    let samples: HistorySamples = NO_SAMPLES;
    for (let second = 1; second <= 1000; second++) samples = joinSamples(samples, history(1, second * 1000, 1));
    expect(samples.timesMs).toHaveLength(301);
    expect(samples.timesMs.at(-1)).toBe(1_000_000);
    expect(samples.columns.videoBitsPerSecond).toEqual(samples.timesMs);
  });

  it('are taken once, whatever part of them is told again', () => {
    const first = joinSamples(NO_SAMPLES, history(1, 1000, 10));
    expect(joinSamples(first, history(1, 1000, 10))).toBe(first);
    expect(joinSamples(first, history(1, 6000, 10)).timesMs).toEqual(history(1, 1000, 15).timesMs);
  });

  it('have a gap where the publisher was away, and nothing where nothing is known', () => {
    const before = joinSamples(NO_SAMPLES, history(1, 1000, 2));
    const { timesMs, columns } = joinSamples(before, history(20_000, 21_000, 2));
    expect(timesMs).toEqual([1000, 2000, 20_999, 21_000, 22_000]);
    expect(columns.framesPerSecond).toEqual([1, 1, null, 1, 1]);
    expect(columns.keyFrameIntervalMs).toEqual([null, null, null, null, null]);
  });
});

describe("the console's bit rate", () => {
  it('is a mean over one GOP, so that key frames do not make it swing', () => {
    const values = [200, 800, 200, 800, null, 600, 200];
    expect(movingMean(values, 2)).toEqual([500, 500, 500, 500, null, 400, 400]);
    expect(movingMean(values, 1)).toEqual(values);
    expect(movingMean([100, 200], 8)).toEqual([150, 150]);
  });
});

describe("the console's axes", () => {
  it.each([
    [0, 4, 4],
    [4, 4, 6],
    [9.7, 4, 20],
    [25, 10, 40],
    [651_000, 100_000, 800_000],
    [980_000, 100_000, 2_000_000],
  ])('end at a round number above the highest value (%d)', (max, leastTop, top) => {
    expect(axisTop(max, leastTop)).toBe(top);
  });
});

describe("the console's judgement of what plays", () => {
  function stream(video: string | undefined, audio: string | undefined): OverviewStream {
    const facts = { bitrate: 0, fps: 25, gopFrames: 50, width: 1, height: 1, sampleRate: 1, channels: 1 };
    return {
      name: 'cam',
      publisher: null,
      video: video === undefined ? null : { codec: video, codecString: `${video}.1`, ...facts },
      audio: audio === undefined ? null : { codec: audio, codecString: `${audio}.1`, ...facts },
      viewers: 0,
      uptimeSeconds: 1,
      drops: 0,
      longestGapMs: 0,
      keyFrameIntervalMs: 0,
      hasBFrames: false,
      avOffsetMs: 0,
      hints: [],
    };
  }
  const all = (): boolean => true;
  const none = (): boolean => false;

  it('tries what is not live yet, and plays what the browser has', () => {
    expect(planPlayback(undefined, 'flv', none)).toEqual({ problem: '', note: '', flvQuery: '' });
    expect(planPlayback(stream('h265', 'opus'), 'flv', all)).toEqual({ problem: '', note: '', flvQuery: '' });
  });

  it('leaves out a track that can not be played', () => {
    expect(planPlayback(stream('h264', 'speex'), 'ws-flv', all)).toMatchObject({
      problem: '',
      note: expect.stringMatching(/^No sound: no browser can play Speex\. Let the encoder send H\.264 and AAC/),
      flvQuery: '?audio=0',
    });
    const onlySound = planPlayback(stream('h265', 'aac'), 'flv', (type) => type.startsWith('audio/'));
    expect(onlySound).toMatchObject({
      problem: '',
      note: expect.stringMatching(/^No picture: this browser can not play H\.265 \(h265\.1\)\./),
      flvQuery: '?video=0',
    });
  });

  it('says what to do where nothing can be played', () => {
    const { problem } = planPlayback(stream('flv1', 'pcmu'), 'flv', all);
    expect(problem).toMatch(/no browser can play Sorenson H\.263, no browser can play G\.711 µ-law/);
    expect(problem).toMatch(/VLC/);
    expect(planPlayback(stream('h265', undefined), 'flv', none).problem).toMatch(/this browser can not play H\.265/);
  });
});
