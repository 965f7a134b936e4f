import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OpenFile } from '../core/index.ts';
import { S3Clients } from './s3-clients.ts';
import { S3FileStore, type S3FileStoreOptions } from './s3-file-store.ts';
import { type Fault, S3Front } from './testing/s3-front.ts';
import { BUCKET, CREDENTIALS, S3TestServer } from './testing/s3-server.ts';

const MIB = 1024 * 1024;
const FILE = randomBytes(9 * MIB + 12_345);

let s3: S3TestServer;
let front: S3Front;
let clients: S3Clients;
const closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  s3 = await S3TestServer.start();
  front = await S3Front.start(s3);
  clients = new S3Clients(CREDENTIALS);
  await put('folder/a file.mp4', FILE);
});

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  clients.close();
  await front.close();
  await s3.close();
});

async function put(key: string, body: Buffer): Promise<void> {
  using lease = await clients.lease({ endpoint: front.origin, pathStyle: true, trusted: true });
  await lease.client.send(new lease.sdk.PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body }));
  front.seen.length = 0;
}

function makeStore(options: Partial<S3FileStoreOptions> = {}): S3FileStore {
  const store = new S3FileStore(clients, {
    readAheadMs: 10_000,
    // Far more than a busy machine takes; tests of what takes too long have less.
    readTimeoutMs: 8000,
    trustedEndpoints: [front.origin],
    ...options,
  });
  closing.push(() => store.close());
  return store;
}

async function open(options: Partial<S3FileStoreOptions> = {}, key = 'folder/a%20file.mp4'): Promise<OpenFile> {
  const file = await makeStore(options).open(nameOf(key), new AbortController().signal);
  if (file === undefined) throw new Error('there is no such file');
  return file;
}

function nameOf(key: string): string {
  return `s3/${front.origin}/${BUCKET}/${key}`;
}

async function expectWhole(file: OpenFile, step = 300_000): Promise<void> {
  for (let at = 0; at < file.size; at += step) {
    const length = Math.min(step, file.size - at);
    const bytes = await file.read(at, length);
    expect(Buffer.compare(bytes, FILE.subarray(at, at + length)), `bytes from ${at}`).toBe(0);
  }
}

/** A fault for the first requests of each range. */
function timesEach(times: number, fault: () => Fault): S3Front['fault'] {
  const counts = new Map<string, number>();
  return ({ headers: { range = '' } }) => {
    const count = counts.get(range) ?? 0;
    counts.set(range, count + 1);
    return count < times ? fault() : undefined;
  };
}

test('a file of S3 is read in any order, exactly', async () => {
  const file = await open();
  expect(file.size).toBe(FILE.byteLength);
  expect(file.name).toBe('folder/a file.mp4');
  for (const [at, length] of [
    [0, 8],
    [FILE.byteLength - 5, 5],
    [MIB - 3, 7],
    [5 * MIB, 1],
    [MIB, 2 * MIB],
    [100, 4 * MIB],
    [7, 0],
  ] as const) {
    expect(Buffer.compare(await file.read(at, length), FILE.subarray(at, at + length))).toBe(0);
  }
});

test('a file that is read straight on takes one request for each megabyte, however small the reads are', async () => {
  const file = await open();
  await expectWhole(file, 50_000);
  expect(front.count('GET')).toBe(10);
});

test('a file that is there under no such name is undefined, and so is a name that can be none', async () => {
  const store = makeStore();
  const { signal } = new AbortController();
  expect(await store.open(nameOf('folder/other.mp4'), signal)).toBeUndefined();
  expect(await store.open(`s3/${front.origin}/no-such-bucket/a.mp4`, signal)).toBeUndefined();
  expect(await store.open('s3/x', signal)).toBeUndefined();
  expect(store.openFiles).toBe(0);
});

test('an empty file can be opened', async () => {
  await put('empty.mp4', Buffer.alloc(0));
  front.fault = () => ({ kind: 'status', status: 416, code: 'InvalidRange' });
  expect((await open({}, 'empty.mp4')).size).toBe(0);
});

test('connections that break in the middle are gone on with where they broke', async () => {
  const file = await open();
  front.fault = timesEach(1, () => ({ kind: 'cut', afterBytes: 200_000 }));
  await expectWhole(file);
  const starts = front.seen.map(({ headers }) => Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1]));
  expect(starts.filter((start) => start % MIB !== 0).length).toBeGreaterThan(8);
});

test('errors of the server for a moment and connections that are refused are tried again', async () => {
  const file = await open();
  const reset = timesEach(1, () => ({ kind: 'reset', afterBytes: 0 }));
  const error = timesEach(2, () => ({ kind: 'status', status: 500 }));
  front.fault = (request) => error(request) ?? reset(request);
  await expectWhole(file);
  expect(front.count('GET')).toBeGreaterThan(30);
});

