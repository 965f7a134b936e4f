import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Nginx } from '../packages/server/src/protocols/rtmp/testing/nginx.ts';
import { Copier, ofKind, stepsMs } from './support/copied.ts';
import { Ffmpeg } from './support/ffmpeg.ts';
import { pause } from './support/program.ts';
import { freePort, TestServer } from './support/server.ts';
import { FLASH_INPUT, offsetMs, onsetsOf } from './support/webrtc/flashes.ts';
import { type PlayingPage, WebRtcPages } from './support/webrtc/pages.ts';

const MOST_OFFSET_MS = 80;
/** How long the target of a push is away, and how soon the push must be back when it is back. */
const AWAY_MS = 30_000;
const BACK_MS = 5000;

let near: TestServer;
let far: TestServer;
let pages: WebRtcPages;
/** What becomes of a push to an RTMP server that goes and comes back, beside the other tests: it takes long. */
let away: Promise<void>;
/** What is open in a test and closed after it. */
const open: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  [near, far] = await Promise.all([
    TestServer.start({ args: ['--no-demo'] }),
    TestServer.start({ args: ['--no-demo'] }),
  ]);
  pages = await WebRtcPages.start();
  away = pushToWhatGoesAway();
  // It is looked at when it is waited for.
  away.catch(() => {});
});

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

afterAll(async () => {
  await pages.close();
  await Promise.all([near.stop(), far.stop()]);
});

const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '25', '-bf', '0', '-b:v', '600k'];

async function publish(name: string): Promise<Ffmpeg> {
  const audio = ['-c:a', 'aac', '-b:a', '128k'];
  const publisher = new Ffmpeg(['-v', 'error', ...FLASH_INPUT, ...X264, ...audio, '-f', 'flv', near.rtmp(name)]);
  await near.untilLive(name);
  return publisher;
}

/** Publishes until the test is over. */
async function publishForTest(name: string): Promise<void> {
  const publisher = await publish(name);
  open.push({ close: () => publisher.stop() });
}

async function play(server: TestServer, name: string): Promise<PlayingPage> {
  const page = await pages.play(server.http(`/whep/${name}`));
  open.push(page);
  return page;
}

async function expectInSync(page: PlayingPage): Promise<void> {
  await page.until(({ flashes, beeps }) => {
    if (flashes.length < 4 || beeps.length < 4) return false;
    return Math.abs(offsetMs({ flashes: flashes.slice(-4), beeps: beeps.slice(-5) })) <= MOST_OFFSET_MS;
  }, 30_000);
}

interface RelayObject {
  readonly mediaSessionId: string;
  readonly state: string;
  readonly lastError?: string;
  readonly reconnects: number;
}

async function untilState(server: TestServer, list: '/pull/find_all' | '/push/find_all', state: string) {
  return vi.waitFor(
    async () => {
      const [relay] = await server.rest<RelayObject[]>(list);
      expect(relay?.state, JSON.stringify(relay)).toBe(state);
      return relay as RelayObject;
    },
    { timeout: 60_000, interval: 50 },
  );
}

describe('WebRTC between two servers', () => {
  it('pulls by the protocol of the Web SDK, in sync, and ends when it is told to', async () => {
    await publishForTest('there');
    const body = { uri: `ws://127.0.0.1:${near.ports.ws}`, remoteStreamName: 'there', localStreamName: 'here' };
    await far.rest('/pull/pull', body);
    await untilState(far, '/pull/find_all', 'running');
    await expectInSync(await play(far, 'here'));
    await far.rest('/pull/terminate', body);
    expect(await far.streamNames()).toEqual([]);
  });

  it.each([
    ['the protocol of the Web SDK', () => ({ uri: `ws://127.0.0.1:${far.ports.ws}`, remoteStreamName: 'given' })],
    ['WHIP', () => ({ uri: `whip://127.0.0.1:${far.httpPort}/whip/given` })],
  ])('pushes by %s, and the stream there ends with the one here', async (_, to) => {
    await publishForTest('mine');
    await near.rest('/pull/push', { ...to(), localStreamName: 'mine' });
    await untilState(near, '/pull/find_all', 'running');
    const page = await play(far, 'given');
    await page.until(({ framesDecoded, beeps }) => framesDecoded > 30 && beeps.length > 1);
    await open.shift()?.close();
    await vi.waitFor(async () => expect(await far.streamNames()).toEqual([]), { timeout: 15_000 });
    expect(await near.rest('/pull/find_all')).toEqual([]);
  });
});

async function pushToWhatGoesAway(): Promise<void> {
  const port = await freePort();
  const publisher = await publish('show');
  let target = await Nginx.start(port);
  try {
    const viewer = new Copier(near.rtmp('show'), join(near.folder, 'viewer.txt'));
    await near.rest('/push/startup', { streamName: 'show', rtmpUrl: `rtmp://127.0.0.1:${port}/live` });
    await untilState(near, '/push/find_all', 'running');
    await target.stop();
    const lost = await untilState(near, '/push/find_all', 'waiting');
    expect(lost.lastError).toBeTruthy();
    await pause(AWAY_MS);
    target = await Nginx.start(port);
    const backMs = Date.now();
    const back = await untilState(near, '/push/find_all', 'running');
    expect(Date.now() - backMs).toBeLessThan(BACK_MS);
    expect(back.reconnects).toBe(1);
    const file = join(near.folder, 'pushed.mkv');
    const url = `rtmp://127.0.0.1:${port}/live/rtmp_show`;
    const recorder = new Ffmpeg(['-v', 'error', '-i', url, '-t', '6', '-c', 'copy', '-y', file]);
    expect(await recorder.exited, recorder.stderr).toBe(0);
    expect(Math.abs(offsetMs(await onsetsOf(file)))).toBeLessThanOrEqual(MOST_OFFSET_MS);
    await near.rest('/push/terminate', { mediaSessionId: back.mediaSessionId });
    const watched = await viewer.finish(0);
    expect(ofKind(watched, 'video').length).toBeGreaterThan((AWAY_MS / 1000) * 25);
    for (const kind of ['video', 'audio'] as const)
      expect(Math.max(...stepsMs(ofKind(watched, kind)))).toBeLessThan(60);
  } finally {
    await publisher.stop();
    await target.stop();
  }
}

describe('a push to an RTMP server', () => {
  it('is back within seconds of its target, whose absence viewers do not notice', () => away);
});
