import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MediaPacket, Mp4Reader, type Track } from '@sluice/media';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  Adaptations,
  MediaServerError,
  OPEN_ACCESS,
  type Publisher,
  SessionRegistry,
  type Stream,
  StreamRegistry,
  type StreamResolver,
} from '../../core/index.ts';
import type { HlsOptions } from './options.ts';
import { HlsServer } from './server.ts';
import { fakeCounters, fakeLog, feed, ManualTicker, PUBLISHER } from './testing/fakes.ts';

let packets: MediaPacket[] = [];
let audioPackets: MediaPacket[] = [];
const directory = mkdtempSync(join(tmpdir(), 'sluice-hls-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function makePackets(name: string, args: string[]): Promise<MediaPacket[]> {
  const path = join(directory, name);
  execFileSync('ffmpeg', ['-v', 'error', ...args, path]);
  const bytes = readFileSync(path);
  const reader = await Mp4Reader.open({
    size: bytes.length,
    read: (offset, length) => Promise.resolve(Uint8Array.from(bytes.subarray(offset, offset + length))),
  });
  const result: MediaPacket[] = [];
  for await (const packet of reader.readPackets()) result.push(packet);
  return result;
}

beforeAll(async () => {
  const video = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30:duration=6.5'];
  const audio = ['-f', 'lavfi', '-i', 'sine=sample_rate=44100:duration=6.5'];
  const codecs = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '30', '-bf', '2', '-pix_fmt', 'yuv420p'];
  packets = await makePackets('av.mp4', [...video, ...audio, ...codecs, '-c:a', 'aac', '-ac', '2']);
  audioPackets = await makePackets('a.mp4', [...audio, '-c:a', 'aac']);
}, 60_000);

interface Rig {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly ticker: ManualTicker;
  readonly log: ReturnType<typeof fakeLog>;
  readonly counters: ReturnType<typeof fakeCounters>;
  readonly server: HlsServer;
  readonly base: string;
}
const rigs: Rig[] = [];

async function makeRig(options: Partial<HlsOptions> = {}, resolvers: StreamResolver[] = []): Promise<Rig> {
  const streams = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 10 });
  const sessions = new SessionRegistry();
  const ticker = new ManualTicker();
  const log = fakeLog();
  const counters = fakeCounters();
  const adaptations = new Adaptations({ converter: undefined, log, counters });
  const deps = { streams, sessions, resolvers, adaptations, access: OPEN_ACCESS, log, counters, ticker };
  const server = new HlsServer(deps, { host: '127.0.0.1', port: 0, startWaitMs: 5000, autoStart: true, ...options });
  await server.start();
  const rig = { ...deps, server, base: `http://127.0.0.1:${server.port}` };
  rigs.push(rig);
  return rig;
}

