import { once } from 'node:events';
import { connect } from 'node:net';
import { decodeAmf0 } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { mutate, prng } from '../../../../media/src/testing/mutate.ts';
import { MediaServerError, type Stream, type StreamResolver } from '../../core/index.ts';
import { testHub } from '../../core/testing/hub.ts';
import { Ticker } from '../../io/index.ts';
import { type FlvOptions, FlvServer } from './index.ts';
import { AUDIO, exchange, feed, HttpViewer, MountServer, PUBLISHER, packet, VIDEO } from './testing/fixture.ts';

let hub: ReturnType<typeof testHub>;
let flv: FlvServer;
let web: MountServer;
let viewers: HttpViewer[];

async function start(options: Partial<FlvOptions> = {}, more: { graceMs?: number; resolvers?: StreamResolver[] } = {}) {
  hub = testHub(more.graceMs ?? 0);
  flv = new FlvServer(
    { ...hub, resolvers: more.resolvers ?? [], ticker: new Ticker() },
    { playWaitMs: 50, trackWaitMs: 200, mediaWaitMs: 100, ...options },
  );
  await flv.start();
  web = await MountServer.start(flv);
}

/** Ends what `start` made and checks that nothing is left. */
async function stop(): Promise<void> {
  for (const viewer of viewers) viewer.close();
  await flv.close();
  await web.close();
  for (const stream of hub.streams.all()) expect(stream.viewers).toBe(0);
  hub.streams.close();
  expect([flv.viewerCount, hub.sessions.size, hub.connections.size]).toEqual([0, 0, 0]);
  await vi.waitFor(() => expect(web.connections).toBe(0));
}

async function restart(...args: Parameters<typeof start>): Promise<void> {
  await stop();
  await start(...args);
}

async function view(path: string): Promise<HttpViewer> {
  const viewer = await HttpViewer.open(web.port, path);
  viewers.push(viewer);
  return viewer;
}

function url(path: string): string {
  return `http://127.0.0.1:${web.port}${path}`;
}

async function refusal(path: string, init?: RequestInit) {
  const response = await fetch(url(path), init);
  return { status: response.status, body: (await response.json()) as Record<string, unknown>, response };
}

beforeEach(async () => {
  viewers = [];
  await start();
});

afterEach(stop);

