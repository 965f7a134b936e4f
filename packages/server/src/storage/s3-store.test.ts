import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { UploadJob } from '../core/index.ts';
import { S3Clients } from './s3-clients.ts';
import { checkBucketName, S3Store, type S3StoreOptions } from './s3-store.ts';
import { type Fault, S3Front, type SeenRequest } from './testing/s3-front.ts';
import { BUCKET, CREDENTIALS, S3TestServer } from './testing/s3-server.ts';
import { readUploadState } from './upload-state.ts';

const PART = 256 * 1024;
const SMALL = randomBytes(100_000);
/** Five parts. */
const LARGE = randomBytes(PART * 4 + 1234);

let folder: string;
let s3: S3TestServer;
let front: S3Front;
let clients: S3Clients;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'upload-'));
  s3 = await S3TestServer.start();
  front = await S3Front.start(s3);
  clients = new S3Clients(CREDENTIALS);
  await writeFile(join(folder, 'small.mp4'), SMALL);
  await writeFile(join(folder, 'large.mp4'), LARGE);
  await writeFile(join(folder, 'empty.mp4'), '');
});

afterEach(async () => {
  clients.close();
  await front.close();
  await s3.close();
  await rm(folder, { recursive: true });
});

function makeStore(options: Partial<S3StoreOptions> = {}): S3Store {
  return new S3Store(clients, {
    endpoint: front.origin,
    pathStyle: true,
    trusted: true,
    bucket: BUCKET,
    prefix: 'interviews/',
    partBytes: PART,
    ...options,
  });
}

function jobOf(name: string, changes: Partial<UploadJob> = {}) {
  const states: string[] = [];
  const progress: number[] = [];
  const job: UploadJob = {
    path: join(folder, name),
    key: `cam 1/ü ${name}`,
    contentType: 'video/mp4',
    resume: undefined,
    onResumable: (state) => void states.push(state),
    onProgress: (value) => void progress.push(value),
    signal: new AbortController().signal,
    ...changes,
  };
  return { job, states, progress };
}

/** A fault for the first requests of a kind. */
function firstOf(times: number, method: string, part: string, fault: Fault): S3Front['fault'] {
  let count = 0;
  return (request: SeenRequest) => {
    if (request.method !== method || !request.url.includes(part)) return undefined;
    return count++ < times ? fault : undefined;
  };
}

/** The server stops while it sends the fourth part. */
function stopAtPart4(abort: AbortController): S3Front['fault'] {
  return ({ url }) => {
    if (!url.includes('partNumber=4')) return undefined;
    abort.abort(new Error('the server stops'));
    return { kind: 'reset', afterBytes: 0 };
  };
}

async function expectThere(name: string, bytes: Buffer): Promise<void> {
  const there = await s3.object(`interviews/cam 1/ü ${name}`);
  expect(there?.byteLength).toBe(bytes.byteLength);
  expect(Buffer.compare(there ?? Buffer.alloc(0), bytes)).toBe(0);
  expect(await s3.uploads()).toEqual([]);
}

test.each([
  ['small.mp4', SMALL, 1],
  ['large.mp4', LARGE, 5],
  ['empty.mp4', Buffer.alloc(0), 1],
])('%s is there afterwards with its type, name and every byte', async (name, bytes, puts) => {
  const { job, progress } = jobOf(name);
  const { etag, location } = await makeStore().upload(job);
  await expectThere(name, bytes);
  expect(location).toBe(`s3://${BUCKET}/interviews/cam 1/ü ${name}`);
  expect(location).toBe(makeStore().locationOf(job.key));
  expect((await s3.metadata(`interviews/cam 1/ü ${name}`))?.['content-type']).toBe('video/mp4');
  expect(etag).toMatch(/^[0-9a-f]{32}(-5)?$/);
  expect(front.count('PUT')).toBe(puts);
  expect(progress.at(-1)).toBe(1);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  for (const { headers } of front.seen.filter(({ method }) => method === 'PUT')) {
    expect(headers['content-md5']).toMatch(/^.{22}==$/);
  }
});

