import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
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
  server = await SdkServer.start({ wsplayer_enabled: 'true', publisher_reconnect_wait: 200 });
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

/** Media items of WSPlayer as they came (websdk-signalling.md §10.2). */
interface WsPlayerItem {
  readonly kind: 'video' | 'audio' | 'clock';
  readonly key: boolean;
  readonly ssrc: number;
  readonly timestamp: number;
  readonly payload: Buffer;
}

const ITEM_KINDS = ['video', 'audio', 'clock'] as const;

function itemOf(message: Buffer): WsPlayerItem {
  const first = message[0] ?? 0;
  const kind = ITEM_KINDS[((first >> 2) & 3) - 1] ?? 'clock';
  const [ssrc, timestamp] = [message.readUInt32BE(1), message.readUInt32BE(5)];
  return { kind, key: (first & 16) !== 0, ssrc, timestamp, payload: message.subarray(9) };
}

/** Asks for a stream as WSPlayer does, its transport first; `until` says when enough has come. */
async function playByWsPlayer(
  name: string,
  until: (items: readonly WsPlayerItem[]) => boolean,
): Promise<WsPlayerItem[]> {
  const items: WsPlayerItem[] = [];
  const main = new WebSocket(server.url);
  const say = (socket: WebSocket, message: string, body: object): void =>
    socket.send(JSON.stringify({ message, data: [body] }));
  main.on('open', () => say(main, 'connection', { appKey: 'defaultApp', mediaProviders: ['WSPlayer'] }));
  const sdp = 'v=0\r\nm=video 0 RTP/AVP 32\r\na=recvonly\r\nm=audio 0 RTP/AVP 0\r\na=recvonly\r\n';
  const stream = { mediaSessionId: 'w', name, hasVideo: true, hasAudio: true, mediaProvider: 'WSPlayer', sdp };
  let media: WebSocket | undefined;
  const statuses: unknown[] = [];
  main.on('message', (data: Buffer) => {
    const {
      message,
      data: [body],
    } = JSON.parse(data.toString()) as { message: string; data: [Record<string, unknown>] };
    if (message === 'notifyStreamStatusEvent') statuses.push([body['status'], body['info']]);
    if (message !== 'getUserData') return;
    media = new WebSocket(server.url);
    media.on('open', () => media && say(media, 'connectMediaTransport', { authToken: body['authToken'] }));
    media.on('message', (bytes: Buffer, isBinary: boolean) => isBinary && items.push(itemOf(bytes)));
    say(main, 'playStream', { ...stream, width: 320, height: 180 });
  });
  await vi
    .waitFor(() => expect(until(items)).toBe(true), WAIT)
    .catch(async () => {
      const counts = ITEM_KINDS.map((kind) => `${items.filter((item) => item.kind === kind).length} ${kind}`);
      const facts = await server.server.rest('/stream/explain', { name });
      expect.fail(`${counts.join(', ')}; ${JSON.stringify(statuses)}; ${JSON.stringify(facts)}`);
    });
  main.close();
  media?.terminate();
  return items;
}

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
    // Cuts at key frames alone, as the player example does with its parameter of that name.
    const cut = { mediaProvider: 'MSE', mediaConnectionConstraints: { cutByIFrameOnly: true } };
    await one.play('cut', 'room', cut);
    await Promise.all([expectPlaying(two), expectPlaying(one)]);
    await one.call('cut', 'stop');
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

describe('a player with the provider WSPlayer', () => {
  it('gets MPEG-1 pictures of the size it asks for, 20 ms of G.711 at a time, and both clocks', async () => {
    const ffmpeg = publisher('old');
    await server.server.untilLive('old');
    const items = await playByWsPlayer('old', (all) => all.filter(({ kind }) => kind === 'audio').length > 150);
    const of = (kind: WsPlayerItem['kind']) => items.filter((item) => item.kind === kind);
    const [video, audio, clocks] = [of('video'), of('audio'), of('clock')];
    expect(video[0]?.key).toBe(true);
    // 90 kHz and 8 kHz, on one timeline: 3 s of each.
    const seconds = ((video.at(-1)?.timestamp ?? 0) - (video[0]?.timestamp ?? 0)) / 90_000;
    expect(seconds).toBeGreaterThan(2.5);
    expect(video.length).toBeGreaterThan(seconds * 20);
    for (const [index, { payload, timestamp }] of audio.entries()) {
      expect(payload.length).toBe(160);
      const before = audio[index - 1];
      if (before !== undefined) expect(Math.abs(timestamp - before.timestamp - 160)).toBeLessThan(80);
    }
    expect(new Set(clocks.map(({ ssrc }) => ssrc)).size).toBe(2);
    expect(items.findIndex(({ kind, ssrc }) => kind === 'clock' && ssrc === audio[0]?.ssrc)).toBeLessThan(40);
    const mpeg = Buffer.concat(video.map(({ payload }) => payload));
    const args = ['-v', 'error', '-f', 'mpegvideo', '-i', '-', '-f', 'rawvideo', '-pix_fmt', 'gray', '-'];
    const raw = execFileSync('ffmpeg', args, { input: mpeg, maxBuffer: 1 << 28 });
    expect(raw.length % (320 * 180)).toBe(0);
    expect(raw.length / (320 * 180)).toBeGreaterThanOrEqual(video.length - 1);
    const sound = Buffer.concat(audio.map(({ payload }) => payload));
    // A tone is loud: µ-law is far from the values of silence.
    expect(sound.filter((value) => (value & 0x7f) < 0x60).length).toBeGreaterThan(sound.length / 2);
    await ffmpeg.stop();
  });
});
