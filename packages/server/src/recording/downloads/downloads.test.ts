import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { testHub } from '../../core/testing/hub.ts';
import { ScriptedAccess } from '../../core/testing/scripted-access.ts';
import { Finisher } from '../finish/index.ts';
import { Ledger } from '../ledger.ts';
import { stored } from '../testing/recordings.ts';
import { type DownloadOptions, RecordingDownloads } from './record-downloads.ts';

const run = promisify(execFile);
const BYTES = randomBytes(300_000);

let dir: string;
let recordDir: string;
let ledger: Ledger;
let access: ScriptedAccess;
let finisher: Finisher;
let mount: RecordingDownloads;
let server: Server;
let base: string;
let cuts = 0;
const counts: Record<string, number> = {};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'downloads-'));
  recordDir = join(dir, 'records');
  await mkdir(join(recordDir, '.recording'), { recursive: true });
  const { log } = testHub(0, undefined);
  ledger = await Ledger.open(dir, { log, maxEntries: 100 });
  access = new ScriptedAccess();
  finisher = new Finisher({ maxThreads: 1 }, { log });
  cuts = 0;
  for (const name of Object.keys(counts)) delete counts[name];
  server = createServer((request, response) => mount.request(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/client/records`;
  make();
  await writeFile(join(recordDir, 'a.mp4'), BYTES);
});

afterEach(async () => {
  await mount.close();
  await finisher.close();
  await ledger.close();
  server.close();
  server.closeAllConnections();
  await rm(dir, { recursive: true });
});

function make(options: Partial<DownloadOptions> = {}): void {
  const { log } = testHub(0, undefined);
  const counting = {
    cut: (job: Parameters<Finisher['cut']>[0]) => {
      cuts++;
      return finisher.cut(job);
    },
  };
  mount = new RecordingDownloads(
    {
      ledger,
      access,
      finisher: counting,
      log,
      counters: {
        count: (name, by = 1) => {
          counts[name] = (counts[name] ?? 0) + by;
        },
      },
    },
    {
      recordDir,
      excluded: [join(recordDir, 'unfinished')],
      fragmentsDir: join(recordDir, '.fragments'),
      fragmentsMaxBytes: 1e9,
      disposition: 'inline',
      headers: [['Access-Control-Allow-Origin', '*']],
      maxDownloads: 100,
      stallTimeoutMs: 60_000,
      ...options,
    },
  );
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

/** 20 s of picture with a key frame each second, and sound. */
async function makeClip(name: string): Promise<string> {
  const path = join(recordDir, name);
  await run('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=size=160x120:rate=25', '-f', 'lavfi', '-i', 'sine=frequency=440'],
    ...['-t', '20', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-bf', '0', '-pix_fmt', 'yuv420p'],
    ...['-c:a', 'aac', '-movflags', '+faststart', '-y', path],
  ]);
  return path;
}

async function durationOf(bytes: Buffer): Promise<number> {
  const path = join(dir, 'probe.mp4');
  await writeFile(path, bytes);
  const { stdout } = await run('ffprobe', ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', path]);
  return Number(stdout);
}

test('a file is sent whole with its type, name, length and validators', async () => {
  const response = await fetch(`${base}/a.mp4`);
  expect(response.status).toBe(200);
  expect(Buffer.compare(await bytesOf(response), BYTES)).toBe(0);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'video/mp4',
    'content-length': '300000',
    'content-disposition': 'inline;filename="a.mp4"',
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    'access-control-allow-origin': '*',
    etag: expect.stringMatching(/^"[0-9a-f]+-[0-9a-f]+"$/) as string,
    'last-modified': (await stat(join(recordDir, 'a.mp4'))).mtime.toUTCString(),
  });
  expect(counts).toEqual({ recording_downloads: 1 });
});

test('one range is sent as a part, and one that lies behind the end is refused', async () => {
  const part = await fetch(`${base}/a.mp4`, { headers: { Range: 'bytes=100000-199999' } });
  expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 100000-199999/300000']);
  expect(Buffer.compare(await bytesOf(part), BYTES.subarray(100_000, 200_000))).toBe(0);
  const behind = await fetch(`${base}/a.mp4`, { headers: { Range: 'bytes=300000-' } });
  expect([behind.status, behind.headers.get('content-range')]).toEqual([416, 'bytes */300000']);
});

test('an interrupted download goes on only with the same file', async () => {
  const { headers } = await fetch(`${base}/a.mp4`, { method: 'HEAD' });
  const etag = headers.get('etag') ?? '';
  const range = { Range: 'bytes=299000-' };
  expect((await fetch(`${base}/a.mp4`, { headers: { ...range, 'If-Range': etag } })).status).toBe(206);
  await writeFile(join(recordDir, 'a.mp4'), randomBytes(300_000));
  await utimes(join(recordDir, 'a.mp4'), 1, 1_700_000_000);
  expect((await fetch(`${base}/a.mp4`, { headers: { ...range, 'If-Range': etag } })).status).toBe(200);
  expect((await fetch(`${base}/a.mp4`, { headers: { 'If-None-Match': etag } })).status).toBe(200);
  const now = (await fetch(`${base}/a.mp4`, { method: 'HEAD' })).headers.get('etag') ?? '';
  const known = await fetch(`${base}/a.mp4`, { headers: { 'If-None-Match': now } });
  expect([known.status, (await bytesOf(known)).byteLength]).toEqual([304, 0]);
});

test('curl goes on with a download that was cut off', async () => {
  const target = join(dir, 'out.mp4');
  await writeFile(target, BYTES.subarray(0, 123_456));
  await run('curl', ['-sS', '--fail', '-C', '-', '-o', target, `${base}/a.mp4`]);
  expect(Buffer.compare(await readFile(target), BYTES)).toBe(0);
});

test('HEAD tells the same as GET without a body', async () => {
  const head = await fetch(`${base}/a.mp4`, { method: 'HEAD' });
  const whole = await fetch(`${base}/a.mp4`);
  await whole.arrayBuffer();
  for (const name of ['content-length', 'etag', 'content-type', 'content-disposition', 'accept-ranges']) {
    expect(head.headers.get(name)).toBe(whole.headers.get(name));
  }
});

test('files in folders and with names of any language are found, also in another form of Unicode', async () => {
  await mkdir(join(recordDir, 'room 1'));
  await writeFile(join(recordDir, 'room 1', 'Grüße.webm'), 'x');
  for (const name of ['Grüße.webm', 'Grüße.webm'.normalize('NFD')]) {
    const response = await fetch(`${base}/room%201/${encodeURIComponent(name)}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-disposition')).toContain(`filename*=UTF-8''Gr%C3%BC%C3%9Fe.webm`);
  }
});