describe('an HTTP-FLV viewer', () => {
  it('gets header, metadata and configurations, then all since the last key frame, then what comes', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    stream.setMetadata({ encoder: 'test', width: 640 });
    feed(stream, { fromMs: 0, toMs: 1080 });
    const viewer = await view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags).toHaveLength(7));
    expect(viewer.header).toEqual({ video: true, audio: true });
    expect(viewer.summary).toBe('m0 vc0 ac0 V1000 a1000 v1040 a1040');
    expect(decodeAmf0(viewer.tags[0]?.data ?? Uint8Array.of())).toEqual([
      'onMetaData',
      { encoder: 'test', width: 640 },
    ]);
    stream.publish(packet(VIDEO, 1080, { key: false }));
    await vi.waitFor(() => expect(viewer.summary).toMatch(/ v1080$/));
    expect(stream.viewers).toBe(1);
  });

  it('is answered with raw bytes that only closing ends, for pages of any origin', async () => {
    feed(hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
    const { response } = await view('/flv/cam.flv');
    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      'content-type': 'video/x-flv',
      'cache-control': 'no-store',
      connection: 'close',
      'access-control-allow-origin': '*',
    });
    expect(response.headers).not.toHaveProperty('transfer-encoding');
    expect(response.headers).not.toHaveProperty('content-length');
  });

  it('gets metadata made from the tracks when the publisher sent none', async () => {
    feed(hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
    const viewer = await view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    const [, fields] = decodeAmf0(viewer.tags[0]?.data ?? Uint8Array.of());
    expect(fields).toMatchObject({ videocodecid: 7, audiocodecid: 10, audiosamplerate: 48_000, stereo: true });
    expect(fields).toMatchObject({ width: 640, height: 360 });
  });

  it('gets none of the metadata that is true of a file only', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    stream.setMetadata({ duration: 12, filesize: 5, hasAudio: false, keyframes: { times: [0] }, encoder: 'test' });
    feed(stream, { fromMs: 0, toMs: 40 });
    const viewer = await view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    expect(decodeAmf0(viewer.tags[0]?.data ?? Uint8Array.of())[1]).toEqual({ encoder: 'test' });
  });

  it('who wants no picture or no sound gets the rest, with metadata and header to fit', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    stream.setMetadata({ width: 640, audiosamplerate: 48_000 });
    feed(stream, { fromMs: 0, toMs: 80 });
    const [sound, picture] = [await view('/flv/cam.flv?video=0'), await view('/flv/cam.flv?audio=0&a=b')];
    await vi.waitFor(() => expect(picture.summary).toBe('m0 vc0 V0 v40'));
    expect([sound.header, picture.header]).toEqual([
      { video: false, audio: true },
      { video: true, audio: false },
    ]);
    stream.publish(packet(AUDIO, 80));
    await vi.waitFor(() => expect(sound.summary).toMatch(/^m0 ac0 .*a80$/));
    expect(sound.summary).not.toMatch(/v/i);
    expect(decodeAmf0(sound.tags[0]?.data ?? Uint8Array.of())[1]).toEqual({ audiosamplerate: 48_000 });
    expect(decodeAmf0(picture.tags[0]?.data ?? Uint8Array.of())[1]).toEqual({ width: 640 });
    const drops = [...hub.sessions.all()].map((session) => session.describe().drops);
    expect(drops).toEqual(Array(2).fill({ slow_viewer: 0, not_carried: 0 }));
  });

  it('waits a while for a second track, and its header announces both', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    stream.publish(packet(VIDEO, 0));
    const opened = view('/flv/cam.flv');
    await vi.waitFor(() => expect(flv.viewerCount).toBe(1));
    stream.publish(packet(AUDIO, 20));
    const viewer = await opened;
    await vi.waitFor(() => expect(viewer.summary).toMatch(/V0 .*a20/));
    expect(viewer.header).toEqual({ video: true, audio: true });
  });

  it('is not kept waiting for a track that does not come, nor told that it would', async () => {
    hub.streams.publish('cam', PUBLISHER).publish(packet(VIDEO, 0));
    const viewer = await view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.summary).toBe('m0 vc0 V0'));
    expect(viewer.header).toEqual({ video: true, audio: false });
  });

  it('begins at once with the one track of a stream that has run for longer than that', async () => {
    await restart({ trackWaitMs: 15_000 });
    const stream = hub.streams.publish('cam', PUBLISHER);
    for (let ms = 0; ms <= 14_000; ms += 1000) stream.publish(packet(VIDEO, ms));
    const opened = view('/flv/cam.flv');
    await vi.waitFor(() => expect(flv.viewerCount).toBe(1));
    expect(hub.sessions.size).toBe(0);
    stream.publish(packet(VIDEO, 15_000));
    expect((await opened).response.statusCode).toBe(200);
  });

  it('gets a track that comes after all, with its configuration before it', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    stream.publish(packet(VIDEO, 0));
    const viewer = await view('/flv/cam.flv');
    stream.publish(packet(AUDIO, 40));
    await vi.waitFor(() => expect(viewer.summary).toMatch(/V0 m40 ac40 a40$/));
  });

  it('sees time go on and new configurations when the publisher comes back', async () => {
    await restart({}, { graceMs: 5000 });
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 80 });
    const viewer = await view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.summary).toMatch(/a40$/));
    hub.streams.unpublish(stream, PUBLISHER, 'gone');
    const again = { ...PUBLISHER };
    expect(hub.streams.publish('cam', again)).toBe(stream);
    stream.publish(packet({ ...VIDEO }, 500));
    stream.publish(packet({ ...AUDIO }, 510));
    await vi.waitFor(() => expect(viewer.summary).toMatch(/a40 m500 vc500 V500 m510 ac510 a510$/));
  });

  it('is ended cleanly, with all that was sent, when the stream is over', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 80 });
    const viewer = await view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    stream.publish(packet(VIDEO, 80, { key: false }));
    hub.streams.unpublish(stream, PUBLISHER, 'publisher stopped');
    expect(await viewer.ended).toBe(true);
    expect(viewer.summary).toMatch(/v80$/);
    await vi.waitFor(() => expect(web.connections).toBe(0));
  });

  it('who leaves is forgotten', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 80 });
    const viewer = await view('/flv/cam.flv');
    await vi.waitFor(() => expect(stream.viewers).toBe(1));
    viewer.close();
    await vi.waitFor(() => expect([stream.viewers, stream.readerCount, flv.viewerCount]).toEqual([0, 0, 0]));
  });

  it('who ends only its own side is let go as well', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 80 });
    const socket = connect({ port: web.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write('GET /flv/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    expect(stream.viewers).toBe(1);
    socket.end();
    await vi.waitFor(() => expect([stream.viewers, web.connections]).toEqual([0, 0]));
    socket.destroy();
  });

  it('who reads nothing for too long is dropped', async () => {
    await restart({ viewerStallTimeoutMs: 400 });
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 80 });
    const viewer = await view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    viewer.response.pause();
    let ms = 1000;
    const pump = (): void => {
      feed(stream, { fromMs: ms, toMs: ms + 1000, bytes: 200_000 });
      ms += 1000;
    };
    await vi.waitFor(() => {
      pump();
      expect(stream.viewers).toBe(0);
    }, 10_000);
    await vi.waitFor(() => expect(web.connections).toBe(0));
    const reasons = hub.log.lines.map(({ fields }) => (fields as { reason?: string }).reason);
    expect(reasons).toContain('viewer has not read for 400 ms');
  });

  it('who falls behind for a while goes on at a key frame with nothing torn', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const viewer = await view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    viewer.response.pause();
    for (let ms = 1000; ms < 60_000; ms += 1000) {
      feed(stream, { fromMs: ms, toMs: ms + 1000, bytes: 100_000 });
      await new Promise((resolve) => setImmediate(resolve));
    }
    viewer.response.resume();
    const [session] = hub.sessions.all();
    await vi.waitFor(() => expect(session?.describe().drops.slow_viewer).toBeGreaterThan(0));
    stream.publish(packet(VIDEO, 60_000));
    await vi.waitFor(() => expect(viewer.summary).toMatch(/V60000$/));
    expect(viewer.summary).toMatch(/ m0 vc0 ac0 V\d+/);
  });
});

