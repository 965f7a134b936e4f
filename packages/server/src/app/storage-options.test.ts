import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { testHub } from '../core/testing/hub.ts';
import { stored } from '../recording/testing/recordings.ts';
import { S3Front } from '../storage/testing/s3-front.ts';
import { BUCKET, S3TestServer } from '../storage/testing/s3-server.ts';
import { makeOutboundGuard } from './outbound-options.ts';
import { makeRecording, type Recording } from './recording-options.ts';
import { loadSettings, type Settings } from './settings/index.ts';
import { makeStorage, type Storage, storageOptions } from './storage-options.ts';

const MIB = 1024 * 1024;
/** Three parts of the smallest size. */
const LARGE = randomBytes(12 * MIB);

let dir: string;
let s3: S3TestServer;
let front: S3Front;
let recording: Recording;
let storage: Storage;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'storage-'));
  await mkdir(join(dir, 'records'));
  s3 = await S3TestServer.start();
  front = await S3Front.start(s3);
});

afterEach(async () => {
  await front.close();
  await s3.close();
  await rm(dir, { recursive: true });
});

function settingsOf(changes: Record<string, string>): Settings {
  return loadSettings({ env: {}, sets: Object.entries(changes).map(([name, value]) => `${name}=${value}`) }).settings;
}

async function startAll(changes: Record<string, string> = {}): Promise<void> {
  const settings = settingsOf({
    aws_s3_credentials: 'us-east-1;S3RVER;S3RVER',
    record_s3_bucket: BUCKET,
    record_s3_endpoint: front.origin,
    record_s3_prefix: 'cams/',
    record_s3_part_size: '5',
    ...changes,
  });
  const hub = testHub(0, undefined);
  recording = await makeRecording(settings, dir, hub);
  storage = makeStorage(storageOptions(settings), { ...hub, recording, outbound: makeOutboundGuard(settings) });
  storage.start();
}

async function stopAll(): Promise<void> {
  await storage.close();
  await recording.close();
}

async function addRecording(id: string, bytes: Buffer): Promise<void> {
  const path = join(dir, 'records', `${id}.mp4`);
  await writeFile(path, bytes);
  const entry = { state: 'finalising' as const, endedAtMs: Date.now(), bytes: bytes.byteLength };
  recording.ledger.add(stored(id, entry, { path }));
  recording.ledger.update(id, { entry: { state: 'complete' } });
}

test('a large recording is whole in S3 although the server stops in the middle of its upload', async () => {
  await startAll();
  let parts = 0;
  front.fault = ({ url }) =>
    url.includes('partNumber') && ++parts === 2 ? { kind: 'silence', afterBytes: 0 } : undefined;
  await addRecording('one', LARGE);
  await vi.waitFor(() => expect(parts).toBe(2), { timeout: 4000 });
  await stopAll();
  front.fault = () => undefined;
  front.seen.length = 0;
  await startAll();
  expect(recording.ledger.entry('one')?.upload?.state).not.toBe('done');
  await vi.waitFor(() => expect(recording.ledger.entry('one')?.upload?.state).toBe('done'), { timeout: 4000 });
  await stopAll();
  expect(Buffer.compare((await s3.object('cams/one.mp4')) ?? Buffer.alloc(0), LARGE)).toBe(0);
  expect(front.count('PUT', 'partNumber=1')).toBe(0);
  expect(recording.ledger.entry('one')?.upload?.location).toBe(`s3://${BUCKET}/cams/one.mp4`);
});

test('a recording is uploaded when S3 is back after a while, and is deleted here then', async () => {
  await s3.stop();
  await startAll({ record_s3_delete_local: 'true' });
  await addRecording('one', LARGE.subarray(0, 1000));
  await vi.waitFor(() => expect(front.seen.length).toBeGreaterThan(2), { timeout: 4000 });
  expect(recording.ledger.entry('one')?.localDeleted).toBeUndefined();
  await s3.restart();
  await vi.waitFor(() => expect(recording.ledger.entry('one')?.localDeleted).toBe(true), { timeout: 20_000 });
  expect((await s3.object('cams/one.mp4'))?.byteLength).toBe(1000);
  await stopAll();
}, 30_000);

test('files in the bucket play from the server that the settings name', async () => {
  await startAll();
  await addRecording('one', LARGE);
  await vi.waitFor(() => expect(recording.ledger.entry('one')?.upload?.state).toBe('done'), { timeout: 4000 });
  const [files] = storage.stores;
  const file = await files?.store.open(`s3/${front.origin}/${BUCKET}/cams/one.mp4`, new AbortController().signal);
  expect(
    Buffer.compare((await file?.read(6 * MIB, 1000)) ?? Buffer.alloc(0), LARGE.subarray(6 * MIB, 6 * MIB + 1000)),
  ).toBe(0);
  await stopAll();
});

test.each([
  [{ record_s3_bucket: 'b2' }, /needs aws_s3_credentials/],
  [{ record_s3_bucket: 'no/bucket', aws_s3_credentials: 'eu;hush;hush' }, /record_s3_bucket/],
  [{ aws_s3_credentials: 'hush' }, /REGION;KEY;SECRET/],
  [{ record_s3_endpoint: 'https://host/bucket' }, /record_s3_endpoint must be the address of a server/],
  [{ vod_s3_endpoints: 'http://a,ftp://b' }, /vod_s3_endpoints/],
  [{ record_s3_prefix: 'a/../b' }, /record_s3_prefix/],
])('settings %o are refused', (changes, words) => {
  expect(() => storageOptions(settingsOf(changes))).toThrow(words);
  expect(() => storageOptions(settingsOf(changes))).not.toThrow(/hush/);
});
