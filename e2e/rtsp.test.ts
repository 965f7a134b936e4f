import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { ffmpeg5, gstreamer, mpv, type Player } from './support/players.ts';
import { ffmpeg5Publisher } from './support/publishers.ts';
import { TestServer } from './support/server.ts';
import { describeWatched, shown, type Watched } from './support/watched.ts';
import { FLASH_INPUT, type Onsets, offsetMs, onsetsOf } from './support/webrtc/flashes.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const MOST_OFFSET_MS = 80;
/** A browser reports on its sound every five seconds, and on a busy machine its first report may be late. */
const SECONDS = 15;

let server: TestServer;
let pages: WebRtcPages;
let folder: string;
beforeAll(async () => {
  // Players that run as another user get to their folders.
  folder = mkdtempSync(join(tmpdir(), 'sluice-rtsp-'));
  chmodSync(folder, 0o711);
  server = await TestServer.start({ args: ['--no-demo'] });
  pages = await WebRtcPages.start();
});

afterAll(async () => {
  await pages.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Publishes from a browser until the test is over. */
async function publishByWhip({ onTestFinished }: TestContext, name: string, video: string): Promise<void> {
  const page = await pages.publish(server.http(`/whip/${name}`), { video });
  onTestFinished(() => page.context().close());
  await server.untilLive(name);
}

/** Records what an RTSP player of ffmpeg gets, as it is, and tells when flashes and beeps begin. */
async function record(name: string, transport: 'tcp' | 'udp'): Promise<Onsets> {
  const file = join(folder, `${name}-${transport}.mkv`);
  const input = ['-rtsp_transport', transport, '-i', server.rtsp(name)];
  const recorder = new Ffmpeg(['-v', 'error', ...input, '-t', String(SECONDS), '-c', 'copy', '-y', file]);
  expect(await recorder.exited, recorder.stderr).toBe(0);
  return onsetsOf(file);
}

/** A browser says after some seconds how its sound and picture belong together: the last ones count. */
function expectInSync(onsets: Onsets): void {
  expect(onsets.flashes.length, JSON.stringify(onsets)).toBeGreaterThan(4);
  expect(onsets.beeps.length, JSON.stringify(onsets)).toBeGreaterThan(4);
  const last = { flashes: onsets.flashes.slice(-3), beeps: onsets.beeps.slice(-4) };
  expect(Math.abs(offsetMs(last)), JSON.stringify(onsets)).toBeLessThanOrEqual(MOST_OFFSET_MS);
}

/** Debian's VLC has no RTSP. */
const PLAYERS: readonly (readonly [string, Player])[] = [
  ['ffmpeg', ffmpeg5],
  ['mpv', mpv],
  ['GStreamer', gstreamer],
];

async function watch(name: string, play: Player, until: { seconds: number }) {
  const own = join(folder, `${name}-${play.name}`);
  mkdirSync(own);
  const wish = { ...until, video: true, audio: true, timeoutMs: 30_000 };
  return play({ url: server.rtsp(name), folder: own, sends: { video: true, audio: true }, until: wish });
}

/**
 * FFmpeg gives the first picture of any RTSP server no time, so that players make one up, and GStreamer's clock of
 * arrivals moves pictures that come faster than they are shown, as the first ones do.
 */
function withoutTimes(watched: Watched): Watched {
  return { ...watched, pictures: watched.pictures.map(({ hash }) => ({ hash })) };
}

describe('what is published by RTMP', () => {
  beforeAll(async () => {
    const publisher = ffmpeg5Publisher('H.264 with B-frames', 'AAC')(server.rtmp('show'), folder);
    await server.untilLive('show');
    return () => publisher.stop();
  });

  it.concurrent.each(PLAYERS)('is seen and heard by %s', async (_, play) => {
    const watched = await watch('show', play, { seconds: 4 });
    expect(shown(withoutTimes(watched)), `${describeWatched(watched)}\n${watched.log.slice(-2000)}`).toBe('AV');
  });
});

describe.concurrent('sound and picture by RTSP', () => {
  it('are together as they were published by RTMP', async ({ onTestFinished }) => {
    const codecs = [
      '-c:v',
      'libx264',
      '-preset',
      'veryfast',
      '-pix_fmt',
      'yuv420p',
      '-g',
      '25',
      '-bf',
      '0',
      '-c:a',
      'aac',
    ];
    const publisher = new Ffmpeg(['-v', 'error', ...FLASH_INPUT, ...codecs, '-f', 'flv', server.rtmp('flash')]);
    onTestFinished(() => publisher.stop());
    await server.untilLive('flash');
    for (const onsets of await Promise.all([record('flash', 'tcp'), record('flash', 'udp')])) expectInSync(onsets);
  });

  it.for(['H264', 'VP8'])('are together as a browser publishes them, as %s with Opus', async (codec, test) => {
    await publishByWhip(test, `web-${codec}`, `video/${codec}`);
    expectInSync(await record(`web-${codec}`, 'tcp'));
  });
});
