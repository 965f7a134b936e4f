import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ObjectStore, UploadFacts, UploadJob } from '../core/index.ts';
import { TestCounters, TestLog } from '../core/testing/hub.ts';
import { Ledger } from './ledger.ts';
import { stored } from './testing/recordings.ts';
import { Uploads, type UploadsOptions } from './uploads.ts';

let dir: string;
let ledger: Ledger;
let store: FakeStore;
let uploads: Uploads;
let counters: TestCounters;
let log: TestLog;
let inUse: string[];

/** Does with each upload what a test says, and notes what it was asked. */
class FakeStore implements ObjectStore {
  readonly jobs: UploadJob[] = [];
  readonly abandoned: (readonly [key: string, resume: string])[] = [];
  active = 0;
  most = 0;
  answer: (job: UploadJob, number: number) => Promise<void> = async () => undefined;

  locationOf(key: string): string {
    return `s3://bucket/${key}`;
  }

  async upload(job: UploadJob): Promise<{ etag: string; location: string }> {
    this.jobs.push(job);
    this.active++;
    this.most = Math.max(this.most, this.active);
    try {
      await this.answer(job, this.jobs.length);
      return { etag: `etag-${job.key}`, location: this.locationOf(job.key) };
    } finally {
      this.active--;
    }
  }

  async abandon(key: string, resume: string): Promise<void> {
    this.abandoned.push([key, resume]);
  }
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'uploads-'));
  await mkdir(join(dir, 'records'));
  counters = new TestCounters();
  log = new TestLog();
  ledger = await Ledger.open(dir, { log, maxEntries: 1000 });
  store = new FakeStore();
  inUse = [];
});

afterEach(async () => {
  await uploads.close();
  await ledger.close();
  await rm(dir, { recursive: true });
});

function start(options: Partial<UploadsOptions> = {}): void {
  const uses = (path: string): boolean => inUse.includes(path);
  uploads = new Uploads(
    { ledger, store, uses, log, counters },
    {
      concurrency: 2,
      retryTimeMs: 60_000,
      deleteLocal: false,
      keepExisting: true,
      retryPauseMs: [10, 50],
      ...options,
    },
  );
  uploads.start();
}

/** A recording that is being finished, whose file is there. */
async function record(id: string, fileName = `${id}.mp4`): Promise<string> {
  const path = join(dir, 'records', fileName);
  await writeFile(path, id);
  const entry = { state: 'finalising' as const, fileName, endedAtMs: Date.now(), bytes: id.length };
  ledger.add(stored(id, entry, { path }));
  return path;
}

function complete(id: string): void {
  ledger.update(id, { entry: { state: 'complete' } });
}

function uploadOf(id: string): UploadFacts | undefined {
  return ledger.entry(id)?.upload;
}

async function expectState(id: string, state: UploadFacts['state']): Promise<UploadFacts> {
  await vi.waitFor(() => expect(uploadOf(id)?.state).toBe(state));
  return uploadOf(id) as UploadFacts;
}

function failure(permanent: boolean, code = 'X'): Error {
  return Object.assign(new Error(`failed with ${code}`), { permanent, code });
}

/** Ends when its upload is aborted. */
const untilAborted = (job: UploadJob) =>
  new Promise<void>((_resolve, reject) => {
    job.signal.addEventListener('abort', () => reject(job.signal.reason as Error));
  });

test('a recording is uploaded when it is complete, and not before', async () => {
  start();
  const path = await record('one', 'one.mp4');
  expect(uploadOf('one')).toBeUndefined();
  complete('one');
  expect(await expectState('one', 'done')).toEqual({
    state: 'done',
    progress: 1,
    attempts: 1,
    location: 's3://bucket/one.mp4',
    etag: 'etag-one.mp4',
    error: undefined,
  });
  expect(store.jobs).toMatchObject([{ path, key: 'one.mp4', contentType: 'video/mp4', keepExisting: true }]);
  expect(counters.of('uploads_done')).toBe(1);
  expect(existsSync(path)).toBe(true);
});

