import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { MediaServerError, type StreamResolver } from '../../core/index.ts';
import { ScriptedAccess } from '../../core/testing/scripted-access.ts';
import type { FlvOptions } from './index.ts';
import { FlvFixture } from './testing/flv-fixture.ts';
import { feed, PUBLISHER } from './testing/packets.ts';
import { exchange } from './testing/viewers.ts';

let access: ScriptedAccess;
let fixture: FlvFixture;

async function start(
  answer: ScriptedAccess['answer'] = () => undefined,
  options: Partial<FlvOptions> = {},
  resolvers: readonly StreamResolver[] = [],
) {
  access = new ScriptedAccess();
  access.answer = answer;
  fixture = await FlvFixture.start(options, { access, resolvers: () => [...resolvers] });
}

/** Whatever a test did, each path tells of the end of what was admitted, once. */
afterEach(async () => {
  await fixture.close();
  await vi.waitFor(() => expect(access.open).toBe(0));
  expect(access.problems).toEqual([]);
});

function publish(name: string): void {
  feed(fixture.hub.streams.publish(name, PUBLISHER), { fromMs: 0, toMs: 400 });
}

function fieldsOf(what: string) {
  return access.calls.find((call) => call.what === what)?.fields;
}

test('a viewer is introduced and asked about with what its address and its header say, and told of', async () => {
  await start();
  publish('cam');
  const viewer = await fixture.view('/flv/cam.flv?appKey=shop&a=1&audio=0');
  await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(3));
  expect(fieldsOf('connect')).toMatchObject({ appKey: 'shop', protocol: 'flv', custom: { a: '1' } });
  expect(fieldsOf('play')).toMatchObject({
    name: 'cam',
    mediaProvider: 'HTTP-FLV',
    hasVideo: true,
    hasAudio: false,
    custom: { a: '1' },
    fields: { record: false, width: 0 },
  });
  const [connection] = [...fixture.hub.connections.all()];
  expect(connection?.describe()).toMatchObject({ appKey: 'shop', custom: { a: '1' } });
  expect(access.sessions[0]?.describe()).toMatchObject({ appKey: 'shop', streamName: 'cam', status: 'PLAYING' });
  viewer.close();
  await vi.waitFor(() => expect(access.open).toBe(0));
  expect(access.whats).toEqual(['connect', 'established', 'play', 'active', 'ended', 'end']);
  expect(fieldsOf('ended')).toEqual({ name: 'cam', status: 'STOPPED', info: 'Stopped by session disconnect' });
});

test('a token in the Authorization header is one of the address, and is shown to nobody', async () => {
  await start();
  publish('cam');
  const headers = { Authorization: 'Bearer a.b-c_d' };
  const viewer = await fixture.viewByWebSocket('/flv/cam.flv?token=other', { headers });
  await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(3));
  expect(fieldsOf('connect')?.['custom']).toEqual({ token: 'a.b-c_d' });
  expect(fieldsOf('play')).toMatchObject({ mediaProvider: 'WS-FLV', custom: { token: 'a.b-c_d' } });
  const shown = [...fixture.hub.sessions.all(), ...fixture.hub.connections.all()].map((entry) => entry.describe());
  expect(JSON.stringify(shown)).not.toContain('a.b-c_d');
});

test.each([
  ['connect', 'APPLICATION_UNKNOWN', 403],
  ['connect', 'TOO_MANY_ATTEMPTS', 429],
  ['play', 'TOKEN_REQUIRED', 401],
  ['play', 'ACCESS_DENIED', 403],
] as const)('a refusal of %s for %s is answered with %i and the words of the back end', async (what, code, status) => {
  await start((asked) => {
    if (asked === what) throw new MediaServerError(code, 'no, said the back end');
    return undefined;
  });
  publish('cam');
  const refusal = await fixture.refusal('/flv/cam.flv');
  expect([refusal.status, refusal.body]).toEqual([
    status,
    {
      timestamp: expect.any(Number),
      status,
      error: expect.any(String),
      message: 'no, said the back end',
      path: '/flv/cam.flv',
    },
  ]);
  expect(refusal.headers.get('access-control-allow-origin')).toBe('*');
  if (status === 401) expect(refusal.headers.get('www-authenticate')).toBe('Bearer');
  if (status === 429) expect(refusal.headers.get('retry-after')).toBe('2');
  await expect(fixture.viewByWebSocket('/flv/cam.flv')).rejects.toThrow(`Unexpected server response: ${status}`);
  expect(fixture.hub.counters.of('flv_refused')).toBe(2);
  expect(fixture.hub.streams.get('cam')?.viewers).toBe(0);
});