test('a server that answers and then says nothing more is left for another connection', async () => {
  const file = await open({ readTimeoutMs: 900 });
  let number = 0;
  front.fault = () => (number++ === 0 ? { kind: 'silence', afterBytes: 70_000 } : undefined);
  expect(Buffer.compare(await file.read(4 * MIB, 1000), FILE.subarray(4 * MIB, 4 * MIB + 1000))).toBe(0);
  expect(number).toBeGreaterThan(1);
});

test('a slow server is waited for as long as something comes', async () => {
  const file = await open({ readTimeoutMs: 1500 });
  front.fault = () => ({ kind: 'slow', pieceBytes: 65_536, pauseMs: 150 });
  const began = performance.now();
  await file.read(4 * MIB, 1000);
  expect(performance.now() - began).toBeGreaterThan(1600);
  expect(front.count('GET')).toBe(2);
});

test('a server that gives nothing is given up after the time for reading', async () => {
  const file = await open({ readTimeoutMs: 600 });
  front.fault = () => ({ kind: 'silence', afterBytes: 0 });
  const began = performance.now();
  await expect(file.read(4 * MIB, 1000)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  expect(performance.now() - began).toBeLessThan(2500);
  front.fault = () => undefined;
  await file.read(4 * MIB, 1000);
});

test('a file that is replaced while it is being read fails, and is never mixed with the new one', async () => {
  const file = await open();
  await put('folder/a file.mp4', randomBytes(FILE.byteLength));
  await expect(file.read(4 * MIB, 1000)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  front.plain = true;
  await expect(file.read(4 * MIB, 1000)).rejects.toThrow(/replaced/);
});

test('a key that may not read is told what to check', async () => {
  front.fault = () => ({ kind: 'status', status: 403, code: 'AccessDenied' });
  await expect(open()).rejects.toThrow(/access is denied; check what the key of aws_s3_credentials may do/);
  clients = new S3Clients({ ...CREDENTIALS, secretAccessKey: 'hush-hush' });
  front.fault = () => undefined;
  const error = await open().catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'FILE_UNREADABLE' });
  expect(String(error)).toMatch(/check the secret/);
  expect(String(error)).not.toContain('hush-hush');
});

test('without credentials files of S3 are unreadable, in words that say so', async () => {
  clients = new S3Clients(undefined);
  await expect(open()).rejects.toThrow(/set aws_s3_credentials/);
});

test('viewers reach no server in a private network that the settings do not name', async () => {
  await expect(open({ trustedEndpoints: [] })).rejects.toThrow(/private network/);
  front.seen.length = 0;
  const store = makeStore({ trustedEndpoints: [], readTimeoutMs: 500 });
  const local = nameOf('a.mp4').replace('127.0.0.1', 'localhost');
  await expect(store.open(local, new AbortController().signal)).rejects.toThrow(/private network/);
  expect(front.seen).toEqual([]);
});

test('opening ends when its signal says so, and closing ends reads', async () => {
  front.fault = () => ({ kind: 'silence', afterBytes: 0 });
  const store = makeStore({ readTimeoutMs: 60_000 });
  const abort = new AbortController();
  const opening = store.open(nameOf('folder/a%20file.mp4'), abort.signal);
  setTimeout(() => abort.abort(), 50);
  await expect(opening).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  expect(store.openFiles).toBe(0);
  front.fault = () => undefined;
  const file = await open({ readTimeoutMs: 60_000 });
  front.fault = () => ({ kind: 'silence', afterBytes: 0 });
  const reading = file.read(4 * MIB, 1000);
  setTimeout(() => void file.close(), 50);
  await expect(reading).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
});

test('clients of servers that nobody uses any more are closed', async () => {
  const fresh = new S3Clients(CREDENTIALS, { maxEndpoints: 8 });
  closing.push(async () => fresh.close());
  for (let port = 1; port <= 30; port++) {
    using lease = await fresh.lease({ endpoint: `http://127.0.0.1:${port}`, pathStyle: true, trusted: true });
    expect(lease.client).toBeDefined();
  }
  expect(fresh.size).toBeLessThanOrEqual(5);
  const leases = [];
  for (let port = 101; port <= 108; port++) {
    leases.push(await fresh.lease({ endpoint: `http://127.0.0.1:${port}`, pathStyle: true, trusted: true }));
  }
  await expect(fresh.lease({ endpoint: 'http://127.0.0.1:1', pathStyle: true, trusted: true })).rejects.toThrow(
    /too many/,
  );
  for (const lease of leases) lease[Symbol.dispose]();
});
