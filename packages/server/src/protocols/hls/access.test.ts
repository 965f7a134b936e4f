import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Track } from '@sluice/media';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type AccessControl,
  Adaptations,
  type ErrorCode,
  MediaServerError,
  SessionRegistry,
  StreamRegistry,
  type ViewerIntroduction,
} from '../../core/index.ts';
import { ScriptedAccess } from '../../core/testing/scripted-access.ts';
import type { HlsOptions } from './options.ts';
import { HlsServer } from './server.ts';
import { fakeCounters, fakeLog, feed, ManualTicker, PUBLISHER } from './testing/fakes.ts';

/** 640x360, so that there is a configuration to write. */
const VIDEO: Track = {
  id: 0,
  kind: 'video',
  codec: 'h264',
  clockRate: 90_000,
  parameters: [
    Buffer.from('6742c01ed900a02ff97011000003000100000300320f162e48', 'hex'),
    Buffer.from('68cb83cb20', 'hex'),
  ],
};
/** Names of the two playlists, a segment and what it needs. */
async function files(): Promise<readonly string[]> {
  const view = access.view;
  const open: AccessControl['view'] = () => undefined;
  Object.assign(access, { view: open });
  const playlist = await (await fetch(`${rig.base}/cam.m3u8`, { headers: { 'User-Agent': 'test' } })).text();
  Object.assign(access, { view });
  const [init] = /cam_init_\d+\.mp4/.exec(playlist) ?? [];
  const [segment] = /cam_\d+\.m4s/.exec(playlist) ?? [];
  if (init === undefined || segment === undefined) throw new Error(playlist);
  return ['cam.m3u8', 'index.m3u8', segment, init];
}

let access: ScriptedAccess;
let rig: Awaited<ReturnType<typeof makeRig>>;

async function makeRig(options: Partial<HlsOptions> = {}) {
  const streams = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 10 });
  const sessions = new SessionRegistry();
  const log = fakeLog();
  const counters = fakeCounters();
  const adaptations = new Adaptations({ converter: undefined, log, counters });
  const deps = { streams, sessions, resolvers: [], adaptations, access, log, counters, ticker: new ManualTicker() };
  const server = new HlsServer(deps, { host: '127.0.0.1', port: 0, autoStart: true, ...options });
  await server.start();
  feed(streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 7000, video: VIDEO });
  return { ...deps, server, base: `http://127.0.0.1:${server.port}/cam` };
}

beforeEach(async () => {
  access = new ScriptedAccess();
  rig = await makeRig();
});

afterEach(async () => {
  await rig.server.close();
  rig.streams.close();
});

function viewers(): readonly Partial<ViewerIntroduction>[] {
  return access.calls.filter(({ what }) => what === 'view').map(({ fields }) => fields);
}

test('a viewer is asked about before each playlist and segment, with its session and what its address says', async () => {
  const query = '?token=t.0-_&aclAuth=k&appKey=shop&x=1';
  const custom = { token: 't.0-_', aclAuth: 'k', appKey: 'shop', x: '1' };
  for (const file of await files()) expect((await fetch(`${rig.base}/${file}${query}`)).status).toBe(200);
  expect(viewers()).toHaveLength(4);
  const session = [...rig.sessions.all()].map((s) => s.describe()).find(({ appKey }) => appKey === 'shop');
  for (const viewer of viewers()) {
    expect(viewer).toEqual({
      sessionId: session?.sessionId,
      mediaSessionId: session?.mediaSessionId,
      appKey: 'shop',
      protocol: 'hls',
      mediaProvider: 'HLS',
      remoteAddress: '127.0.0.1',
      streamName: 'cam',
      custom,
    });
  }
  expect(session).toMatchObject({ appKey: 'shop', custom });
  expect(session?.mediaSessionId).toMatch(/^[0-9a-f-]{36}-cam-HLS$/);
  await fetch(`${rig.base}/cam.m3u8`, { headers: { 'User-Agent': 'other' } });
  expect(viewers().at(-1)).toMatchObject({ appKey: 'defaultApp', custom: {} });
});

test.each([
  ['TOKEN_REQUIRED', 401],
  ['ACCESS_DENIED', 401],
  ['APPLICATION_UNKNOWN', 403],
  ['TOO_MANY_ATTEMPTS', 429],
] as const)(
  '%s is answered with %i, for playlists, segments and names that are not live alike',
  async (code, status) => {
    access.answer = () => {
      throw new MediaServerError(code satisfies ErrorCode, 'no, said the back end');
    };
    for (const url of [...(await files()).map((file) => `${rig.base}/${file}`), `${rig.base}/../none/none.m3u8`]) {
      const response = await fetch(url);
      expect([response.status, await response.json()]).toEqual([status, { code, message: 'no, said the back end' }]);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
      expect(response.headers.get('retry-after')).toBe(status === 429 ? '2' : null);
    }
    expect(rig.counters.counts['hls_denied']).toBe(5);
    expect(rig.sessions.size).toBe(1);
  },
);