describe('many viewers', () => {
  it('get the same bytes in a few shared writes', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const all = await Promise.all(Array.from({ length: 60 }, () => view('/flv/cam.flv')));
    await vi.waitFor(() => expect(all.every((viewer) => viewer.tags.length === 5)).toBe(true));
    const pieces = all.map((viewer) => {
      const count = { value: 0 };
      viewer.response.on('data', () => count.value++);
      return count;
    });
    for (let i = 1; i <= 20; i++) stream.publish(packet(AUDIO, i * 20));
    await vi.waitFor(() => expect(all.every((viewer) => viewer.summary.endsWith('a400'))).toBe(true));
    expect(new Set(all.map((viewer) => viewer.summary)).size).toBe(1);
    for (const { value } of pieces) expect(value).toBeLessThanOrEqual(4);
    expect(stream.readerCount).toBe(1);
    expect(stream.viewers).toBe(60);
  });

  it('are refused beyond the limit, until one leaves', async () => {
    await restart({ maxViewers: 2 });
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const first = await view('/flv/cam.flv');
    await view('/flv/cam.flv');
    const { status, body, response } = await refusal('/flv/cam.flv');
    expect([status, body['message']]).toEqual([503, expect.stringContaining('flv_max_viewers')]);
    expect(response.headers.get('retry-after')).toBe('2');
    first.close();
    await vi.waitFor(() => expect(flv.viewerCount).toBe(1));
    expect((await view('/flv/cam.flv')).response.statusCode).toBe(200);
  });
});

