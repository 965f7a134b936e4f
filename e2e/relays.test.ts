import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';
import { FLASH_INPUT, offsetMs, onsetsOf } from './support/webrtc/flashes.ts';
import { type PlayingPage, WebRtcPages } from './support/webrtc/pages.ts';

void once;
const MOST_OFFSET_MS = 80;

let near: TestServer;
let far: TestServer;
let pages: WebRtcPages;
/** What is open in a test and closed after it. */
const open: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  near = await TestServer.start({ args: ['--no-demo'] });
  far = await TestServer.start({ args: ['--no-demo'] });
  pages = await WebRtcPages.start();
});

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

afterAll(async () => {
  await pages.close();
  await Promise.all([near.stop(), far.stop()]);
});

const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '25', '-bf', '0', '-b:v', '600k'];

function publish(name: string): void {
  const audio = ['-c:a', 'aac', '-b:a', '128k'];
  const publisher = new Ffmpeg(['-v', 'error', ...FLASH_INPUT, ...X264, ...audio, '-f', 'flv', near.rtmp(name)]);
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

interface Pull {
  readonly status: string;
  readonly lastError?: string;
}

async function untilRunning(server: TestServer): Promise<void> {
  await vi.waitFor(
    async () => {
      const pulls = await server.rest<Pull[]>('/pull/find_all');
      expect(pulls.map(({ status }) => status), JSON.stringify(pulls)).toEqual(['PROCESSED_REMOTE']);
    },
    { timeout: 20_000, interval: 100 },
  );
}

describe('WebRTC between two servers', () => {
  it('pulls by the protocol of the Web SDK, in sync', async () => {
    publish('there');
    await near.untilLive('there');
    const body = { uri: `ws://127.0.0.1:${near.ports.ws}`, remoteStreamName: 'there', localStreamName: 'here' };
    await far.rest('/pull/pull', body);
    await untilRunning(far);
    await expectInSync(await play(far, 'here'));
    await far.rest('/pull/terminate', body);
    expect(await far.streamNames()).toEqual([]);
  });
});
void onsetsOf;