test('who leaves during a slow answer costs nothing when that comes', async () => {
  let answer: (() => void) | undefined;
  access.answer = () => new Promise((resolve) => (answer = () => resolve(undefined)));
  const abort = new AbortController();
  const left = fetch(`${rig.base}/cam.m3u8`, { signal: abort.signal }).catch((error: Error) => error.name);
  await expect.poll(() => answer).toBeDefined();
  abort.abort();
  expect(await left).toBe('AbortError');
  answer?.();
  access.answer = () => undefined;
  expect((await fetch(`${rig.base}/cam.m3u8`)).status).toBe(200);
  expect(rig.log.problems).toEqual([]);
});

test('a fault while asking fails that request only, and in words of ours', async () => {
  access.answer = () => {
    throw new Error('secret');
  };
  const response = await fetch(`${rig.base}/cam.m3u8`);
  expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining('secret')]);
  expect(rig.log.problems).toEqual([expect.stringContaining('hls request failed')]);
});

test('who is known is answered while requests beyond the bound are turned away', async () => {
  await rig.server.close();
  rig = await makeRig({ maxHeldRequests: 2 });
  const answers: (() => void)[] = [];
  access.answer = (_what, { custom }) =>
    (custom as Record<string, string>)['token'] === 'known'
      ? undefined
      : new Promise((resolve) => answers.push(() => resolve(undefined)));
  const slow = [fetch(`${rig.base}/cam.m3u8?token=1`), fetch(`${rig.base}/cam.m3u8?token=2`)];
  await expect.poll(() => answers.length).toBe(2);
  expect((await fetch(`${rig.base}/cam.m3u8?token=3`)).status).toBe(503);
  expect((await fetch(`${rig.base}/cam.m3u8?token=known`)).status).toBe(200);
  // Not either when it then has to wait for its stream.
  const stream = rig.streams.publish('late', PUBLISHER);
  const held = fetch(`${rig.base}/../late/late.m3u8?token=known`);
  await expect.poll(() => rig.server.heldRequests).toBe(1);
  feed(stream, { fromMs: 0, toMs: 7000, video: VIDEO });
  expect((await held).status).toBe(200);
  for (const open of answers) open();
  for (const response of slow) expect((await response).status).toBe(200);
});

test('a client that does not wait for its answers can not make them pile up', async () => {
  await rig.server.close();
  rig = await makeRig({ maxHeldRequests: 1 });
  const answers: (() => void)[] = [];
  access.answer = () => new Promise((resolve) => answers.push(() => resolve(undefined)));
  const socket = connect({ port: rig.server.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.write('GET /cam/cam.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(10));
  socket.resume();
  await once(socket, 'close');
  for (const open of answers) open();
  access.answer = () => undefined;
  expect((await fetch(`${rig.base}/cam.m3u8`)).status).toBe(200);
  expect(rig.log.problems).toEqual([]);
});

test('most requests cost no promise: what is known at once is answered at once', async () => {
  const names = await files();
  const open: AccessControl['view'] = () => undefined;
  Object.assign(access, { view: open });
  for (const file of names) expect((await fetch(`${rig.base}/${file}`)).status).toBe(200);
});

test('FFmpeg carries the token from the playlist to every segment', async () => {
  const needed = { token: 'eyJh.eyJz.c2ln-_', aclAuth: 'k', appKey: 'shop' };
  access.answer = (_what, { custom }) =>
    JSON.stringify(custom) === JSON.stringify(needed) ? undefined : { deny: 'no token' };
  const stream = rig.streams.get('cam');
  if (stream !== undefined) rig.streams.unpublish(stream, PUBLISHER, 'over');
  const query = new URLSearchParams(needed).toString();
  for (const [url, copied] of [
    [`${rig.base}/index.m3u8?${query}`, true],
    [`${rig.base}/index.m3u8`, false],
  ] as const) {
    const child = spawn('ffmpeg', ['-v', 'error', '-i', url, '-c', 'copy', '-f', 'null', '-'], { timeout: 20_000 });
    let text = '';
    child.stderr.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    expect(code === 0).toBe(copied);
    if (!copied) expect(text).toContain('401 Unauthorized');
  }
  expect(viewers().length).toBeGreaterThanOrEqual(5);
});