test('the setting has browsers save files', async () => {
  make({ disposition: 'attachment' });
  const { headers } = await fetch(`${base}/a.mp4`, { method: 'HEAD' });
  expect(headers.get('content-disposition')).toBe('attachment;filename="a.mp4"');
});

test('nothing outside of the folder, hidden, unfinished or no file is sent', async () => {
  await writeFile(join(dir, 'secret.mp4'), 'secret');
  await writeFile(join(recordDir, '.recording', 'x.mp4'), 'x');
  await mkdir(join(recordDir, 'unfinished'));
  await writeFile(join(recordDir, 'unfinished', 'x.mp4'), 'x');
  await mkdir(join(recordDir, 'folder'));
  await symlink(join(dir, 'secret.mp4'), join(recordDir, 'link.mp4'));
  await symlink(join(recordDir, '.recording'), join(recordDir, 'work'));
  await symlink(join(recordDir, 'a.mp4'), join(recordDir, 'good-link.mp4'));
  await run('mkfifo', [join(recordDir, 'pipe.mp4')]);
  const names = [
    ...['../secret.mp4', '..%2fsecret.mp4', '%2e%2e/secret.mp4', '%2e%2e%2fsecret.mp4', '..%5csecret.mp4'],
    ...['folder/../a.mp4', './a.mp4', '/a.mp4', 'a.mp4/', 'folder', '', '.', 'link.mp4', 'work/x.mp4', 'pipe.mp4'],
    ...['.recording/x.mp4', 'unfinished/x.mp4', '.fragments', 'a.mp4%00', 'a%zz', 'x'.repeat(10_240), 'y'.repeat(5000)],
  ];
  for (const name of names) expect.soft(await rawStatus(name), name.slice(0, 30)).toMatch(/^4(00|04)$/);
  expect((await fetch(`${base}/good-link.mp4`)).status).toBe(200);
  expect(counts['recording_downloads_refused']).toBe(names.length);
});

