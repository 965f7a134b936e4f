import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LadderBody } from '@sluice/contract';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { LivePlayers } from './support/live-players.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';
import { SdkPages } from './support/websdk/sdk-pages.ts';

const WAIT = { timeout: 25_000, interval: 100 };

/** Small pictures: what is shown here does not depend on their size. */
const PROFILES = `profiles:
  90:
    video: { height: 90, bitrate: 100, codec: h264, gop: 50, fps: 25 }
  180:
    video: { height: 180, bitrate: 250, codec: h264, gop: 50, fps: 25 }
  720:
    video: { height: 720, bitrate: 2000, codec: h264, gop: 50, fps: 25 }
  original:
    video: { codec: h264 }
`;

let server: TestServer;
let publisher: Ffmpeg;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'));
  writeFileSync(join(folder, 'hls_abr_profiles.yml'), PROFILES);
  // What conversions cost on a machine that is busy with others must not refuse any of them.
  const settings = { hls_manager_provider_timeout: 2, transcoder_max_cores: 64 };
  server = await TestServer.start({ folder, settings });
  const clip = join(folder, 'clip.flv');
  makeClip(clip, { seconds: 20, gop: 25, size: '640x360' });
  const args = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clip, '-c', 'copy', '-f', 'flv'];
  publisher = new Ffmpeg([...args, server.rtmp('room')]);
  await server.untilLive('room');
}, 60_000);

afterAll(async () => {
  await publisher.stop();
  await server.stop();
});

async function ladder(): Promise<LadderBody> {
  return (await (await fetch(server.http('/api/ladder?stream=room'))).json()) as LadderBody;
}

async function running(): Promise<string[]> {
  const { renditions } = await ladder();
  return renditions.filter((row) => row.running).map(({ name }) => name);
}

const master = (): string => server.hls('room-HLS-ABR-STREAM');

describe('qualities by HLS', () => {
  it('are listed with what they will cost, and none is larger than the source', async () => {
    // A stream is live before its first picture has come.
    await vi.waitFor(async () => expect((await ladder()).renditions).not.toEqual([]), WAIT);
    const { renditions, estimatedCores, limitCores, notes } = await ladder();
    expect(renditions.map(({ name, width, height }) => [name, width, height])).toEqual([
      ['original', 640, 360],
      ['180', 320, 180],
      ['90', 160, 90],
    ]);
    expect(renditions.map(({ running }) => running)).toEqual([false, false, false]);
    expect(estimatedCores).toBeGreaterThan(0);
    expect(estimatedCores).toBeLessThan(limitCores);
    expect(notes.join()).toContain('720');
    const text = await (await fetch(master())).text();
    expect(text.match(/RESOLUTION=\d+x\d+/g)).toEqual([
      'RESOLUTION=640x360',
      'RESOLUTION=320x180',
      'RESOLUTION=160x90',
    ]);
    expect(text).toContain('#EXT-X-MEDIA:TYPE=AUDIO');
  });

  it('play in hls.js, which changes over between them, and are made only for who watches them', async () => {
    const players = await LivePlayers.start();
    try {
      const page = await players.play('hls.js', master());
      await page.playedFor(2);
      await page.page.evaluate(() => {
        const { hls } = window as unknown as { hls: { levels: { height: number }[]; nextLevel: number } };
        hls.nextLevel = hls.levels.findIndex(({ height }) => height === 90);
      });
      await vi.waitFor(async () => expect((await page.report()).width).toBe(160), WAIT);
      expect(await running()).toContain('90');
      await page.page.evaluate(() => {
        const { hls } = window as unknown as { hls: { levels: { height: number }[]; nextLevel: number } };
        hls.nextLevel = hls.levels.findIndex(({ height }) => height === 360);
      });
      await vi.waitFor(async () => expect((await page.report()).width).toBe(640), WAIT);
      const { errors } = await page.close();
      expect(errors.filter((error) => error.startsWith('fatal'))).toEqual([]);
    } finally {
      await players.close();
    }
    await vi.waitFor(async () => expect(await running()).toEqual([]), WAIT);
  });

  it('are cut at the same times under the same numbers', async () => {
    const playlistOf = async (name: string): Promise<Map<number, string>> => {
      const url = new URL(`${name}/${name}.m3u8`, master());
      const text = await (await fetch(url)).text();
      let number = Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1]);
      const starts = new Map<number, string>();
      let date = '';
      for (const line of text.split('\n')) {
        if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) date = line.slice(25);
        else if (line !== '' && !line.startsWith('#')) starts.set(number++, date);
      }
      return starts;
    };
    await vi.waitFor(async () => {
      const [small, middle] = await Promise.all([playlistOf('90'), playlistOf('180')]);
      const common = [...small].filter(([number]) => middle.has(number));
      expect(common.length).toBeGreaterThanOrEqual(2);
      for (const [number, date] of common) {
        expect(Math.abs(Date.parse(date) - Date.parse(middle.get(number) ?? ''))).toBeLessThanOrEqual(1);
      }
    }, WAIT);
  });
});

describe('a size of the viewer\u2019s own', () => {
  it('is made for players by WHEP', async () => {
    const pages = await WebRtcPages.start();
    try {
      const page = await pages.play(server.http('/whep/room?height=90'));
      await page.until(({ framesDecoded, width, height }) => framesDecoded > 10 && width === 160 && height === 90);
    } finally {
      await pages.close();
    }
  });

  it('is made for Web SDK players, who hear the size that they get', async () => {
    const pages = await SdkPages.start();
    try {
      const page = await pages.open();
      expect(await page.connect(`ws://localhost:${server.ports.ws}`)).toBe('ESTABLISHED');
      await page.play('small', 'room', { constraints: { audio: true, video: { width: 320, height: 180 } } });
      await vi.waitFor(async () => expect(await page.report('small')).toMatchObject({ width: 320, height: 180 }), WAIT);
      const { events } = await page.report('small');
      expect(events).toContainEqual({
        type: 'resize',
        payload: { streamerVideoWidth: 320, streamerVideoHeight: 180 },
      });
    } finally {
      await pages.close();
    }
  });
});

describe('a machine without processor time', () => {
  it('refuses with words that say what to do, and offers what goes through', async () => {
    const small = await TestServer.start({ settings: { transcoder_max_cores: 0.001 } });
    const clip = join(server.folder, 'clip.flv');
    const args = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clip, '-c', 'copy', '-f', 'flv'];
    const source = new Ffmpeg([...args, small.rtmp('room')]);
    try {
      await small.untilLive('room');
      const response = await fetch(small.http('/whep/room?height=90'), {
        method: 'POST',
        headers: { 'content-type': 'application/sdp' },
        body: await offer(),
      });
      expect([response.status, await response.text()]).toEqual([503, expect.stringContaining('transcoder_max_cores')]);
      const text = await (await fetch(small.hls('room-HLS-ABR-STREAM'))).text();
      expect(text.match(/RESOLUTION=\d+x\d+/g)).toEqual(['RESOLUTION=640x360']);
    } finally {
      await source.stop();
      await small.stop();
    }
  });
});

/** What Chromium offers to play. */
async function offer(): Promise<string> {
  const pages = await WebRtcPages.start();
  try {
    const page = await pages.browser.newPage();
    await page.goto(pages.origin);
    return await page.evaluate(async () => {
      const peer = new RTCPeerConnection();
      peer.addTransceiver('video', { direction: 'recvonly' });
      peer.addTransceiver('audio', { direction: 'recvonly' });
      const { sdp } = await peer.createOffer();
      return sdp ?? '';
    });
  } finally {
    await pages.close();
  }
}
