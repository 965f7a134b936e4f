import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeCounters, fakeLog } from '../testing/fakes.ts';
import { DvrStore } from './dvr-store.ts';

let dir: string;
let log: ReturnType<typeof fakeLog>;
let counters: ReturnType<typeof fakeCounters>;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-dvr-'));
  log = fakeLog();
  counters = fakeCounters();
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function makeStore(maxBytes = 1_000_000): Promise<DvrStore> {
  const store = new DvrStore({ log, counters }, { dir, maxBytes });
  await store.start();
  return store;
}

/** A segment of so many bytes, each its number. */
function segment(msn: number, bytes = 100, track: 'main' | 'video' | 'audio' = 'main') {
  const half = Math.ceil(bytes / 2);
  const pieces = [new Uint8Array(half).fill(msn), new Uint8Array(bytes - half).fill(msn)];
  return { msn, track, pieces, durationUs: 2_000_000 };
}

const files = (): readonly string[] =>
  readdirSync(dir, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.m4s'))
    .sort();

describe('an archive', () => {
  test('gives back what was stored, before and after it is on disk', async () => {
    const store = await makeStore();
    const archive = store.open('cam');
    archive.store(segment(7));
    const expected = Buffer.alloc(100, 7);
    expect(Buffer.from((await archive.read(7, 'main')) ?? [])).toEqual(expected);
    await store.idle();
    expect(files()).toEqual(['dvr-1-cam/7-main.m4s']);
    expect(Buffer.from((await archive.read(7, 'main')) ?? [])).toEqual(expected);
    expect(await archive.read(8, 'main')).toBeUndefined();
    expect(await archive.read(7, 'audio')).toBeUndefined();
    expect(archive.oldest).toBe(7);
  });

  test('lets go of what is older than the playlist, on disk too', async () => {
    const store = await makeStore();
    const archive = store.open('cam');
    for (const msn of [1, 2, 3])
      for (const track of ['video', 'audio'] as const) archive.store(segment(msn, 50, track));
    archive.dropBefore(3);
    await store.idle();
    expect([archive.oldest, store.bytes, files()]).toEqual([
      3,
      100,
      ['dvr-1-cam/3-audio.m4s', 'dvr-1-cam/3-video.m4s'],
    ]);
    expect(await archive.read(2, 'video')).toBeUndefined();
    // What is too old already is not taken in.
    archive.store(segment(2));
    expect(archive.oldest).toBe(3);
  });

  test('takes its files with it', async () => {
    const store = await makeStore();
    const archive = store.open('cam');
    const other = store.open('cam');
    archive.store(segment(1));
    other.store(segment(1));
    archive[Symbol.dispose]();
    archive[Symbol.dispose]();
    archive.store(segment(2));
    await store.idle();
    expect([readdirSync(dir), store.bytes, await archive.read(1, 'main')]).toEqual([['dvr-2-cam'], 100, undefined]);
    other[Symbol.dispose]();
    await store.idle();
    expect([readdirSync(dir), store.bytes]).toEqual([[], 0]);
  });

  test.each(['../../x', '/etc/passwd', '..', '', 'a\0b', 'ü'.repeat(500), 'rtsp://a/b?c=d'])(
    'of a stream called %j stays within its folder',
    async (name) => {
      const inner = join(dir, 'inner');
      const store = new DvrStore({ log, counters }, { dir: inner, maxBytes: 1000 });
      await store.start();
      store.open(name).store(segment(1));
      await store.idle();
      expect(files()).toHaveLength(1);
      expect([readdirSync(dir), readdirSync(inner).length]).toEqual([['inner'], 1]);
      expect(log.problems).toEqual([]);
    },
  );
});

describe('the disk', () => {
  test('is emptied of what an earlier run left, and of nothing else', async () => {
    mkdirSync(join(dir, 'dvr-1-cam'));
    writeFileSync(join(dir, 'dvr-1-cam', '1-main.m4s'), 'x');
    mkdirSync(join(dir, 'holiday'));
    writeFileSync(join(dir, 'letter.txt'), 'x');
    await makeStore();
    expect(readdirSync(dir).sort()).toEqual(['holiday', 'letter.txt']);
  });

  test('holds no more than its bound over all streams: the oldest go first', async () => {
    const store = await makeStore(1000);
    const [one, two] = [store.open('one'), store.open('two')];
    for (let msn = 1; msn <= 10; msn++) for (const archive of [one, two]) archive.store(segment(msn));
    expect([store.bytes, one.oldest, two.oldest]).toEqual([1000, 6, 6]);
    await store.idle();
    expect(files()).toHaveLength(10);
    // One that is larger than all is not kept, nor is anything before it.
    one.store(segment(11, 2000));
    expect([store.bytes, one.oldest]).toEqual([0, undefined]);
    one.store(segment(12, 500));
    expect([store.bytes, one.oldest]).toEqual([500, 12]);
  });

  test('that is gone costs the past alone: counted and told once, and it goes on when it is back', async () => {
    const store = await makeStore();
    const archive = store.open('cam');
    archive.store(segment(1));
    await store.idle();
    rmSync(join(dir, 'dvr-1-cam'), { recursive: true });
    for (const msn of [2, 3]) archive.store(segment(msn));
    await store.idle();
    expect([archive.oldest, store.bytes, counters.counts['hls_archive_losses']]).toEqual([undefined, 0, 2]);
    expect(log.problems).toHaveLength(1);
    mkdirSync(join(dir, 'dvr-1-cam'));
    archive.store(segment(4));
    await store.idle();
    expect([archive.oldest, files()]).toEqual([4, ['dvr-1-cam/4-main.m4s']]);
  });

  test('that is slow has so much to write at the most, and what is more is lost', async () => {
    const store = await makeStore(1_000_000_000);
    const archive = store.open('cam');
    const megabyte = 1024 * 1024;
    for (let msn = 1; msn <= 65; msn++) archive.store(segment(msn, megabyte));
    expect([archive.oldest, counters.counts['hls_archive_losses']]).toEqual([undefined, 1]);
    await store.idle();
    archive.store(segment(66, megabyte));
    await store.idle();
    expect([archive.oldest, files()]).toEqual([66, ['dvr-1-cam/66-main.m4s']]);
  });

  test('that can not be used is refused at the start', async () => {
    writeFileSync(join(dir, 'file'), 'x');
    const store = new DvrStore({ log, counters }, { dir: join(dir, 'file', 'x'), maxBytes: 1 });
    await expect(store.start()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: /hls_dir/ });
  });

  test('is read once for all who ask at the same time, and not again soon after', async () => {
    const store = await makeStore();
    const archive = store.open('cam');
    archive.store(segment(1));
    await store.idle();
    const reads = await Promise.all(Array.from({ length: 1000 }, () => archive.read(1, 'main')));
    expect(new Set(reads).size).toBe(1);
    expect(await archive.read(1, 'main')).toBe(reads[0]);
    archive.dropBefore(2);
    expect(await archive.read(1, 'main')).toBeUndefined();
  });
});
