import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { feed, PUBLISHER } from '../testing/fakes.ts';
import { get, http2Session, makeRig, PICTURE, type Rig } from '../testing/rig.ts';

let rig: Rig;

afterEach(async () => {
  expect(await rig.close()).toEqual([0, 0, 0, 0]);
  expect(rig.log.problems).toEqual([]);
});

async function start(options: Parameters<typeof makeRig>[0] = {}) {
  rig = await makeRig({ segmentMinMs: 1000, ...options });
  const stream = rig.streams.publish('cam', PUBLISHER);
  feed(stream, { fromMs: 0, toMs: 6600, video: PICTURE });
  return stream;
}

test('a manifest is served with its type, its files by the names in it, and its viewers are sessions', async () => {
  const stream = await start();
  const manifest = await get(`${rig.plain}/cam/cam.mpd?token=t`);
  expect([manifest.status, manifest.headers['content-type']]).toEqual([200, 'application/dash+xml']);
  expect(manifest.headers['access-control-allow-origin']).toBe('*');
  const text = manifest.body.toString();
  const inits = [...text.matchAll(/initialization="([^"]+)"/g)].map((match) => match[1]);
  const media = [...text.matchAll(/media="([^"]+)"/g)].map((match) => match[1]);
  const first = /startNumber="(\d+)"/.exec(text)?.[1] ?? '';
  expect([inits.length, media.length]).toEqual([2, 2]);
  const types: unknown[] = [];
  for (const name of [...inits, ...media.map((template) => template?.replace('$Number$', first))]) {
    const { status, headers } = await get(`${rig.plain}/cam/${name}`);
    types.push([status, headers['content-type']]);
  }
  const expected = ['video/mp4', 'audio/mp4', 'video/iso.segment', 'audio/mp4'].map((type) => [200, type]);
  expect(types).toEqual(expected);
  const [session] = [...rig.sessions.all()].map((s) => s.describe());
  expect(session).toMatchObject({ protocol: 'hls', mediaProvider: 'DASH', streamName: 'cam', custom: { token: 't' } });
  expect(session?.mediaSessionId).toMatch(/^[0-9a-f-]{36}-cam-DASH$/);
  expect([rig.sessions.size, stream.viewers]).toEqual([1, 1]);
});

test('the newest segment of each track is sent as it grows', async () => {
  const stream = await start();
  await get(`${rig.plain}/cam/cam.mpd`);
  feed(stream, { fromMs: 6600, toMs: 8200, video: PICTURE });
  const text = (await get(`${rig.plain}/cam/cam.mpd`)).body.toString();
  const first = Number(/startNumber="(\d+)"/.exec(text)?.[1]);
  const count = [...(text.split('</SegmentTimeline>')[0] ?? '').matchAll(/<S [^>]*?(?:r="(\d+)")?\/>/g)].reduce(
    (sum, match) => sum + 1 + Number(match[1] ?? 0),
    0,
  );
  const session = http2Session(rig);
  const streams = ['v', 'a'].map((track) => {
    const sent = session.request({ ':path': `/cam/cam_${track}_${first + count - 1}.m4s` });
    const chunks: Buffer[] = [];
    sent.on('data', (chunk: Buffer) => chunks.push(chunk));
    return { sent, chunks };
  });
  await expect.poll(() => streams.every(({ chunks }) => chunks.length > 0)).toBe(true);
  expect(rig.server.waitingRequests).toBe(2);
  const before = streams.map(({ chunks }) => Buffer.concat(chunks).length);
  feed(stream, { fromMs: 8200, toMs: 11_000, video: PICTURE });
  await Promise.all(streams.map(({ sent }) => once(sent, 'close')));
  for (const [index, { sent, chunks }] of streams.entries()) {
    expect([sent.rstCode, Buffer.concat(chunks).length > (before[index] ?? 0)]).toEqual([0, true]);
  }
  session.close();
});

test('DASH is off by setting, and where segments are transport streams', async () => {
  await start({ dash: false });
  expect((await get(`${rig.plain}/cam/cam.mpd`)).status).toBe(404);
  await rig.close();
  await start({ container: 'ts' });
  expect((await get(`${rig.plain}/cam/cam.mpd`)).status).toBe(404);
});