test('a viewer plays the stream that the back end chose, and never hears of its name', async () => {
  await start((what) => (what === 'play' ? { fields: { name: 'secret' } } : undefined));
  const missing = await fixture.refusal('/flv/cam.flv');
  expect([missing.status, JSON.stringify(missing.body)]).toEqual([404, expect.not.stringContaining('secret')]);
  expect(fieldsOf('ended')).toMatchObject({ status: 'FAILED', info: 'Stream not found' });
  const stream = fixture.hub.streams.publish('secret', PUBLISHER);
  const silent = await fixture.refusal('/flv/cam.flv');
  expect([silent.status, JSON.stringify(silent.body)]).toEqual([503, expect.not.stringContaining('secret')]);
  feed(stream, { fromMs: 0, toMs: 400 });
  const viewer = await fixture.view('/flv/cam.flv');
  await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(3));
  expect(access.sessions[0]?.describe().streamName).toBe('secret');
  fixture.hub.streams.unpublish(stream, PUBLISHER, 'over');
  await viewer.ended;
  const infos = access.calls.filter(({ what }) => what === 'ended').map(({ fields }) => fields['info']);
  expect(infos.at(-1)).toBe('Stopped by publisher stop');
});

test('what goes wrong with the stream that the back end chose is told without its name', async () => {
  const resolver: StreamResolver = {
    accepts: (name) => name === 'vod://secret.mp4',
    resolve: (name) => Promise.reject(new MediaServerError('FILE_NOT_FOUND', `no file "${name}"`)),
  };
  await start((what) => (what === 'play' ? { fields: { name: 'vod://secret.mp4' } } : undefined), {}, [resolver]);
  const refusal = await fixture.refusal('/flv/cam.flv');
  expect([refusal.status, refusal.body]).toEqual([404, expect.objectContaining({ message: 'File not found' })]);
});

test('who asks for the head only is asked about and let go', async () => {
  await start();
  publish('cam');
  expect(await exchange(fixture.port, 'HEAD /flv/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n')).toContain('200 OK');
  await vi.waitFor(() => expect(access.whats).toEqual(['connect', 'established', 'play', 'ended', 'end']));
});

test.each(['connect', 'play'])(
  'a viewer that leaves during a slow answer to %s is ended when that comes',
  async (what) => {
    let open: (() => void) | undefined;
    await start((asked) => (asked === what ? new Promise((resolve) => (open = () => resolve(undefined))) : undefined));
    publish('cam');
    const socket = connect({ port: fixture.port, host: '127.0.0.1' });
    socket.write('GET /flv/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n');
    await vi.waitFor(() => expect(open).toBeDefined());
    socket.destroy();
    await vi.waitFor(() => expect(fixture.flv.viewerCount).toBe(0));
    expect(access.whats.at(-1)).toBe(what);
    open?.();
    await vi.waitFor(() => expect(access.whats.at(-1)).toBe('end'));
    if (what === 'play')
      expect(fieldsOf('ended')).toMatchObject({ status: 'FAILED', info: 'Stopped by session disconnect' });
    expect(fixture.hub.streams.get('cam')?.viewers).toBe(0);
  },
);

test('the server stops while the back end thinks', async () => {
  let open: (() => void) | undefined;
  await start((what) => (what === 'play' ? new Promise((resolve) => (open = () => resolve(undefined))) : undefined));
  const refusal = fixture.refusal('/flv/cam.flv');
  await vi.waitFor(() => expect(open).toBeDefined());
  await fixture.flv.close();
  expect((await refusal).status).toBe(503);
  open?.();
  await vi.waitFor(() => expect(fieldsOf('end')).toEqual({ reason: 'Requested stream shutdown' }));
});

test('pages of origins that are not allowed are refused, others and viewers that are no pages are not', async () => {
  const allowsOrigin = (origin: string | undefined) => origin === undefined || origin === 'https://good.example';
  await start(undefined, { allowsOrigin });
  publish('cam');
  const headers = { Origin: 'https://evil.example' };
  expect((await fixture.refusal('/flv/cam.flv', { headers })).status).toBe(403);
  await expect(fixture.viewByWebSocket('/flv/cam.flv', { headers })).rejects.toThrow('403');
  expect(access.calls).toEqual([]);
  await fixture.viewByWebSocket('/flv/cam.flv', { headers: { Origin: 'https://good.example' } });
  await fixture.view('/flv/cam.flv');
});

test('curl shows the words of a refusal', async () => {
  await start((what) => (what === 'play' ? { deny: 'no, said the back end' } : undefined));
  const child = spawn('curl', ['-s', '-i', fixture.url('/flv/cam.flv')]);
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  await once(child, 'close');
  expect(text).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*"message":"no, said the back end"/);
});
