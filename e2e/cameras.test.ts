import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { GStreamerCameras } from '../packages/server/src/protocols/rtsp/client/testing/gstreamer-cameras.ts';
import { TestServer } from './support/server.ts';
import { FLASH_INPUT, offsetMs } from './support/webrtc/flashes.ts';
import { type PlayingPage, WebRtcPages } from './support/webrtc/pages.ts';

const MOST_OFFSET_MS = 80;
const CLIP_SECONDS = 60;

let server: TestServer;
let cameras: GStreamerCameras;
let pages: WebRtcPages;
let folder: string;
/** What is open in a test and closed after it. */
const open: { close(): Promise<unknown> }[] = [];

/** A clip that flashes and beeps once a second. */
function makeClip(name: string, codecs: readonly string[]): string {
  const file = join(folder, name);
  const input = FLASH_INPUT.filter((arg) => arg !== '-re');
  const size = ['-vf', 'scale=320:240', '-pix_fmt', 'yuv420p', '-g', '25'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...input, ...size, ...codecs, '-t', String(CLIP_SECONDS), file]);
  return file;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cameras-'));
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0'];
  const aac = makeClip('aac.mp4', [...x264, '-c:a', 'aac', '-b:a', '128k']);
  const alaw = makeClip('alaw.mkv', [...x264, '-c:a', 'pcm_alaw', '-ar', '8000', '-ac', '1']);
  const jpeg = makeClip('jpeg.mkv', [
    '-c:v',
    'mjpeg',
    '-huffman',
    'default',
    '-q:v',
    '5',
    '-an',
    '-pix_fmt',
    'yuvj420p',
  ]);
  const h264 = 'd. ! queue ! h264parse ! rtph264pay name=pay0 pt=96';
  cameras = await GStreamerCameras.start({
    aac: {
      pipeline: `filesrc location=${aac} ! qtdemux name=d ${h264} d. ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97`,
    },
    alaw: { pipeline: `filesrc location=${alaw} ! matroskademux name=d ${h264} d. ! queue ! rtppcmapay name=pay1` },
    jpeg: { pipeline: `filesrc location=${jpeg} ! matroskademux name=d d. ! queue ! rtpjpegpay name=pay0` },
  });
  server = await TestServer.start({
    args: ['--no-demo'],
    // A machine that is too busy to read in time looks like a thin line.
    settings: { pull_by_name_idle_timeout: 500, transcoder_idle_time: 1, webrtc_thinning: 'false' },
  });
  pages = await WebRtcPages.start();
});

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

afterAll(async () => {
  await pages.close();
  await server.stop();
  await cameras.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A page that plays a stream by its name, which may be the address of a camera. */
async function play(name: string, media = {}): Promise<PlayingPage> {
  const page = await pages.play(server.http(`/whep/${encodeURIComponent(name)}`), media);
  open.push(page);
  return page;
}

interface Camera {
  readonly uri: string;
  readonly status: string;
  readonly state: string;
  readonly reconnects: number;
  readonly localStreamName: string;
}

function untilInSync(page: PlayingPage) {
  return page.until(({ flashes, beeps }) => {
    if (flashes.length < 4 || beeps.length < 4) return false;
    return Math.abs(offsetMs({ flashes: flashes.slice(-4), beeps: beeps.slice(-5) })) <= MOST_OFFSET_MS;
  }, 30_000);
}

describe('a camera', () => {
  it.each([
    ['AAC, Digest, over the connection', 'audio/opus', () => cameras.url('digest', 'aac')],
    ['G.711, Basic, by UDP', 'audio/PCMA', () => cameras.url('basic', 'alaw', 'rtspu')],
  ])('with %s is seen and heard in a browser, in sync, by its address', async (_, audioCodec, url) => {
    const page = await play(url());
    const facts = await untilInSync(page).catch(async (error: unknown) =>
      expect.fail(`${String(error)}\n${JSON.stringify(await server.rest('/stream/explain', { name: url() }))}`),
    );
    expect(facts).toMatchObject({ videoCodec: 'video/H264', audioCodec, width: 320, height: 240 });
    const listed = await server.rest<Camera[]>('/rtsp/find_all');
    expect(listed).toMatchObject([{ uri: url(), status: 'PLAYING' }]);
    await page.leave();
    await vi.waitFor(async () => expect(await server.streamNames()).toEqual([]), { timeout: 15_000 });
  });

  it('is connected to once for all who spell its address alike, and again for another spelling', async () => {
    const url = cameras.url('open', 'aac');
    const pagesOfAll = await Promise.all([play(url), play(url), play(`${url}?again`)]);
    for (const page of pagesOfAll) await page.until(({ framesDecoded }) => framesDecoded > 10);
    const listed = await server.rest<Camera[]>('/rtsp/find_all');
    expect(listed.map(({ uri }) => uri).sort()).toEqual([url, `${url}?again`]);
  });

  it('with Motion JPEG is seen in a browser', async () => {
    await server.rest('/rtsp/startup', { uri: cameras.url('open', 'jpeg'), localStreamName: 'jpeg' });
    const page = await play('jpeg', { audio: false });
    expect(await page.until(({ flashes }) => flashes.length > 2)).toMatchObject({ videoCodec: 'video/H264' });
    await server.rest('/rtsp/terminate', { localStreamName: 'jpeg' });
  });

  it('that is lost in the middle comes back to its viewers', async () => {
    const uri = cameras.url('open', 'aac');
    await server.rest('/rtsp/startup', { uri, localStreamName: 'door' });
    const page = await play('door');
    await untilInSync(page);
    cameras.drop();
    await vi.waitFor(
      async () => {
        const [camera] = await server.rest<Camera[]>('/rtsp/find', { localStreamName: 'door' });
        expect(camera).toMatchObject({ state: 'running', reconnects: 1 });
      },
      { timeout: 20_000, interval: 50 },
    );
    const { flashes } = await page.facts();
    const seen = flashes.length;
    await page.until((facts) => facts.flashes.length > seen + 4 && facts.beeps.length > seen + 4);
    await untilInSync(page);
    await server.rest('/rtsp/terminate', { uri });
  });
});
