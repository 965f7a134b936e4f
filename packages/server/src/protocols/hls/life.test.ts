import type { Track } from '@sluice/media';
import { describe, expect, test } from 'vitest';
import { MediaServerError, type StreamResolver } from '../../core/index.ts';
import { feed, PUBLISHER } from './testing/fakes.ts';
import { get, makeRig, mapsOf, packets, publish, push, sequenceOf, urisOf, useRigs } from './testing/published-rig.ts';

useRigs();

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