test.each<Fault>([
  { kind: 'status', status: 500 },
  { kind: 'status', status: 503, code: 'SlowDown' },
  { kind: 'reset', afterBytes: 0 },
  { kind: 'reset', afterBytes: 50_000 },
  { kind: 'lose answer' },
  { kind: 'headers', headers: { etag: '"00000000000000000000000000000000"' } },
])('a part whose sending fails once with %o is sent again', async (fault) => {
  front.fault = firstOf(1, 'PUT', 'partNumber=2', fault);
  await makeStore().upload(jobOf('large.mp4').job);
  expect(front.count('PUT', 'partNumber=2')).toBe(2);
  expect(front.count('PUT')).toBe(6);
  await expectThere('large.mp4', LARGE);
});

test.each<Fault>([{ kind: 'status', status: 500 }, { kind: 'reset', afterBytes: 30_000 }, { kind: 'lose answer' }])(
  'a file in one request that fails once with %o is sent again',
  async (fault) => {
    front.fault = firstOf(1, 'PUT', '', fault);
    await makeStore().upload(jobOf('small.mp4').job);
    await expectThere('small.mp4', SMALL);
  },
);

test.each<[string, string, Fault]>([
  ['POST', 'uploads', { kind: 'reset', afterBytes: 0 }],
  ['POST', 'uploadId', { kind: 'status', status: 500 }],
  ['POST', 'uploadId', { kind: 'lose answer' }],
  ['HEAD', '', { kind: 'status', status: 500 }],
])('%s %s that fails once does not fail the upload', async (method, part, fault) => {
  front.fault = firstOf(1, method, part, fault);
  await makeStore().upload(jobOf('large.mp4').job);
  expect(Buffer.compare((await s3.object('interviews/cam 1/ü large.mp4')) ?? SMALL, LARGE)).toBe(0);
});

test('an ETag of the whole that is wrong is an error', async () => {
  front.fault = ({ method }) =>
    method === 'HEAD' ? { kind: 'headers', headers: { etag: '"00000000000000000000000000000000-5"' } } : undefined;
  await expect(makeStore().upload(jobOf('large.mp4').job)).rejects.toMatchObject({ permanent: false });
  await expect(makeStore().upload(jobOf('small.mp4').job)).rejects.toThrow(/ETag/);
});

test.each([true, false])(
  'an upload goes on after a restart with what is there (server lists parts: %s)',
  async (lists) => {
    front.plain = !lists;
    const abort = new AbortController();
    front.fault = ({ url }) => {
      if (url.includes('partNumber=4')) abort.abort(new Error('the server stops'));
      return undefined;
    };
    const first = jobOf('large.mp4', { signal: abort.signal });
    await expect(makeStore().upload(first.job)).rejects.toThrow('the server stops');
    const resume = first.states.at(-1);
    expect(readUploadState(resume)?.parts.size).toBe(3);
    clients.close();
    clients = new S3Clients(CREDENTIALS);
    front.fault = () => undefined;
    front.seen.length = 0;
    const second = jobOf('large.mp4', { resume });
    await makeStore().upload(second.job);
    expect(front.count('POST', 'uploads')).toBe(0);
    expect(front.count('PUT', 'partNumber=3')).toBe(0);
    expect(front.count('PUT')).toBeLessThanOrEqual(2);
    await expectThere('large.mp4', LARGE);
  },
);

test('parts are found again whose sending was not told any more, as after kill -9', async () => {
  const abort = new AbortController();
  front.fault = stopAtPart4(abort);
  const first = jobOf('large.mp4', { signal: abort.signal });
  await expect(makeStore().upload(first.job)).rejects.toThrow();
  front.fault = () => undefined;
  front.seen.length = 0;
  await makeStore().upload(jobOf('large.mp4', { resume: first.states[0] }).job);
  expect(readUploadState(first.states[0])?.parts.size).toBe(0);
  expect(front.count('PUT')).toBeLessThanOrEqual(2);
  await expectThere('large.mp4', LARGE);
});

test('an upload whose file became another one begins anew, and frees what it had sent', async () => {
  const abort = new AbortController();
  front.fault = stopAtPart4(abort);
  const first = jobOf('large.mp4', { signal: abort.signal });
  await expect(makeStore().upload(first.job)).rejects.toThrow();
  const other = randomBytes(LARGE.byteLength - 77);
  await writeFile(join(folder, 'large.mp4'), other);
  front.fault = () => undefined;
  await makeStore().upload(jobOf('large.mp4', { resume: first.states.at(-1) }).job);
  await expectThere('large.mp4', other);
});