test('only so many files are uploaded at the same time, the others in their order', async () => {
  store.answer = () => new Promise((resolve) => setImmediate(resolve));
  start();
  for (let i = 0; i < 20; i++) {
    await record(`r${i}`);
    complete(`r${i}`);
  }
  for (let i = 0; i < 20; i++) await expectState(`r${i}`, 'done');
  expect(store.most).toBe(2);
  // Of two that begin at the same time, either may come to the store first.
  const places = store.jobs.map(({ key }, place) => place - Number(/\d+/.exec(key)?.[0]));
  expect(places).toHaveLength(20);
  expect(Math.max(...places.map(Math.abs))).toBeLessThanOrEqual(1);
});

test('an upload that fails is tried again, going on with what it had', async () => {
  store.answer = async (job, number) => {
    if (number > 1) expect(job.resume).toBe(`state ${number - 1}`);
    job.onResumable(`state ${number}`);
    if (number < 4) throw failure(false, 'ECONNRESET');
  };
  start();
  const errors: (string | undefined)[] = [];
  ledger.events.on('updated', ({ entry }) => errors.push(entry.upload?.error));
  await record('one');
  complete('one');
  expect(await expectState('one', 'done')).toMatchObject({ attempts: 4 });
  expect(errors).toContainEqual(expect.stringContaining('ECONNRESET'));
  expect(uploadOf('one')?.error).toBeUndefined();
  expect(counters.of('upload_retries')).toBe(3);
  expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(3);
});

test('an upload that can not succeed fails at once, and frees what it had sent', async () => {
  store.answer = async (job) => {
    job.onResumable('parts');
    throw failure(true, 'AccessDenied');
  };
  start();
  await record('one');
  complete('one');
  expect(await expectState('one', 'failed')).toMatchObject({ attempts: 1, error: 'failed with AccessDenied' });
  expect(store.abandoned).toEqual([['one.mp4', 'parts']]);
  expect(counters.of('uploads_failed')).toBe(1);
});

test('a file that somebody has deleted is not tried again', async () => {
  start();
  await rm(await record('one'));
  complete('one');
  expect(await expectState('one', 'failed')).toMatchObject({ attempts: 1, error: expect.stringContaining('ENOENT') });
  expect(store.jobs).toEqual([]);
  expect(uploads.load).toEqual({ uploading: 0, waiting: 0 });
});

test('an upload is given up after the time for trying', async () => {
  store.answer = async () => {
    throw failure(false);
  };
  start({ retryTimeMs: 100 });
  await record('one');
  complete('one');
  expect((await expectState('one', 'failed')).attempts).toBeGreaterThan(1);
  expect(uploads.load).toEqual({ uploading: 0, waiting: 0 });
});

test('the end of the server leaves an upload to the next start, with what it had', async () => {
  store.answer = (job) => {
    job.onResumable('half');
    return untilAborted(job);
  };
  start();
  await record('one');
  complete('one');
  await expectState('one', 'uploading');
  await uploads.close();
  expect(uploadOf('one')).toMatchObject({ state: 'waiting', attempts: 0 });
  await ledger.close();
  ledger = await Ledger.open(dir, { log, maxEntries: 1000 });
  store.answer = async (job) => expect(job.resume).toBe('half');
  start();
  expect(await expectState('one', 'done')).toMatchObject({ attempts: 1 });
});

test('a store that never answers does not hold the end of the server up', async () => {
  store.answer = () => new Promise(() => undefined);
  start();
  await record('one');
  complete('one');
  await expectState('one', 'uploading');
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const closing = uploads.close();
  await vi.advanceTimersByTimeAsync(6000);
  vi.useRealTimers();
  await closing;
});

test('a killed server uploads at its next start what is complete and was not uploaded', async () => {
  await record('new');
  await record('under-way');
  await record('old');
  for (const id of ['new', 'under-way', 'old']) complete(id);
  const upload: UploadFacts = { state: 'uploading', progress: 0.5, attempts: 1, location: 's3://bucket/x' };
  ledger.update('under-way', { entry: { upload, endedAtMs: 1 } });
  ledger.update('old', { entry: { endedAtMs: 1 } });
  start();
  await expectState('new', 'done');
  await expectState('under-way', 'done');
  expect(uploadOf('old')).toBeUndefined();
});

test('an upload that failed is tried again at the next start', async () => {
  await record('one');
  complete('one');
  ledger.update('one', { entry: { upload: { state: 'failed', progress: 0, attempts: 3, location: '', error: 'x' } } });
  start();
  expect(await expectState('one', 'done')).toMatchObject({ attempts: 4 });
});