/** As it is written: fetch would tidy the path up. */
async function rawStatus(name: string): Promise<string> {
  const { port } = new URL(base);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(`GET /client/records/${name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text.split(' ')[1] ?? '';
}

test('other methods are refused, and a preflight of a browser is answered', async () => {
  const post = await fetch(`${base}/a.mp4`, { method: 'POST', body: 'x' });
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  const preflight = await fetch(`${base}/a.mp4`, { method: 'OPTIONS' });
  expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([
    204,
    'GET, HEAD, OPTIONS',
  ]);
});

test('who may not play the stream may not download its recording', async () => {
  ledger.add(stored('1', { streamName: 'cam', fileName: 'a.mp4' }, { path: join(recordDir, 'a.mp4') }));
  access.answer = (_what, fields) => (fields['streamName'] === 'cam' ? { deny: 'no' } : undefined);
  const response = await fetch(`${base}/a.mp4?token=t&x=1`, { headers: { Authorization: 'Bearer other' } });
  expect([response.status, await response.json()]).toEqual([403, expect.objectContaining({ code: 'ACCESS_DENIED' })]);
  expect(access.calls[0]?.fields).toMatchObject({
    protocol: 'record',
    streamName: 'cam',
    remoteAddress: '127.0.0.1',
    custom: { token: 't', x: '1' },
  });
  await writeFile(join(recordDir, 'old.mp4'), 'from before');
  expect((await fetch(`${base}/old.mp4`, { headers: { Authorization: 'Bearer abc' } })).status).toBe(200);
  expect(access.calls.at(-1)?.fields).toMatchObject({ streamName: 'old.mp4', custom: { token: 'abc' } });
});

test('sound alone is of a type of sound', async () => {
  const tracks = [{ kind: 'audio' as const, codec: 'aac', samples: 1, durationMs: 1 }];
  ledger.add(stored('1', { fileName: 'a.mp4', tracks }, { path: join(recordDir, 'a.mp4') }));
  expect((await fetch(`${base}/a.mp4`, { method: 'HEAD' })).headers.get('content-type')).toBe('audio/mp4');
});

test('a part of a recording is cut once, kept, and asked for by many at the same time', async () => {
  await makeClip('clip.mp4');
  const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(`${base}/clip.mp4?start=5&end=12.5`)));
  const bodies = await Promise.all(answers.map(bytesOf));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(new Set(bodies.map((body) => createHash('sha256').update(body).digest('hex'))).size).toBe(1);
  expect(answers[0]?.headers.get('content-disposition')).toBe('inline;filename="clip-s5-e12.5.mp4"');
  expect(await durationOf(bodies[0] ?? BYTES)).toBeCloseTo(7.5, 0);
  expect(await readdir(join(recordDir, '.fragments'))).toEqual(['clip-s5-e12.5.mp4']);
  const part = await fetch(`${base}/clip.mp4?start=5&end=12.5`, { headers: { Range: 'bytes=0-99' } });
  expect([part.status, (await bytesOf(part)).byteLength]).toEqual([206, 100]);
  expect(cuts).toBe(1);
  make();
  await (await fetch(`${base}/clip.mp4?start=5.0&end=12.50`)).arrayBuffer();
  expect(cuts).toBe(1);
});

test('either end of a part may be left out', async () => {
  await makeClip('clip.mp4');
  expect(await durationOf(await bytesOf(await fetch(`${base}/clip.mp4?start=15`)))).toBeCloseTo(5, 0);
  expect(await durationOf(await bytesOf(await fetch(`${base}/clip.mp4?end=3`)))).toBeCloseTo(3, 0);
  expect(await durationOf(await bytesOf(await fetch(`${base}/clip.mp4?start=0`)))).toBeCloseTo(20, 0);
  expect(cuts).toBe(2);
});

test('a part of a file that was replaced is cut anew', async () => {
  const path = await makeClip('clip.mp4');
  await (await fetch(`${base}/clip.mp4?start=5`)).arrayBuffer();
  await utimes(path, 1, 1_700_000_000);
  await (await fetch(`${base}/clip.mp4?start=5`)).arrayBuffer();
  await (await fetch(`${base}/clip.mp4?start=5`)).arrayBuffer();
  expect(cuts).toBe(2);
});

test('parts that nobody asked for the longest are deleted when they take too much', async () => {
  await makeClip('clip.mp4');
  const sizes = [];
  for (const start of [1, 2, 3]) sizes.push((await bytesOf(await fetch(`${base}/clip.mp4?start=${start}`))).byteLength);
  await (await fetch(`${base}/clip.mp4?start=1`)).arrayBuffer();
  make({ fragmentsMaxBytes: (sizes[0] ?? 0) * 3 });
  await (await fetch(`${base}/clip.mp4?start=4`)).arrayBuffer();
  await vi.waitFor(async () =>
    expect((await readdir(join(recordDir, '.fragments'))).sort()).toEqual([
      'clip-s1.mp4',
      'clip-s3.mp4',
      'clip-s4.mp4',
    ]),
  );
  make({ fragmentsMaxBytes: 0 });
  expect((await bytesOf(await fetch(`${base}/clip.mp4?start=6`))).byteLength).toBeGreaterThan(1000);
  await vi.waitFor(async () => expect(await readdir(join(recordDir, '.fragments'))).toEqual([]));
});

test('times that make no sense are refused, also those behind the end and of what is no MP4 file', async () => {
  await makeClip('clip.mp4');
  for (const query of ['start=5&end=4', 'start=x', 'end=-1', 'start=100', 'start=1e1']) {
    const response = await fetch(`${base}/clip.mp4?${query}`);
    expect.soft(response.status, query).toBe(400);
    await response.arrayBuffer();
  }
  expect((await fetch(`${base}/a.mp4?start=1`)).status).toBe(400);
  await writeFile(join(recordDir, 'a.webm'), BYTES);
  expect((await bytesOf(await fetch(`${base}/a.webm?start=1&end=2`))).byteLength).toBe(BYTES.byteLength);
  expect(await readdir(join(recordDir, '.fragments'))).toEqual([]);
});

test('ffmpeg plays a file by ranges', async () => {
  await makeClip('clip.mp4');
  const { stdout } = await run('ffmpeg', ['-v', 'error', '-ss', '10', '-i', `${base}/clip.mp4`, '-f', 'framecrc', '-']);
  expect(stdout.split('\n').filter((line) => line.startsWith('0,')).length).toBeGreaterThan(200);
});

test('a client that takes nothing is let go, and so is none that is slow', async () => {
  make({ stallTimeoutMs: 300 });
  await writeFile(join(recordDir, 'big.mp4'), Buffer.alloc(64 * 1024 * 1024));
  const request = get(`${base}/big.mp4`);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  response.pause();
  await vi.waitFor(() => expect(mount.size).toBe(0), { timeout: 3000 });
  request.destroy();
});

test('only so many downloads are sent at the same time', async () => {
  make({ maxDownloads: 1 });
  await writeFile(join(recordDir, 'big.mp4'), Buffer.alloc(64 * 1024 * 1024));
  const request = get(`${base}/big.mp4`);
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  const refused = await fetch(`${base}/a.mp4`);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
  request.destroy();
  await vi.waitFor(async () => expect((await fetch(`${base}/a.mp4`)).status).toBe(200));
});

test('closing ends downloads at once', async () => {
  await writeFile(join(recordDir, 'big.mp4'), Buffer.alloc(64 * 1024 * 1024));
  const request = get(`${base}/big.mp4`);
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  await mount.close();
  expect(mount.size).toBe(0);
});
