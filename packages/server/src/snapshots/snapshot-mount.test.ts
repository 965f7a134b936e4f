import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MediaServerError, type Snapshots } from '../core/index.ts';
import { feedInto, H264, packet } from '../core/testing/adaptation-fixture.ts';
import { ScriptedAccess } from '../core/testing/scripted-access.ts';
import { DEFAULT_SNAPSHOT_MOUNT_OPTIONS, SnapshotMount, type SnapshotMountOptions } from './index.ts';
import { newScene, until } from './testing/scene.ts';

let scene: ReturnType<typeof newScene>;
let access: ScriptedAccess;
let mount: SnapshotMount;
let server: Server;
/** Pictures that the mount has asked for. */
let taken: number;
let base: string;

async function serve(options: Partial<SnapshotMountOptions> = {}): Promise<void> {
  scene = newScene({ takingIntervalMs: 50, takingAttempts: 2 });
  access = new ScriptedAccess();
  taken = 0;
  const snapshots: Pick<Snapshots, 'take'> = {
    take: (request) => {
      taken++;
      return scene.snapshots.take(request);
    },
  };
  mount = new SnapshotMount({ ...scene, snapshots, access }, { ...DEFAULT_SNAPSHOT_MOUNT_OPTIONS, ...options });
  server = createServer((request, response) => mount.request(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(): Promise<void> {
  await mount.close();
  await scene.snapshots.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

beforeEach(() => serve());
afterEach(async () => {
  await stop();
  expect([mount.load, scene.snapshots.pending]).toEqual([{ held: 0, cachedBytes: 0 }, 0]);
});

const get = (path: string, init: RequestInit = {}) => fetch(`${base}${path}`, init);
const FILE = Uint8Array.of(0xff, 0xd8, 1, 2, 3);

/** A stream whose pictures are made at once, each with other bytes. */
function published(name: string) {
  let made = 0;
  scene.pictures.answer = () => Uint8Array.of(...FILE, made >> 8, made++);
  const stream = scene.publish(name);
  feedInto(stream, { video: H264 }, { from: 0, to: 200 });
  return stream;
}

describe('the address of a picture', { timeout: 60_000 }, () => {
  it('gives the newest key frame as JPEG or PNG', async () => {
    published('cam');
    const answer = await get('/snapshot/cam.jpg');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
    expect(new Uint8Array(await answer.arrayBuffer()).slice(0, 5)).toEqual(FILE);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect((await get('/snapshot/cam.PNG')).headers.get('content-type')).toBe('image/png');
    expect(scene.pictures.asked.map(({ packets, form }) => [packets.length, form.format])).toEqual([
      [1, 'jpeg'],
      [1, 'png'],
    ]);
    expect(scene.counters.of('snapshot_requests')).toBe(2);
  });

  it('may have slashes, dots and any other characters in the name', async () => {
    for (const name of ['a/b', 'a.jpg', 'caméra 1', 'a.b.c', '..', 'x?y#z%', '.jpg']) {
      published(name);
      const encoded = encodeURIComponent(name).replace(/\./g, '%2e');
      expect((await get(`/snapshot/${encoded}.jpg`)).status).toBe(200);
    }
    expect((await get('/snapshot/a/b.jpg')).status).toBe(200);
  });

  it('gives sizes and qualities in steps, so that pages share pictures', async () => {
    published('cam');
    for (const query of ['?width=300', '?width=310&quality=75', '?width=320&quality=71', '?width=320&quality=80'])
      expect((await get(`/snapshot/cam.jpg${query}`)).status).toBe(200);
    await get('/snapshot/cam.png?height=500&quality=5');
    expect(scene.pictures.asked.map(({ form }) => [form.width, form.height, form.quality])).toEqual([
      [320, undefined, 80],
      [undefined, 640, undefined],
    ]);
  });

  it.each([
    ['/snapshot/cam', 404],
    ['/snapshot/cam.gif', 404],
    ['/snapshot/.jpg', 404],
    ['/snapshot/nobody.jpg', 404],
    ['/snapshot/%zz.jpg', 400],
    ['/snapshot/%00.jpg', 400],
    ['/snapshot/cam.jpg?width=0', 400],
    ['/snapshot/cam.jpg?height=4097', 400],
    ['/snapshot/cam.jpg?width=1e3', 400],
    ['/snapshot/cam.jpg?quality=101', 400],
    ['/snapshot/cam.jpg?quality=-1', 400],
  ])('%s is answered with %i', async (path, status) => {
    published('cam');
    const answer = await get(path);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ status, path: path.split('?')[0], message: expect.any(String) });
    expect(scene.pictures.asked).toEqual([]);
  });

  it('knows HEAD and OPTIONS, and no other method than GET', async () => {
    published('cam');
    const head = await get('/snapshot/cam.jpg', { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), (await head.arrayBuffer()).byteLength]).toEqual([
      200,
      '7',
      0,
    ]);
    const options = await get('/snapshot/cam.jpg', { method: 'OPTIONS' });
    expect([options.status, options.headers.get('access-control-allow-methods')]).toEqual([204, 'GET, HEAD, OPTIONS']);
    expect(options.headers.get('access-control-allow-headers')).toMatch(/authorization/i);
    expect((await get('/snapshot/cam.jpg', { method: 'POST', body: 'x' })).status).toBe(405);
  });
});

describe('a picture that is kept', { timeout: 60_000 }, () => {
  it('is given to all without being made again, and its tag saves sending it', async () => {
    published('cam');
    const first = await get('/snapshot/cam.jpg');
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    expect(first.headers.get('cache-control')).toBe('max-age=1');
    for (const known of [etag, `"other", W/${etag}`, '*']) {
      const again = await get('/snapshot/cam.jpg', { headers: { 'if-none-match': known } });
      expect([again.status, again.headers.get('etag'), (await again.arrayBuffer()).byteLength]).toEqual([304, etag, 0]);
    }
    expect((await get('/snapshot/cam.jpg', { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
    expect(scene.pictures.asked).toHaveLength(1);
  });

  it('is made again when there is a newer key frame, but not before its time is over', async () => {
    await stop();
    await serve({ cacheMs: 1500 });
    const stream = published('cam');
    const tag = async () => (await get('/snapshot/cam.jpg')).headers.get('etag');
    const first = await tag();
    stream.publish(packet(H264, 1000, { key: true }));
    expect(await tag()).toBe(first);
    await until(async () => (await tag()) !== first, 'it is another one');
    expect(scene.pictures.asked).toHaveLength(2);
    await new Promise((resolve) => setTimeout(resolve, 1600));
    await tag();
    expect(scene.pictures.asked).toHaveLength(2);
  });

  it('is forgotten when its stream ends, and never given for another one of that name', async () => {
    const stream = published('cam');
    const first = (await get('/snapshot/cam.jpg')).headers.get('etag');
    expect(mount.load.cachedBytes).toBeGreaterThan(0);
    scene.streams.end(stream, 'over');
    expect(mount.load.cachedBytes).toBe(0);
    expect((await get('/snapshot/cam.jpg')).status).toBe(404);
    feedInto(scene.publish('cam'), { video: H264 }, { from: 0, to: 200 });
    expect((await get('/snapshot/cam.jpg')).headers.get('etag')).not.toBe(first);
  });

  it('makes room for others when all take too much', async () => {
    await stop();
    await serve({ maxCacheBytes: 100_000 });
    for (let i = 0; i < 20; i++) feedInto(scene.publish(`s${i}`), { video: H264 }, { from: 0, to: 200 });
    scene.pictures.answer = () => new Uint8Array(9000);
    for (let i = 0; i < 20; i++) await get(`/snapshot/s${i}.jpg`);
    expect(mount.load.cachedBytes).toBe(99_000);
    await get('/snapshot/s19.jpg');
    expect(scene.pictures.asked).toHaveLength(20);
    await get('/snapshot/s0.jpg');
    expect(scene.pictures.asked).toHaveLength(21);
  });

  it('is kept in few forms for each stream, and few are made at the same time', async () => {
    published('cam');
    for (const width of [32, 64, 96, 128, 160, 240, 320, 480, 640])
      for (const quality of [10, 20, 30]) await get(`/snapshot/cam.jpg?width=${width}&quality=${quality}`);
    expect(mount.load.cachedBytes).toBe(16 * 7);
    scene.pictures.answer = undefined;
    feedInto(scene.publish('busy'), { video: H264 }, { from: 0, to: 200 });
    const many = [32, 64, 96, 128, 160, 240].map((width) => get(`/snapshot/busy.jpg?width=${width}`));
    await until(() => scene.pictures.asked.length === 27 + 4, 'four are made');
    const refused = await Promise.race(many);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
    for (const { settle } of scene.pictures.asked) settle(FILE);
    expect((await Promise.all(many)).filter(({ status }) => status === 200)).toHaveLength(4);
  });

  it('costs one picture for each camera, however many pages ask', async () => {
    const cameras = Array.from({ length: 100 }, (_, i) => `cam${i}`);
    for (const name of cameras) feedInto(scene.publish(name), { video: H264 }, { from: 0, to: 200 });
    const asking = Array.from({ length: 4 }, () => cameras.map((name) => get(`/snapshot/${name}.jpg`))).flat();
    await until(() => mount.load.held === 400, 'all wait');
    for (const { settle } of scene.pictures.asked) settle(FILE);
    const answers = await Promise.all(asking);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect([taken, scene.pictures.asked.length]).toEqual([100, 100]);
  });
});

describe('a request for a picture', { timeout: 60_000 }, () => {
  it('is answered with 503 when none could be taken, and the stream is left alone for a while', async () => {
    const stream = scene.publish('cam');
    const first = await get('/snapshot/cam.jpg');
    expect([first.status, first.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await first.json()).toMatchObject({ message: expect.stringContaining('no key frame came') });
    feedInto(stream, { video: H264 }, { from: 0, to: 200 });
    expect((await get('/snapshot/cam.jpg')).status).toBe(503);
    expect(scene.pictures.asked).toEqual([]);
  });

  it.each([
    ['TOKEN_REQUIRED', 401],
    ['ACCESS_DENIED', 401],
    ['TOO_MANY_ATTEMPTS', 429],
  ] as const)('is refused where the access says %s', async (code, status) => {
    published('cam');
    access.answer = () => {
      throw new MediaServerError(code, 'no');
    };
    expect((await get('/snapshot/cam.jpg')).status).toBe(status);
    expect((await get('/snapshot/nobody.jpg')).status).toBe(status);
    expect(scene.pictures.asked).toEqual([]);
    expect(scene.counters.of('snapshot_requests_refused')).toBe(2);
  });

  it('tells the access whose it is, for which stream, and with what token', async () => {
    published('a/b');
    await get('/snapshot/a%2Fb.jpg?width=10&token=t1&appKey=app&x=y');
    await get('/snapshot/a%2Fb.jpg', { headers: { authorization: 'Bearer t2' } });
    expect(access.calls[0]?.fields).toMatchObject({
      ...{ protocol: 'snapshot', streamName: 'a/b', appKey: 'app', remoteAddress: '127.0.0.1' },
      custom: { token: 't1', x: 'y' },
    });
    expect(access.calls[1]?.fields).toMatchObject({ appKey: 'defaultApp', custom: { token: 't2' } });
  });

  it('of a page that may not see it is refused', async () => {
    await stop();
    await serve({ allowsOrigin: (origin) => origin === undefined });
    published('cam');
    expect((await get('/snapshot/cam.jpg', { headers: { origin: 'http://evil.example' } })).status).toBe(403);
    expect((await get('/snapshot/cam.jpg')).status).toBe(200);
  });

  it('that waits is answered when the server stops', async () => {
    feedInto(scene.publish('cam'), { video: H264 }, { from: 0, to: 200 });
    const waiting = get('/snapshot/cam.jpg');
    await until(() => scene.pictures.asked.length === 1, 'it is made');
    await mount.close();
    expect((await waiting).status).toBe(503);
    expect((await get('/snapshot/cam.jpg')).status).toBe(503);
  });
});