/** Everything must be let go after each test. */
afterEach(async () => {
  for (const rig of rigs.splice(0)) {
    await rig.server.close();
    await rig.server.close();
    expect(rig.sessions.size).toBe(0);
    expect(rig.ticker.listeners.size).toBe(0);
    expect(rig.server.heldRequests).toBe(0);
    for (const stream of rig.streams.all()) expect([stream.readerCount, stream.viewers]).toEqual([0, 0]);
    rig.streams.close();
    expect(rig.log.problems).toEqual([]);
  }
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  text: string;
}

/** A bare request: fetch would repair broken paths and hide headers. */
function get(url: string, options: { method?: string; headers?: Record<string, string>; signal?: AbortSignal } = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const { host, port, path } = /^http:\/\/(?<host>[^:/]+):(?<port>\d+)(?<path>.*)$/.exec(url)?.groups ?? {};
    const sent = httpRequest({ host, port, path, agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, text: body.toString() });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

function publish(rig: Rig, name = 'test', list = packets, publisher: Publisher = PUBLISHER): Stream {
  const stream = rig.streams.publish(name, publisher);
  push(stream, list);
  return stream;
}

/** Tracks are declared first, as publishers do. */
function push(stream: Stream, list: readonly MediaPacket[], offsetUs = 0): void {
  for (const track of new Set(list.map((p) => p.track))) stream.setTrack(track);
  for (const p of list) stream.publish({ ...p, dtsUs: p.dtsUs + offsetUs, ptsUs: p.ptsUs + offsetUs });
}

/** Uris of a playlist, and those of its EXT-X-MAP tags. */
const urisOf = (playlist: string) => playlist.split('\n').filter((line) => line.length > 0 && !line.startsWith('#'));
const mapsOf = (playlist: string) => [...playlist.matchAll(/EXT-X-MAP:URI="([^"]+)"/g)].map((m) => m[1]);

describe('answers', () => {
  test('a stream that does not exist is a 404 with words, CORS and no caching', async () => {
    const rig = await makeRig();
    const answer = await get(`${rig.base}/none/none.m3u8`);
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.text)).toEqual({
      code: 'STREAM_NOT_FOUND',
      message: 'no stream "none" is live; publish it first, then try again',
    });
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    expect(answer.headers['cache-control']).toBe('max-age=1');
    expect(rig.counters.counts).toEqual({ hls_requests: 1, hls_not_found: 1 });
  });

  test.each([
    ['/', 404],
    ['/none/none_1.m4s', 404],
    ['/none/none_init_1.mp4', 404],
    ['/%/%.m3u8', 400],
    ['/../../etc/passwd', 404],
    ['/..%2f..%2fetc/passwd', 404],
    [`/${'a'.repeat(9000)}/x.m3u8`, 414],
    ['/a%00b/a%00b.m3u8', 404],
  ])('%.20s gives %i', async (path, status) => {
    const rig = await makeRig();
    expect((await get(rig.base + path)).status).toBe(status);
  });

  test.each([
    [500, 0],
    [1000, 0],
    [2000, 1],
    [6000, 1],
  ])(
    'a playlist of segments of %i ms may be cached for %i s, at most half its target duration',
    async (segmentMinMs, maxAge) => {
      const rig = await makeRig({ segmentMinMs });
      publish(rig);
      for (const name of ['test', 'index']) {
        const answer = await get(`${rig.base}/test/${name}.m3u8`);
        expect(answer.headers['cache-control']).toBe(`max-age=${maxAge}`);
      }
    },
  );

  test('other methods are refused and a preflight is answered', async () => {
    const rig = await makeRig({
      extraHeaders: [
        ['X-Test', '1'],
        ['Access-Control-Allow-Origin', 'https://a'],
      ],
    });
    expect((await get(`${rig.base}/a/a.m3u8`, { method: 'POST' })).status).toBe(405);
    const answer = await get(`${rig.base}/a/a.m3u8`, { method: 'OPTIONS' });
    expect(answer.status).toBe(204);
    expect(answer.headers['access-control-allow-methods']).toBe('GET, HEAD, OPTIONS');
    expect(answer.headers['access-control-allow-origin']).toBe('https://a');
    expect(answer.headers['x-test']).toBe('1');
  });

  test('a header that is none is refused at the start', async () => {
    await expect(makeRig({ extraHeaders: [['a b', '1']] })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('a port that is taken is told with its setting', async () => {
    const rig = await makeRig();
    const failing = makeRig({ port: rig.server.port });
    await expect(failing).rejects.toMatchObject({ code: 'PORT_IN_USE', message: /127\.0\.0\.1:\d+.*hls\.port/ });
  });
});

describe.each(['fmp4', 'ts'] as const)('%s', (container) => {
  test('playlists, segments and ranges have the right headers', async () => {
    const rig = await makeRig({ container });
    publish(rig);
    const playlist = await get(`${rig.base}/test/test.m3u8?token=a"b`.replace('"', '%22'));
    expect(playlist.status).toBe(200);
    expect(playlist.headers['content-type']).toBe('application/vnd.apple.mpegurl');
    expect(playlist.headers['cache-control']).toBe('max-age=1');
    expect(playlist.headers['content-length']).toBe(String(playlist.body.length));
    const uris = urisOf(playlist.text);
    expect(uris).toHaveLength(3);
    expect(uris.every((uri) => uri.endsWith('?token=a%22b'))).toBe(true);
    const url = `${rig.base}/test/${uris[0]}`;
    const whole = await get(url);
    expect(whole.headers['content-type']).toBe(container === 'ts' ? 'video/mp2t' : 'video/iso.segment');
    expect(whole.headers['cache-control']).toBe('public, max-age=3600, immutable');
    expect(whole.headers['access-control-allow-origin']).toBe('*');
    const part = await get(url, { headers: { Range: 'bytes=10-19' } });
    expect([part.status, part.headers['content-range']]).toEqual([206, `bytes 10-19/${whole.body.length}`]);
    expect(part.body).toEqual(whole.body.subarray(10, 20));
    expect((await get(url, { headers: { Range: 'bytes=99999999-' } })).status).toBe(416);
    const head = await get(url, { method: 'HEAD' });
    expect([head.headers['content-length'], head.body.length]).toEqual([String(whole.body.length), 0]);
    for (const map of mapsOf(playlist.text)) {
      expect((await get(`${rig.base}/test/${map}`)).headers['content-type']).toBe('video/mp4');
    }
  });

  test('ffmpeg decodes a stream that has ended, from both playlists, without a warning', async () => {
    const rig = await makeRig({ container });
    const stream = publish(rig);
    rig.streams.unpublish(stream, PUBLISHER, 'over');
    const master = await get(`${rig.base}/test/index.m3u8`);
    expect(master.text).toMatch(/CODECS="avc1\.64[0-9A-F]{4},mp4a\.40\.2",RESOLUTION=160x120,FRAME-RATE=30\.000\n/);
    for (const name of ['test.m3u8', 'index.m3u8']) {
      const decoded = await decode(`${rig.base}/test/${name}`);
      expect(decoded.warnings).toBe('');
      expect(decoded.frames).toBe(195);
    }
  });

  test('ffmpeg plays over the restart of a publisher without a warning', async () => {
    const rig = await makeRig({ container });
    const stream = publish(rig);
    stream.detachPublisher(PUBLISHER);
    stream.attachPublisher(PUBLISHER);
    push(stream, packets, 10_000_000);
    rig.streams.unpublish(stream, PUBLISHER, 'over');
    const playlist = await get(`${rig.base}/test/test.m3u8`);
    expect(playlist.text).toContain('#EXT-X-DISCONTINUITY\n');
    expect(playlist.text).toContain('#EXT-X-ENDLIST');
    expect(urisOf(playlist.text)).toHaveLength(8);
    const decoded = await decode(`${rig.base}/test/test.m3u8`);
    expect(decoded.warnings).toBe('');
    expect(decoded.frames).toBe(2 * 195);
  });

  test('audio alone plays', async () => {
    const rig = await makeRig({ container });
    const stream = publish(rig, 'radio', audioPackets);
    rig.streams.unpublish(stream, PUBLISHER, 'over');
    const master = await get(`${rig.base}/radio/index.m3u8`);
    expect(master.text).toMatch(/CODECS="mp4a\.40\.2"\n/);
    const playlist = await get(`${rig.base}/radio/radio.m3u8`);
    const segment = await get(`${rig.base}/radio/${urisOf(playlist.text)[0]}`);
    expect(segment.headers['content-type']).toBe(container === 'ts' ? 'video/mp2t' : 'audio/mp4');
    expect((await decode(`${rig.base}/radio/radio.m3u8`)).warnings).toBe('');
  });
});

describe('life', () => {
  test('the first request is held until there is a segment', async () => {
    const rig = await makeRig({ autoStart: false });
    const stream = rig.streams.publish('test', PUBLISHER);
    const answer = get(`${rig.base}/test/test.m3u8`);
    await expect.poll(() => rig.server.heldRequests).toBe(1);
    push(stream, packets);
    expect((await answer).status).toBe(200);
    expect(rig.server.heldRequests).toBe(0);
  });

  test('a held request is given up in time, when its client leaves, and beyond the bound', async () => {
    const rig = await makeRig({ startWaitMs: 100 });
    rig.streams.publish('test', PUBLISHER);
    const late = await get(`${rig.base}/test/test.m3u8`);
    expect([late.status, late.headers['retry-after']]).toEqual([503, '2']);
    const strict = await makeRig({ maxHeldRequests: 1, startWaitMs: 60_000 });
    strict.streams.publish('test', PUBLISHER);
    const abort = new AbortController();
    const left = get(`${strict.base}/test/test.m3u8`, { signal: abort.signal }).catch((error: Error) => error.name);
    await expect.poll(() => strict.server.heldRequests).toBe(1);
    expect((await get(`${strict.base}/test/test.m3u8`)).status).toBe(503);
    abort.abort();
    expect(await left).toBe('AbortError');
    await expect.poll(() => strict.server.heldRequests).toBe(0);
  });

  test('a stream of codecs that HLS does not carry is refused at once, in words', async () => {
    const rig = await makeRig({ startWaitMs: 60_000 });
    const vp8: Track = { id: 0, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
    const stream = rig.streams.publish('test', PUBLISHER);
    const held = get(`${rig.base}/test/test.m3u8`);
    await expect.poll(() => rig.server.heldRequests).toBe(1);
    feed(stream, { fromMs: 0, toMs: 600, video: vp8, audio: undefined });
    for (const answer of [await held, await get(`${rig.base}/test/index.m3u8`)]) {
      expect([answer.status, JSON.parse(answer.text)]).toEqual([
        415,
        {
          code: 'HLS_REQUEST',
          message:
            'stream "test" can not be played by HLS: its picture is VP8, HLS carries H.264, H.265, AV1 and VP9, and AAC and Opus',
        },
      ]);
    }
    expect(rig.log.problems.splice(0)).toEqual([
      'picture is VP8, HLS carries H.264, H.265, AV1 and VP9: it is left out {}',
    ]);
  });

  test('a held request ends with the stream and with the server', async () => {
    const rig = await makeRig();
    const stream = rig.streams.publish('test', PUBLISHER);
    const first = get(`${rig.base}/test/test.m3u8`);
    await expect.poll(() => rig.server.heldRequests).toBe(1);
    rig.streams.unpublish(stream, PUBLISHER, 'over');
    expect((await first).status).toBe(404);
    rig.streams.publish('other', PUBLISHER);
    const second = get(`${rig.base}/other/other.m3u8`).catch((error: Error) => error);
    await expect.poll(() => rig.server.heldRequests).toBe(1);
    await rig.server.close();
    await second;
  });

  test('a name that a resolver accepts is made live', async () => {
    const name = 'vod-live://a b.mp4';
    const part = encodeURIComponent(name);
    const resolver: StreamResolver = {
      accepts: (n) => n.startsWith('vod-live://'),
      resolve: (n) => Promise.resolve(n === name ? publish(rig, n) : undefined),
    };
    const rig = await makeRig({}, [resolver]);
    const answer = await get(`${rig.base}/${part}/${part}.m3u8`);
    expect(answer.status).toBe(200);
    expect(urisOf(answer.text)[0]).toMatch(/^vod-live%3A%2F%2Fa%20b\.mp4_\d+\.m4s$/);
    expect((await get(`${rig.base}/${part}/${urisOf(answer.text)[0]}`)).status).toBe(200);
    const other = encodeURIComponent('vod-live://b.mp4');
    expect((await get(`${rig.base}/${other}/${other}.m3u8`)).status).toBe(404);
  });

  test('a name that gives each viewer a stream of its own is refused, with the name to ask for instead', async () => {
    const resolver: StreamResolver = {
      accepts: (n) => n.startsWith('vod'),
      personal: (n) => n.startsWith('vod://'),
      resolve: () => Promise.reject(new Error('must not be asked')),
    };
    const rig = await makeRig({}, [resolver]);
    const part = encodeURIComponent('vod://a.mp4');
    const answer = await get(`${rig.base}/${part}/${part}.m3u8`);
    expect([answer.status, answer.text]).toEqual([415, expect.stringContaining('vod-live://')]);
    expect(await rig.server.packaging.start('vod://a.mp4')).toBe(false);
  });

  test.each([
    ['FILE_NOT_FOUND', 404],
    ['FILE_INVALID', 415],
    ['FILE_UNREADABLE', 500],
  ] as const)('a file that can not be played is told by %s and status %i', async (code, status) => {
    const resolver: StreamResolver = {
      accepts: () => true,
      resolve: () => Promise.reject(new MediaServerError(code, 'what is wrong')),
    };
    const rig = await makeRig({}, [resolver]);
    const answer = await get(`${rig.base}/x/x.m3u8`);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([status, { code, message: 'what is wrong' }]);
  });

  test('the packager stops when nobody asks any more and starts again on demand', async () => {
    const rig = await makeRig();
    const stream = publish(rig);
    push(stream, packets, 7_000_000);
    expect((await get(`${rig.base}/test/test.m3u8`)).status).toBe(200);
    rig.ticker.tickIn(299_000);
    expect(stream.readerCount).toBe(1);
    rig.ticker.tickIn(301_000);
    expect(stream.readerCount).toBe(0);
    expect((await get(`${rig.base}/test/test.m3u8`)).status).toBe(200);
    expect(stream.readerCount).toBe(1);
  });

  test('the final playlist is kept for a while and a further publication goes on counting', async () => {
    const rig = await makeRig();
    const stream = publish(rig);
    rig.streams.unpublish(stream, PUBLISHER, 'over');
    const ended = await get(`${rig.base}/test/test.m3u8`);
    expect(ended.text).toContain('#EXT-X-ENDLIST');
    rig.ticker.tickIn(0);
    const again = publish(rig);
    const playlist = await get(`${rig.base}/test/test.m3u8`);
    expect(playlist.text).not.toContain('ENDLIST');
    expect(playlist.text).toContain('#EXT-X-DISCONTINUITY\n');
    expect(sequenceOf(playlist.text)).toBe(sequenceOf(ended.text) + urisOf(ended.text).length);
    expect((await get(`${rig.base}/test/${urisOf(ended.text)[0]}`)).status).toBe(200);
    rig.streams.unpublish(again, PUBLISHER, 'over');
    rig.ticker.tickIn(1000);
    rig.ticker.tickIn(32_000);
    expect((await get(`${rig.base}/test/test.m3u8`)).status).toBe(404);
  });
});

const sequenceOf = (playlist: string) => Number(/MEDIA-SEQUENCE:(\d+)/.exec(playlist)?.[1]);

describe('viewers', () => {
  test('are sessions that count bytes and go when they are silent', async () => {
    const rig = await makeRig();
    const stream = publish(rig);
    const one = { headers: { 'User-Agent': 'one' } };
    const playlist = await get(`${rig.base}/test/test.m3u8?token=x`, one);
    await get(`${rig.base}/test/test.m3u8?token=x`, one);
    await get(`${rig.base}/test/test.m3u8`, { headers: { 'User-Agent': 'two' } });
    const segment = await get(`${rig.base}/test/${urisOf(playlist.text)[0]}`, one);
    expect([rig.sessions.size, stream.viewers]).toEqual([2, 2]);
    const [session] = [...rig.sessions.all()].map((s) => s.describe());
    expect(session).toMatchObject({ protocol: 'hls', mediaProvider: 'HLS', mediaType: 'play', streamName: 'test' });
    expect(session?.sessionId).toMatch(/^\/127\.0\.0\.1:\d+\/127\.0\.0\.1:\d+$/);
    expect(session?.mediaSessionId).toMatch(/^[0-9a-f-]{36}-test-HLS$/);
    expect(session?.custom).toEqual({ token: 'x' });
    expect(session?.bytesOut).toBe(2 * playlist.body.length + segment.body.length);
    rig.ticker.tickIn(5000);
    expect(stream.viewers).toBe(2);
    rig.ticker.tickIn(7000);
    expect([rig.sessions.size, stream.viewers]).toEqual([0, 0]);
  });

  test('are refused for ten seconds after their session was closed', async () => {
    const rig = await makeRig();
    publish(rig);
    await get(`${rig.base}/test/test.m3u8`);
    for (const session of [...rig.sessions.all()]) {
      session.close('kicked');
      session.close('kicked');
    }
    expect((await get(`${rig.base}/test/test.m3u8`)).status).toBe(403);
    expect((await get(`${rig.base}/test/test.m3u8`, { headers: { 'User-Agent': 'other' } })).status).toBe(200);
    rig.ticker.tickIn(10_500);
    expect((await get(`${rig.base}/test/test.m3u8`)).status).toBe(200);
  });

  test('beyond the bound are served but not counted', async () => {
    const rig = await makeRig({ maxViewers: 1 });
    publish(rig);
    for (const agent of ['one', 'two']) {
      expect((await get(`${rig.base}/test/test.m3u8`, { headers: { 'User-Agent': agent } })).status).toBe(200);
    }
    expect(rig.sessions.size).toBe(1);
  });
});

describe('an operator', () => {
  test('has a stream cut before its first viewer, lists and stops it; unasked for, it stops by itself', async () => {
    const rig = await makeRig({ autoStart: false, providerTimeoutMs: 1000 });
    const { packaging } = rig.server;
    expect([await packaging.start('test'), packaging.stop('test')]).toEqual([false, false]);
    const stream = publish(rig);
    expect(packaging.names()).toEqual([]);
    expect([await packaging.start('test'), await packaging.start('test')]).toEqual([true, true]);
    expect([packaging.names(), stream.readerCount]).toEqual([['test'], 1]);
    expect([packaging.stop('test'), packaging.stop('test')]).toEqual([true, false]);
    expect([packaging.names(), stream.readerCount]).toEqual([[], 0]);
    await packaging.start('test');
    rig.ticker.tickIn(2000);
    expect([packaging.names(), stream.readerCount]).toEqual([[], 0]);
  });

  test('who stops a stream that is watched has it begun anew, with numbers that go on', async () => {
    const rig = await makeRig();
    const stream = publish(rig);
    const before = await get(`${rig.base}/test/test.m3u8`);
    expect(rig.server.packaging.stop('test')).toBe(true);
    expect([rig.server.packaging.names(), stream.readerCount]).toEqual([['test'], 1]);
    push(stream, packets, 7_000_000);
    const after = await get(`${rig.base}/test/test.m3u8`);
    expect(after.status).toBe(200);
    expect(sequenceOf(after.text)).toBe(sequenceOf(before.text) + urisOf(before.text).length);
    expect(after.text).toContain('#EXT-X-DISCONTINUITY\n');
    for (const uri of [...urisOf(after.text), ...mapsOf(after.text)]) {
      expect((await get(`${rig.base}/test/${uri}`)).status).toBe(200);
    }
    expect((await get(`${rig.base}/test/${urisOf(before.text)[0]}`)).status).toBe(404);
  });
});

/** Decodes all of a playlist; everything that ffmpeg finds worth a warning comes back. */
function decode(url: string): Promise<{ warnings: string; frames: number }> {
  return new Promise((resolve, reject) => {
    const args = ['-v', 'warning', '-nostats', '-progress', 'pipe:1', '-i', url, '-f', 'null', '-'];
    const child = spawn('ffmpeg', args, { timeout: 20_000 });
    let warnings = '';
    let progress = '';
    child.stderr.on('data', (chunk: Buffer) => {
      warnings += chunk.toString();
    });
    child.stdout.on('data', (chunk: Buffer) => {
      progress += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', () => resolve({ warnings, frames: Number([...progress.matchAll(/frame=(\d+)/g)].at(-1)?.[1]) }));
  });
}