describe('a session', () => {
  it('is listed with its connection, its figures and the parameters of its URL', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const viewer = await view('/flv/cam.flv?token=abc&__proto__=x');
    await vi.waitFor(() => expect(viewer.tags).toHaveLength(5));
    const [session] = [...hub.sessions.all()].map((s) => s.describe());
    expect(session).toMatchObject({
      protocol: 'flv',
      mediaProvider: 'HTTP-FLV',
      mediaType: 'play',
      streamName: 'cam',
      status: 'PLAYING',
      remoteAddress: '127.0.0.1',
      bytesOut: viewer.bytes,
      packets: 2,
      custom: { token: 'abc' },
    });
    const connection = hub.connections.get(session?.sessionId ?? '');
    expect(connection?.describe()).toMatchObject({
      mediaProvider: 'HTTP-FLV',
      status: 'ESTABLISHED',
      keepAlive: false,
    });
    connection?.close('test');
    expect(await viewer.ended).toBe(true);
    expect(hub.sessions.totals()).toContainEqual(
      expect.objectContaining({ protocol: 'flv', active: 0, opened: 1, packets: 2, bytesOut: viewer.bytes }),
    );
  });

  it('ends when it is told to', async () => {
    feed(hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
    const viewer = await view('/flv/cam.flv');
    for (const session of [...hub.sessions.all()]) session.close('by REST');
    expect(await viewer.ended).toBe(true);
    expect(hub.sessions.size).toBe(0);
  });

  it('of a viewer who does not read ends in time when the server stops', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 1000, bytes: 1_000_000 });
    const viewer = await view('/flv/cam.flv');
    viewer.response.pause();
    const started = performance.now();
    await flv.close();
    expect(performance.now() - started).toBeLessThan(2000);
    expect(web.connections).toBe(0);
    expect((await refusal('/flv/cam.flv')).status).toBe(503);
  });
});

