import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { PUBLISHER } from './testing/fakes.ts';
import {
  audioPackets,
  get,
  makeRig,
  mapsOf,
  packets,
  publish,
  push,
  urisOf,
  useRigs,
} from './testing/published-rig.ts';

useRigs();

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
