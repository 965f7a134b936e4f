import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const run = promisify(execFile);
const [WIDTH, HEIGHT] = [640, 360];

interface Layer {
  readonly rid: string;
  readonly width: number;
  readonly height: number;
  readonly bitrate: number;
  readonly state: 'active' | 'paused' | 'absent';
}

let server: TestServer;
let pages: WebRtcPages;
let page: Page;

/** Publishes a moving picture in two sizes by WHIP: of this one Chromium sends no third. Runs in the page. */
async function publishInSizes(options: { url: string; width: number; height: number }): Promise<void> {
  const { url, width, height } = options;
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  let turn = 0;
  setInterval(() => {
    turn++;
    for (let i = 0; i < 12; i++) {
      context.fillStyle = `hsl(${(turn * 7 + i * 37) % 360}, 80%, 50%)`;
      context.fillRect((i * 97 + turn * 5) % width, (i * 53 + turn * 3) % height, 40, 40);
    }
  }, 50);
  const [picture] = canvas.captureStream(20).getVideoTracks();
  const peer = new RTCPeerConnection();
  const transceiver = peer.addTransceiver(picture as MediaStreamTrack, {
    direction: 'sendonly',
    sendEncodings: [
      { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 150_000 },
      { rid: 'f', maxBitrate: 600_000 },
    ],
  });
  const codecs = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => /H264|rtx/.test(mimeType)));
  const parameters = transceiver.sender.getParameters();
  await transceiver.sender.setParameters({ ...parameters, degradationPreference: 'maintain-resolution' });
  await peer.setLocalDescription();
  const headers = { 'content-type': 'application/sdp' };
  const response = await fetch(url, { method: 'POST', headers, body: peer.localDescription?.sdp ?? '' });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  // Kept from being collected.
  (window as unknown as Record<string, unknown>)['publisher'] = peer;
}

async function layers(): Promise<Layer[]> {
  const { streams } = (await (await fetch(server.http('/api/overview'))).json()) as {
    streams: { name: string; layers?: Layer[] }[];
  };
  return streams.find(({ name }) => name === 'sizes')?.layers ?? [];
}

async function until(wish: (layers: Layer[]) => void, timeoutMs: number): Promise<void> {
  await vi.waitFor(async () => wish(await layers()), { timeout: timeoutMs, interval: 100 });
}

/** Size of the picture that HLS has at this moment. */
async function sizeInHls(): Promise<string> {
  const entries = ['-v', 'error', '-select_streams', 'v', '-show_entries', 'stream=width,height', '-of', 'csv=p=0:s=x'];
  const { stdout } = await run('ffprobe', [...entries, '-live_start_index', '-1', server.hls('sizes')]);
  return stdout.trim().split('\n').at(-1) ?? '';
}

beforeAll(async () => {
  server = await TestServer.start({ settings: { webrtc_simulcast_pause_after: 2000 } });
  pages = await WebRtcPages.start();
  page = await (await pages.browser.newContext()).newPage();
  await page.goto(pages.origin);
  await page.evaluate(publishInSizes, { url: server.http('/whip/sizes'), width: WIDTH, height: HEIGHT });
});

afterAll(async () => {
  await pages.close();
  await server.stop();
});

describe('Chromium that publishes its picture in two sizes', () => {
  it('has both received, the largest first', async () => {
    // Somebody watches, so that nothing is left out however long it takes to come.
    const watching = new AbortController();
    await server.untilLive('sizes');
    await fetch(server.http('/flv/sizes.flv'), { signal: watching.signal });
    await until((found) => {
      expect(found.map(({ rid, width, height, state }) => [rid, width, height, state])).toEqual([
        ['f', WIDTH, HEIGHT, 'active'],
        ['h', WIDTH / 2, HEIGHT / 2, 'active'],
      ]);
    }, 30_000);
    watching.abort();
  });

  it('leaves the larger one out while nobody watches it, and sends it again for HLS', async () => {
    await until((found) => {
      expect(found.map(({ rid, state }) => [rid, state])).toEqual([
        ['f', 'paused'],
        ['h', 'active'],
      ]);
      expect(found[0]?.bitrate).toBe(0);
    }, 30_000);
    await fetch(server.hls('sizes'));
    await until((found) => expect(found[0]).toMatchObject({ rid: 'f', state: 'active' }), 20_000);
    await vi.waitFor(async () => expect(await sizeInHls()).toBe(`${WIDTH}x${HEIGHT}`), 20_000);
  });
});