test.each([
  'not JSON',
  '{}',
  '[1]',
  '{"uploadId":5}',
  '{"uploadId":"x","partBytes":0,"size":1,"mtimeMs":1,"parts":[]}',
])('a resumable state %j is left out', async (resume) => {
  await makeStore().upload(jobOf('large.mp4', { resume }).job);
  await expectThere('large.mp4', LARGE);
});

test('an upload that the server has forgotten begins anew', async () => {
  const abort = new AbortController();
  front.fault = stopAtPart4(abort);
  const first = jobOf('large.mp4', { signal: abort.signal });
  await expect(makeStore().upload(first.job)).rejects.toThrow();
  for (const id of await s3.uploads()) await s3.abort(id);
  front.fault = () => undefined;
  await makeStore().upload(jobOf('large.mp4', { resume: first.states.at(-1) }).job);
  await expectThere('large.mp4', LARGE);
});

test('what an upload has sent is freed when it is given up', async () => {
  const abort = new AbortController();
  front.fault = stopAtPart4(abort);
  const { job, states } = jobOf('large.mp4', { signal: abort.signal });
  await expect(makeStore().upload(job)).rejects.toThrow();
  expect(await s3.uploads()).toHaveLength(1);
  front.fault = () => undefined;
  await makeStore().abandon(job.key, states.at(-1) ?? '');
  expect(await s3.uploads()).toEqual([]);
  await makeStore().abandon(job.key, 'nonsense');
});

test.each([
  [403, 'AccessDenied', /check what the key of aws_s3_credentials may do/],
  [403, 'InvalidAccessKeyId', /check the key/],
  [404, 'NoSuchBucket', /check record_s3_bucket/],
  [400, 'AuthorizationHeaderMalformed', /check the region/],
])('%i %s is not worth another try and says what to check', async (status, code, words) => {
  front.fault = () => ({ kind: 'status', status, code });
  for (const name of ['small.mp4', 'large.mp4']) {
    const error: unknown = await makeStore()
      .upload(jobOf(name).job)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ permanent: true });
    expect(String(error)).toMatch(words);
  }
  expect(front.count('PUT')).toBe(1);
});

test('a server that is away is worth another try', async () => {
  const store = makeStore();
  await front.close();
  await expect(store.upload(jobOf('small.mp4').job)).rejects.toMatchObject({ permanent: false });
});

test('a bucket that the key may write but not read is written all the same', async () => {
  front.fault = ({ method }) => (method === 'HEAD' ? { kind: 'status', status: 403 } : undefined);
  await makeStore().upload(jobOf('large.mp4', { keepExisting: true }).job);
  await makeStore().upload(jobOf('small.mp4', { keepExisting: true }).job);
  await expectThere('large.mp4', LARGE);
  await expectThere('small.mp4', SMALL);
});

test.each([true, false])(
  'another object of that name is kept when asked for (server knows If-None-Match: %s)',
  async (knows) => {
    front.plain = !knows;
    for (const name of ['small.mp4', 'large.mp4']) {
      await makeStore().upload(jobOf('empty.mp4', { key: name }).job);
      const kept = jobOf(name, { key: name, keepExisting: true }).job;
      await expect(makeStore().upload(kept)).rejects.toMatchObject({ code: 'EXISTS' });
      expect((await s3.object(`interviews/${name}`))?.byteLength).toBe(0);
      await makeStore().upload({ ...kept, keepExisting: false });
    }
    // The very same file is no other one.
    await makeStore().upload(jobOf('small.mp4', { key: 'small.mp4', keepExisting: true }).job);
  },
);

test('a file that is gone is not worth another try', async () => {
  await expect(makeStore().upload(jobOf('gone.mp4').job)).rejects.toMatchObject({ permanent: true, code: 'ENOENT' });
});

test('a name that S3 can not take is not worth another try', async () => {
  const { job } = jobOf('small.mp4', { key: 'ü'.repeat(510) });
  await expect(makeStore().upload(job)).rejects.toMatchObject({ permanent: true, code: 'KeyTooLong' });
});

test('names of buckets are checked', () => {
  expect(() => checkBucketName('my-records.2')).not.toThrow();
  for (const name of ['a', 'a/b', 's3://bucket', ' x y', 'x'.repeat(64)]) {
    expect(() => checkBucketName(name)).toThrow(/record_s3_bucket/);
  }
});
