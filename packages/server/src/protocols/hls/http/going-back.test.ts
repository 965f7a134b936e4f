import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Stream } from '../../../core/index.ts';
import { feed, PUBLISHER } from '../testing/fakes.ts';
import { get, get2, http2Session, makeRig, PICTURE, type Rig } from '../testing/rig.ts';

let dir: string;
let rig: Rig;
let stream: Stream;

async function start(maxBytes: number): Promise<void> {
  const archive = { dir, maxBytes };
  rig = await makeRig({ listSize: 3, lowLatencyListSize: 3, dvrWindowMs: 60_000, archive });
  stream = rig.streams.publish('cam', PUBLISHER);
  feed(stream, { fromMs: 0, toMs: 100_000, video: PICTURE });
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-back-'));
});

afterEach(async () => {
  expect(await rig.close()).toEqual([0, 0, 0, 0]);
  expect(readdirSync(dir)).toEqual([]);
  rmSync(dir, { recursive: true, force: true });
});

const files = (): readonly string[] =>
  readdirSync(dir, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.m4s'));

async function listed(): Promise<readonly string[]> {
  const { body } = await get(`${rig.plain}/cam/cam.m3u8`);
  return body.toString().match(/^cam_\d+\.m4s$/gm) ?? [];
}

test('viewers can go back as far as the setting says, in segments that lie on disk', async () => {
  await start(100_000_000);
  const names = await listed();
  // 60 s of segments of 2 s.
  expect(names).toHaveLength(30);
  await expect.poll(() => files().length).toBeGreaterThanOrEqual(30);
  const session = http2Session(rig);
  for (const name of [names[0], names[10], names[29]]) {
    const whole = await get(`${rig.plain}/cam/${name}`);
    expect([whole.status, whole.headers['content-length']]).toEqual([200, String(whole.body.length)]);
    expect(whole.body.includes('moof')).toBe(true);
    const headers = { range: 'bytes=100-199' };
    const part = await get2(session, `/cam/${name}`, { headers });
    expect([part.status, part.body.equals(whole.body.subarray(100, 200))]).toEqual([206, true]);
    const head = await get(`${rig.plain}/cam/${name}`, { method: 'HEAD' });
    expect([head.headers['content-length'], head.body.length]).toEqual([String(whole.body.length), 0]);
  }
  session.close();
  expect(rig.log.problems).toEqual([]);
  // With the channel its files go.
  rig.streams.unpublish(stream, PUBLISHER, 'over');
  expect(rig.server.packaging.names()).toEqual([]);
  rig.ticker.tickIn(1000);
  rig.ticker.tickIn(40_000);
  await expect.poll(() => readdirSync(dir)).toEqual([]);
});

test('thousands of small ranges of segments on disk at once are answered, and cost no more than these do', async () => {
  await start(100_000_000);
  const names = await listed();
  const session = http2Session(rig);
  const before = process.memoryUsage().arrayBuffers;
  const answers = await Promise.all(
    Array.from({ length: 2000 }, (_, i) =>
      get2(session, `/cam/${names[i % 20]}`, { headers: { range: `bytes=${i}-${i}` } }),
    ),
  );
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.length}`))).toEqual(new Set(['206 1']));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  session.close();
});

test('what the disk has no room for is not listed', async () => {
  await start(100_000);
  const names = await listed();
  expect(names.length).toBeLessThan(30);
  expect(names.length).toBeGreaterThanOrEqual(3);
  for (const name of names) expect([name, (await get(`${rig.plain}/cam/${name}`)).status]).toEqual([name, 200]);
});

test('a disk that fails makes the window shorter, and live goes on', async () => {
  await start(100_000_000);
  await expect.poll(() => files().length).toBeGreaterThanOrEqual(30);
  const [folder = ''] = readdirSync(dir);
  rmSync(join(dir, folder), { recursive: true });
  feed(stream, { fromMs: 100_000, toMs: 110_000, video: PICTURE });
  await expect.poll(() => rig.counters.counts['hls_archive_losses'] ?? 0).toBeGreaterThan(3);
  feed(stream, { fromMs: 110_000, toMs: 112_100, video: PICTURE });
  const names = await listed();
  expect(names.length).toBeGreaterThanOrEqual(3);
  expect(names.length).toBeLessThan(15);
  for (const name of names.slice(-3)) expect((await get(`${rig.plain}/cam/${name}`)).status).toBe(200);
  expect(rig.log.problems).toHaveLength(1);
});