describe('a request that can not be answered with a stream', () => {
  it('waits for an unknown stream, then gets 404 that says what to do', async () => {
    const { status, body, response } = await refusal('/flv/nobody.flv?a=1');
    expect(status).toBe(404);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(body).toEqual({
      timestamp: expect.any(Number),
      status: 404,
      error: 'Not Found',
      message: expect.stringMatching(/"nobody".*publish it first/),
      path: '/flv/nobody.flv',
    });
  });

  it('plays a stream that appears while it waits', async () => {
    await restart({ playWaitMs: 5000 });
    const opened = view('/flv/soon.flv');
    await vi.waitFor(() => expect(flv.viewerCount).toBe(1));
    feed(hub.streams.publish('soon', PUBLISHER), { fromMs: 0, toMs: 40 });
    expect((await opened).response.statusCode).toBe(200);
  });

  it('gets 503 for a stream that sends nothing', async () => {
    hub.streams.publish('cam', PUBLISHER);
    expect((await refusal('/flv/cam.flv')).status).toBe(503);
  });

  it('gets 404 when the stream ends before it has sent anything', async () => {
    await restart({ mediaWaitMs: 60_000 });
    const stream = hub.streams.publish('cam', PUBLISHER);
    const answer = refusal('/flv/cam.flv');
    await vi.waitFor(() => expect(flv.viewerCount).toBe(1));
    hub.streams.unpublish(stream, PUBLISHER, 'gone');
    expect((await answer).status).toBe(404);
  });

  it('gets 415 when nothing of the stream is left for it', async () => {
    hub.streams.publish('cam', PUBLISHER).publish(packet(AUDIO, 0));
    const { status, body } = await refusal('/flv/cam.flv?audio=0');
    expect([status, body['message']]).toEqual([415, expect.stringContaining('"cam" has aac')]);
  });

  it('gets 404 or 400 for paths that name no stream, whatever they hold', async () => {
    const paths: [string, number][] = [
      ['/flv/', 404],
      ['/flv/.flv', 404],
      ['/flv/cam', 404],
      ['/flv/cam.mp4', 404],
      ['/flv/%ff.flv', 400],
      ['/flv/%00.flv', 400],
      ['/flv/cam.flv?video=0&audio=0', 400],
      [`/flv/${'x'.repeat(1025)}.flv`, 400],
      ['/flv/%2e%2e%2f%2e%2e%2fetc%2fpasswd.flv', 404],
    ];
    for (const [path, status] of paths) expect([path, (await refusal(path)).status]).toEqual([path, status]);
    const raw = await exchange(
      web.port,
      'GET /flv/../../etc/passwd.flv HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    expect(raw).toMatch(/^HTTP\/1\.1 404 .*no stream \\"\.\.\/\.\.\/etc\/passwd\\"/s);
  });

  it('takes names with slashes and other signs', async () => {
    for (const name of ['a/b', 'ünï ✓', 'x.flv', 'q?a=1']) {
      feed(hub.streams.publish(name, PUBLISHER), { fromMs: 0, toMs: 40 });
      expect((await view(`/flv/${encodeURIComponent(name)}.flv`)).response.statusCode).toBe(200);
    }
    expect((await view('/flv/a/b.flv')).response.statusCode).toBe(200);
  });

  it('gets 405 for other methods', async () => {
    const { status, response } = await refusal('/flv/cam.flv', { method: 'POST', body: 'x' });
    expect([status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  });

  it('behind an endless answer on the same connection ends that connection, not the server', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const get = 'GET /flv/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n';
    const answer = exchange(web.port, get.repeat(50));
    await vi.waitFor(() => expect(stream.viewers).toBe(1));
    expect(flv.viewerCount).toBe(1);
    hub.streams.unpublish(stream, PUBLISHER, 'gone');
    expect((await answer).match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('answers HEAD as GET, without a viewer', async () => {
    const stream = hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const response = await fetch(url('/flv/cam.flv'), { method: 'HEAD' });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'video/x-flv']);
    expect((await fetch(url('/flv/nobody.flv'), { method: 'HEAD' })).status).toBe(404);
    expect(hub.sessions.totals()).toEqual([]);
    await vi.waitFor(() => expect(flv.viewerCount).toBe(0));
  });

  it('answers a preflight, with the headers of the settings', async () => {
    await restart({
      headers: [
        ['Access-Control-Allow-Origin', 'https://example.org'],
        ['Access-Control-Allow-Headers', 'x-token'],
      ],
    });
    const response = await fetch(url('/flv/cam.flv'), { method: 'OPTIONS' });
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': 'https://example.org',
      'access-control-allow-headers': 'x-token',
      'access-control-allow-methods': 'GET, HEAD, OPTIONS',
    });
  });

  it('refuses settings whose headers can not be sent', () => {
    const make = () => new FlvServer({ ...hub, resolvers: [], ticker: new Ticker() }, { headers: [['a b', 'c']] });
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('a stream that a resolver makes live', () => {
  it('plays, and the resolver’s errors are told', async () => {
    const resolver: StreamResolver = {
      accepts: (name) => name.startsWith('vod-live://'),
      resolve: (name): Promise<Stream | undefined> => {
        if (name.endsWith('bad.mp4')) throw new MediaServerError('FILE_INVALID', 'bad.mp4 is no MP4 file');
        if (name.endsWith('none.mp4')) return Promise.resolve(undefined);
        const stream = hub.streams.publish(name, PUBLISHER);
        feed(stream, { fromMs: 0, toMs: 40 });
        return Promise.resolve(stream);
      },
    };
    await restart({}, { resolvers: [resolver] });
    expect((await view('/flv/vod-live://clip.mp4.flv')).response.statusCode).toBe(200);
    expect((await refusal('/flv/vod-live%3A%2F%2Fnone.mp4.flv')).status).toBe(404);
    expect(await refusal('/flv/vod-live%3A%2F%2Fbad.mp4.flv')).toMatchObject({
      status: 400,
      body: { message: 'bad.mp4 is no MP4 file' },
    });
  });
});

it('survives mutated requests', async () => {
  await restart({ playWaitMs: 0 });
  feed(hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
  const random = prng(7);
  const seeds = [
    'GET /flv/cam.flv?a=%41 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    'GET /flv/cam.flv HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x82\x05hello',
  ].map((text) => Buffer.from(text, 'latin1'));
  for (let round = 0; round < 300; round++) {
    const socket = connect({ port: web.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.resume();
    socket.end(mutate(seeds[round % 2] ?? Buffer.alloc(0), random));
    await once(socket, 'close');
  }
  await vi.waitFor(() => expect([flv.viewerCount, web.connections]).toEqual([0, 0]));
  expect((await view('/flv/cam.flv')).response.statusCode).toBe(200);
  expect(hub.log.lines.filter((line) => line.level === 'error')).toEqual([]);
}, 30_000);
