import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { ffmpeg8Publisher } from './support/publishers.ts';
import { TestServer } from './support/server.ts';
import { FLASH_INPUT, type Onsets, offsetMs, onsetsOf } from './support/webrtc/flashes.ts';
import type { PlayedInPage } from './support/webrtc/page.ts';
import { type PlayingPage, WebRtcPages } from './support/webrtc/pages.ts';

const MOST_OFFSET_MS = 80;
const SECONDS = 7;

let server: TestServer;
let pages: WebRtcPages;
let browserOffsetMs: number;
/** What is open in a test and closed after it. */
const open: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  server = await TestServer.start();
  pages = await WebRtcPages.start();
  const direct = await pages.playDirectly('video/VP8');
  browserOffsetMs = offsetMs(await direct.until(({ flashes, beeps }) => flashes.length > 4 && beeps.length > 4));
  await direct.close();
});

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

afterAll(async () => {
  await pages.close();
  await server.stop();
});

async function publish(name: string, video: string | undefined): Promise<Page> {
  const page = await pages.publish(server.http(`/whip/${name}`), { video });
  open.push({ close: () => page.context().close() });
  return page;
}

async function play(name: string): Promise<PlayingPage> {
  const page = await pages.play(server.http(`/whep/${name}`));
  open.push(page);
  return page;
}

function publishByRtmp(name: string, video: readonly string[]): void {
  const audio = ['-c:a', 'aac', '-b:a', '128k'];
  const args = ['-v', 'error', ...FLASH_INPUT, ...video, ...audio, '-f', 'flv', server.rtmp(name)];
  const publisher = new Ffmpeg(args);
  open.push({ close: () => publisher.stop() });
}

/** Records a URL as it is with ffmpeg and tells when flashes and beeps begin. */
async function record(url: string, name: string): Promise<Onsets> {
  const file = join(server.folder, `${name}.mkv`);
  const recorder = new Ffmpeg(['-v', 'error', '-i', url, '-t', String(SECONDS), '-c', 'copy', '-y', file]);
  expect(await recorder.exited, recorder.stderr).toBe(0);
  return onsetsOf(file);
}

function expectInSync(onsets: Onsets): void {
  expect(onsets.flashes.length, JSON.stringify(onsets)).toBeGreaterThan(2);
  expect(onsets.beeps.length, JSON.stringify(onsets)).toBeGreaterThan(2);
  expect(Math.abs(offsetMs(onsets)), JSON.stringify(onsets)).toBeLessThanOrEqual(MOST_OFFSET_MS);
}

/**
 * Waits until a page plays in sync: browsers get there within some seconds. In them sound takes another way out than
 * pictures do; what they add themselves is measured without a server.
 */
function inSync(player: PlayingPage): Promise<PlayedInPage> {
  return player.until(({ flashes, beeps }) => {
    if (flashes.length < 5 || beeps.length < 5) return false;
    const offset = offsetMs({ flashes: flashes.slice(-5), beeps: beeps.slice(-6) }) - browserOffsetMs;
    return Math.abs(offset) <= MOST_OFFSET_MS;
  }, 30_000);
}

const CODECS = ['H264', 'VP8'] as const;
const MORE_CODECS = ['VP9', 'AV1'] as const;

describe('what a browser publishes by WHIP', () => {
  it.each(CODECS)('as %s is seen and heard, in sync, by a browser that plays by WHEP', async (codec) => {
    await publish(`to-web-${codec}`, `video/${codec}`);
    const player = await play(`to-web-${codec}`);
    const facts = await inSync(player);
    expect(facts.videoCodec).toBe(`video/${codec}`);
    expect(facts.audioCodec).toBe('audio/opus');
    expect(facts.framesDecoded).toBeGreaterThan(60);
  });

  it.concurrent.for(MORE_CODECS)('as %s is seen by a browser that plays by WHEP', async (codec, { onTestFinished }) => {
    const page = await pages.publish(server.http(`/whip/more-${codec}`), { video: `video/${codec}` });
    onTestFinished(() => page.context().close());
    const player = await pages.play(server.http(`/whep/more-${codec}`));
    onTestFinished(() => player.close());
    expect(await player.until(({ framesDecoded }) => framesDecoded > 50)).toMatchObject({
      videoCodec: `video/${codec}`,
    });
  });

  it.each(CODECS)('as %s is seen and heard, in sync, by players of RTMP and of HLS', async (codec) => {
    const name = `to-others-${codec}`;
    await publish(name, `video/${codec}`);
    await server.untilLive(name);
    const recorded = await Promise.all([
      record(server.rtmp(name), `rtmp-${codec}`),
      record(server.hls(name), `hls-${codec}`),
    ]);
    for (const onsets of recorded) expectInSync(onsets);
  });
});

describe('what ffmpeg publishes by RTMP', () => {
  const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '50', '-b:v', '800k'];

  it.each([
    ['without B-frames', [...X264, '-bf', '0']],
    ['with B-frames', [...X264, '-bf', '3']],
  ])('%s is seen and heard, in sync, by a browser', async (kind, video) => {
    const name = kind.replaceAll(' ', '-');
    publishByRtmp(name, video);
    await server.untilLive(name);
    const player = await play(name);
    const facts = await inSync(player);
    expect(facts.videoCodec).toBe('video/H264');
    expect(facts.audioCodec).toBe('audio/opus');
    // Sound of the past, which a conversion begins with, would lie in the browser's buffer.
    expect(facts.soundBufferMs).toBeLessThan(600);
  });

  // Debian's Chromium has no decoder for H.265.
  it.concurrent.for([
    ['VP9', 'VP9'],
    ['AV1', 'AV1'],
    ['H.265', 'H264'],
  ] as const)('as %s by Enhanced RTMP is seen by a browser as %s', async ([sent, shown], { onTestFinished }) => {
    const name = `enhanced-${sent}`;
    const publisher = ffmpeg8Publisher(sent, 'Opus')(server.rtmp(name), server.folder);
    onTestFinished(() => publisher.stop());
    await server.untilLive(name);
    const player = await pages.play(server.http(`/whep/${name}`));
    onTestFinished(() => player.close());
    const facts = await player.until(({ framesDecoded }) => framesDecoded > 50);
    expect(facts).toMatchObject({ videoCodec: `video/${shown}`, audioCodec: 'audio/opus', width: 320, height: 180 });
  });
});
