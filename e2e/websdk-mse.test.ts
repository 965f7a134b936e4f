import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { type SdkPage, SdkPages } from './support/websdk/sdk-pages.ts';
import { SdkServer } from './support/websdk/sdk-server.ts';

const WAIT = { timeout: 20_000, interval: 100 };
/** How long each stream is watched, milliseconds; the contract's 30 s are for people. */
const WATCHED_MS = Number(process.env['SLUICE_WATCH_MS'] ?? 8000);

let server: SdkServer;
let pages: SdkPages;
let one: SdkPage;
let two: SdkPage;

beforeAll(async () => {
  server = await SdkServer.start();
  pages = await SdkPages.start();
});

afterAll(async () => {
  await pages.close();
  await server.stop();
});

beforeEach(async () => {
  one = await pages.open();
  two = await pages.open();
  for (const page of [one, two]) expect(await page.connect(server.url)).toBe('ESTABLISHED');
});

afterEach(async () => {
  expect([...(await one.faults()), ...(await two.faults())]).toEqual([]);
  await one.close();
  await two.close();
});

/** A publisher by RTMP as OBS is one, with a key frame each second. */
function publisher(name: string): Ffmpeg {
  const inputs = [
    '-re',
    '-f',
    'lavfi',
    '-i',
    'testsrc2=s=640x360:r=30',
    '-re',
    '-f',
    'lavfi',
    '-i',
    'sine=440:r=48000',
  ];
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'high', '-tune', 'zerolatency', '-g', '30'];
  const audio = ['-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', '96k'];
  return new Ffmpeg(['-v', 'error', ...inputs, ...video, ...audio, '-f', 'flv', server.server.rtmp(name)]);
}

interface Look {
  readonly at: number;
  readonly time: number;
  readonly end: number;
  readonly frames: number;
  readonly audioBytes: number;
}

/** What the video of the page shows at this moment; times in seconds. */
function look(page: SdkPage): Promise<Look> {
  return page.page.evaluate(() => {
    const video = document.querySelector('video');
    const { buffered, currentTime = 0 } = video ?? {};
    return {
      at: performance.now() / 1000,
      time: currentTime,
      end: buffered !== undefined && buffered.length > 0 ? buffered.end(buffered.length - 1) : 0,
      frames: video?.getVideoPlaybackQuality().totalVideoFrames ?? 0,
      audioBytes: (video as { webkitAudioDecodedByteCount?: number } | null)?.webkitAudioDecodedByteCount ?? 0,
    };
  });
}

/** Watches for a while; gives what was seen, with the longest time that the picture stood still, seconds. */
async function watch(page: SdkPage): Promise<{ first: Look; last: Look; stoodStill: number }> {
  const first = await vi.waitFor(async () => {
    const seen = await look(page);
    expect(seen.frames).toBeGreaterThan(5);
    return seen;
  }, WAIT);
  let last = first;
  let moved = first;
  let stoodStill = 0;
  while (last.at - first.at < WATCHED_MS / 1000) {
    await page.page.waitForTimeout(100);
    last = await look(page);
    if (last.time > moved.time) moved = last;
    stoodStill = Math.max(stoodStill, last.at - moved.at);
  }
  return { first, last, stoodStill };
}

async function expectPlaying(page: SdkPage): Promise<void> {
  const { first, last, stoodStill } = await watch(page);
  const seconds = last.at - first.at;
  const behind = last.end - last.time;
  if (process.env['SLUICE_WATCH_MS'] !== undefined)
    console.log(
      `MSE of the Web SDK: ${seconds.toFixed(1)} s, stood still ${stoodStill.toFixed(2)} s, ${behind.toFixed(2)} s behind`,
    );
  expect(stoodStill).toBeLessThan(1);
  expect(last.time - first.time).toBeGreaterThan(seconds * 0.85);
  expect(last.frames - first.frames).toBeGreaterThan(seconds * 10);
  expect(last.audioBytes).toBeGreaterThan(first.audioBytes);
}

describe('the Web SDK with its provider MSE', () => {
  it('plays a stream with H.264 and AAC that came by RTMP', async () => {
    const ffmpeg = publisher('room');
    await vi.waitFor(async () => expect(await server.mediaSessions()).toHaveLength(1), WAIT);
    await two.play('viewer', 'room', { mediaProvider: 'MSE' });
    await expectPlaying(two);
    const report = await two.report('viewer');
    expect(report).toMatchObject({ width: 640, height: 360 });
    expect(report.events).toContainEqual({
      type: 'resize',
      payload: { streamerVideoWidth: 640, streamerVideoHeight: 360 },
    });
    const sessions = await server.mediaSessions();
    expect(sessions).toContainEqual(expect.objectContaining({ mediaProvider: 'MSE', status: 'PLAYING' }));
    await two.call('viewer', 'stop');
    await two.status('viewer', 'STOPPED');
    await vi.waitFor(async () => expect(await server.mediaSessions()).toHaveLength(1), WAIT);
    await ffmpeg.stop();
  });

  it('plays a stream with H.264 and Opus that came by WebRTC', async () => {
    await one.publish('cam', { stripCodecs: 'VP8,VP9,AV1' });
    await two.play('viewer', 'cam', { mediaProvider: 'MSE' });
    await expectPlaying(two);
    await one.call('cam', 'stop');
    await two.status('viewer', 'FAILED');
  });
});