test('files are deleted here after their upload only when it is asked for, and not while a program works on them', async () => {
  start({ deleteLocal: true });
  const path = await record('one');
  const used = await record('used');
  inUse = [used];
  complete('one');
  complete('used');
  await vi.waitFor(() => expect(ledger.entry('one')?.localDeleted).toBe(true));
  expect(existsSync(path)).toBe(false);
  await expectState('used', 'done');
  expect(existsSync(used)).toBe(true);
  expect(ledger.entry('used')?.localDeleted).toBeUndefined();
  await uploads.close();
  inUse = [];
  start({ deleteLocal: true });
  await vi.waitFor(() => expect(existsSync(used)).toBe(false));
  expect(ledger.entry('used')?.localDeleted).toBe(true);
  expect(store.jobs).toHaveLength(2);
});

test('a file that was not uploaded is never deleted', async () => {
  store.answer = async () => {
    throw failure(true);
  };
  start({ deleteLocal: true });
  const path = await record('one');
  complete('one');
  await expectState('one', 'failed');
  expect(existsSync(path)).toBe(true);
});

test('a file that took the name of an uploaded one meanwhile is not deleted', async () => {
  const path = await record('one');
  store.answer = async () => {
    await rename(path, `${path}.kept`);
    await writeFile(path, 'another');
  };
  start({ deleteLocal: true });
  complete('one');
  await expectState('one', 'done');
  await uploads.close();
  expect((await readdir(join(dir, 'records'))).sort()).toEqual(['one.mp4', 'one.mp4.kept']);
});

test('a name that another object has becomes another name', async () => {
  const taken = ['a/one.mp4', 'a/one~1.mp4'];
  store.answer = async (job) => {
    if (taken.includes(job.key)) throw failure(true, 'EXISTS');
  };
  start();
  await mkdir(join(dir, 'records', 'a'));
  await record('one', 'a/one.mp4');
  complete('one');
  expect((await expectState('one', 'done')).location).toBe('s3://bucket/a/one~2.mp4');
  expect(counters.of('uploads_failed')).toBe(0);
});

test('a server that has an object of any name is not stormed with names', async () => {
  store.answer = async () => {
    throw failure(true, 'EXISTS');
  };
  start();
  await record('one');
  complete('one');
  await vi.waitFor(() => expect(store.jobs.length).toBeGreaterThan(20));
  for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
  expect(store.jobs.length).toBeLessThan(25);
  expect(uploads.load).toEqual({ uploading: 0, waiting: 1 });
});

test('recordings of the same name never get the same object', async () => {
  const release: (() => void)[] = [];
  store.answer = () => new Promise((resolve) => release.push(resolve));
  start();
  await record('one', 'same.mp4');
  complete('one');
  await expectState('one', 'uploading');
  ledger.update('one', { path: join(dir, 'records', 'same~1.mp4'), entry: { fileName: 'same~1.mp4' } });
  await record('two', 'same.mp4');
  complete('two');
  await vi.waitFor(() => expect(release).toHaveLength(2));
  for (const resolve of release) resolve();
  const first = await expectState('one', 'done');
  const second = await expectState('two', 'done');
  expect([first.location, second.location]).toEqual(['s3://bucket/same.mp4', 's3://bucket/same~1.mp4']);
});

test('a recording that is deleted is uploaded no more', async () => {
  store.answer = (job) => {
    job.onResumable('parts');
    return untilAborted(job);
  };
  start();
  await record('one');
  complete('one');
  await vi.waitFor(() => expect(store.active).toBe(1));
  ledger.remove('one');
  await vi.waitFor(() => expect(uploads.load).toEqual({ uploading: 0, waiting: 0 }));
  expect(store.abandoned).toEqual([['one.mp4', 'parts']]);
});

test('a failed recording that has a file is uploaded, one without is not', async () => {
  start();
  await record('cut-off');
  ledger.update('cut-off', { entry: { state: 'failed', sha256: 'x' } });
  await expectState('cut-off', 'done');
  ledger.add(stored('nothing', { state: 'finalising' }));
  ledger.update('nothing', { entry: { state: 'failed' } });
  expect(uploads.load).toEqual({ uploading: 0, waiting: 0 });
  expect(store.jobs).toHaveLength(1);
});
