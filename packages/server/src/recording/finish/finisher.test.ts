import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MediaPacket } from '@sluice/media';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RecordingContainer } from '../../core/index.ts';
import { TestLog } from '../../core/testing/hub.ts';
import { decode, mediaPackets, probe, writeLikeRecording } from '../testing/written-file.ts';
import type { FinishedFile } from './finish-job.ts';
import { Finisher, type FinisherOptions } from './finisher.ts';

const SECONDS = 4;
const media = mkdtempSync(join(tmpdir(), 'finisher-media-'));
let h264: MediaPacket[];
let vp8: MediaPacket[];
let folder = '';
let finisher: Finisher;
const log = new TestLog();
const source = (container: RecordingContainer): string => join(folder, `source.${container}`);
const target = (): string => join(folder, 'target.new');
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

function start(options: Partial<FinisherOptions> = {}): Finisher {
  finisher = new Finisher({ maxThreads: 2, ...options }, { log });
  return finisher;
}

/** A program for threads. */
function thread(text: string): URL {
  const path = join(folder, 'thread.mjs');
  writeFileSync(path, `import { parentPort } from 'node:worker_threads';\nimport fs from 'node:fs';\n${text}`);
  return pathToFileURL(path);
}

function finish(
  container: RecordingContainer,
  more: { indexFirst?: boolean; reserveBytes?: number } = {},
): Promise<FinishedFile> {
  return finisher.finish({ source: source(container), container, target: target(), indexFirst: true, ...more });
}

function expectMoovFirst(path: string, isFirst: boolean): void {
  const bytes = readFileSync(path);
  expect(bytes.indexOf('moov') < bytes.indexOf('mdat')).toBe(isFirst);
  expect(bytes.indexOf('moof')).toBe(isFirst ? -1 : bytes.indexOf('moof'));
}

beforeAll(async () => {
  h264 = await mediaPackets('h264-aac', SECONDS, media);
  vp8 = await mediaPackets('vp8-opus', SECONDS, media);
}, 60_000);
afterAll(() => rmSync(media, { recursive: true }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'finisher-'));
  log.lines.length = 0;
});

afterEach(async () => {
  await finisher.close();
  rmSync(folder, { recursive: true });
});

describe('Finisher', { timeout: 60_000 }, () => {
  it('makes an MP4 file with its index first, and tells what is in it', async () => {
    writeLikeRecording(source('mp4'), 'mp4', h264);
    const progress: number[] = [];
    const file = await start().finish(
      { source: source('mp4'), container: 'mp4', target: target(), indexFirst: true },
      { onProgress: (one) => progress.push(one) },
    );
    expect(file).toMatchObject({ path: target(), form: 'rewritten', tornBytes: 0 });
    expect(file.sha256).toBe(sha256(target()));
    expect(file.bytes).toBe(statSync(target()).size);
    expect(file.tracks).toEqual([
      expect.objectContaining({ kind: 'video', codec: 'h264', width: 320, height: 180, samples: SECONDS * 30 }),
      expect.objectContaining({ kind: 'audio', codec: 'aac', sampleRate: 48_000, channels: 2 }),
    ]);
    const probed = probe(target());
    expect(Math.abs(probed.durationMs - file.durationUs / 1000)).toBeLessThan(100);
    expect(probed.streams.map(({ packets }) => packets)).toEqual(file.tracks.map(({ samples }) => samples));
    expectMoovFirst(target(), true);
    decode(target());
    expect(progress.length).toBeGreaterThan(0);
  });

  it('finishes MP4 where it is when that is wanted, and again when it is asked again', async () => {
    writeLikeRecording(source('mp4'), 'mp4', h264);
    start();
    const file = await finish('mp4', { indexFirst: false });
    expect(file).toMatchObject({ path: source('mp4'), form: 'in place', note: undefined });
    expect(file.sha256).toBe(sha256(source('mp4')));
    expectMoovFirst(source('mp4'), false);
    decode(source('mp4'));
    expect(existsSync(target())).toBe(false);
    expect(await finish('mp4', { indexFirst: false })).toEqual(file);
    const rewritten = await finish('mp4');
    expect(rewritten).toMatchObject({ form: 'rewritten', durationUs: file.durationUs });
    decode(target());
  });

  for (const container of ['webm', 'mkv', 'ts'] as const) {
    it(`finishes ${container} where it is`, async () => {
      writeLikeRecording(source(container), container, container === 'ts' ? h264 : vp8);
      start();
      const file = await finish(container);
      expect(file).toMatchObject({ path: source(container), form: 'in place', note: undefined });
      expect(file.sha256).toBe(sha256(source(container)));
      const probed = probe(source(container));
      expect(Math.abs(probed.durationMs - SECONDS * 1000)).toBeLessThan(60);
      expect(Math.abs(file.durationUs / 1000 - SECONDS * 1000)).toBeLessThan(60);
      decode(source(container));
      expect(await finish(container)).toEqual(file);
    });

    it(`cuts what is torn off the end of ${container}`, async () => {
      const ends = writeLikeRecording(source(container), container, container === 'ts' ? h264 : vp8);
      truncateSync(source(container), (ends.at(-2) as number) + 1000);
      start();
      const file = await finish(container);
      expect(file.tornBytes).toBeGreaterThan(0);
      expect(file.durationUs).toBeGreaterThan((SECONDS - 1.1) * 1e6);
      decode(source(container));
    });
  }

  it('finishes MP4 that is torn in any of its fragments, up to the last whole one', async () => {
    const ends = writeLikeRecording(source('mp4'), 'mp4', h264);
    const whole = readFileSync(source('mp4'));
    start();
    for (const [i, end] of ends.slice(1, SECONDS).entries()) {
      for (const [extra, indexFirst] of [
        [4, true],
        [100, false],
        [5000, true],
      ] as const) {
        writeFileSync(source('mp4'), whole.subarray(0, end + extra));
        const file = await finish('mp4', { indexFirst });
        expect(file.tornBytes).toBe(extra);
        expect(Math.abs(file.durationUs - (i + 1) * 1e6)).toBeLessThan(80_000);
        decode(file.path);
      }
    }
  });

  it('leaves the file where it is when there is no room for a new one, and says so', async () => {
    writeLikeRecording(source('mp4'), 'mp4', h264);
    start();
    const file = await finish('mp4', { reserveBytes: 1e15 });
    expect(file).toMatchObject({ path: source('mp4'), form: 'in place' });
    expect(file.note).toMatch(/^its index is not at the front: \d+ bytes are needed, \d+ are free on the disk$/);
    decode(source('mp4'));
    expect(existsSync(target())).toBe(false);
  });

  it('copies a file that was written on another disk to where it is to be', async () => {
    const elsewhere = mkdtempSync('/dev/shm/finisher-');
    try {
      expect(statSync(elsewhere).dev).not.toBe(statSync(folder).dev);
      const written = join(elsewhere, 'source.webm');
      writeLikeRecording(written, 'webm', vp8);
      const file = await start().finish({ source: written, container: 'webm', target: target(), indexFirst: false });
      expect(file).toMatchObject({ path: target(), form: 'in place', sha256: sha256(target()) });
      decode(target());
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it('refuses files without media, damaged ones and missing ones, and leaves them as they are', async () => {
    start();
    for (const [text, code] of [
      ['', 'EMPTY'],
      ['no media at all, but text that somebody wrote', 'DAMAGED'],
      [undefined, 'ENOENT'],
    ] as const) {
      rmSync(source('mp4'), { force: true });
      if (text !== undefined) writeFileSync(source('mp4'), text);
      await expect(finish('mp4')).rejects.toMatchObject({ name: 'FinishError', code });
      if (text !== undefined) expect(readFileSync(source('mp4'), 'utf8')).toBe(text);
    }
    const [headEnd] = writeLikeRecording(source('mp4'), 'mp4', h264);
    truncateSync(source('mp4'), headEnd);
    await expect(finish('mp4')).rejects.toMatchObject({ code: 'EMPTY' });
    expect((await readdir(folder)).sort()).toEqual(['source.mp4']);
  });

  it('cuts a part of a finished file, from a key frame on', async () => {
    writeLikeRecording(source('mp4'), 'mp4', h264);
    start();
    await finish('mp4');
    const cut = join(folder, 'cut.mp4');
    const file = await finisher.cut({ source: target(), target: cut, startUs: 1_500_000, endUs: 3_000_000 });
    expect(file.path).toBe(cut);
    expect(file.sha256).toBe(sha256(cut));
    expect(Math.abs(probe(cut).durationMs - 1500)).toBeLessThan(100);
    decode(cut);
    const rest = await finisher.cut({ source: target(), target: cut, startUs: 3_500_000 });
    expect(Math.abs(rest.durationUs / 1e6 - 0.95)).toBeLessThan(0.1);
    await expect(finisher.cut({ source: target(), target: cut, startUs: 1e9 })).rejects.toMatchObject({
      name: 'FinishError',
    });
    expect((await readdir(folder)).sort()).toEqual(['cut.mp4', 'source.mp4', 'target.new']);
  });

  it('joins the files of several streams, each at its time, without those that are damaged', async () => {
    writeLikeRecording(join(folder, 'one.mp4'), 'mp4', h264);
    const ends = writeLikeRecording(join(folder, 'two.mp4'), 'mp4', h264);
    truncateSync(join(folder, 'two.mp4'), (ends[3] as number) + 7);
    writeFileSync(join(folder, 'three.mp4'), 'damaged');
    start();
    const members = [
      { source: join(folder, 'one.mp4'), offsetUs: 1_000_000 },
      { source: join(folder, 'three.mp4'), offsetUs: 0 },
      { source: join(folder, 'two.mp4'), offsetUs: 3_500_000 },
      { source: join(folder, 'missing.mp4'), offsetUs: 0 },
    ];
    const joined = await finisher.join({
      members,
      container: 'mp4',
      target: source('mp4'),
      createdAtMs: 1_700_000_000_000,
    });
    expect(joined.note).toContain('missing');
    expect(joined.bytes).toBe(statSync(source('mp4')).size);
    const file = await finish('mp4');
    expect(file.tracks.map(({ kind, samples }) => [kind, samples])).toEqual([
      ['video', 120],
      ['audio', expect.any(Number)],
      ['video', 90],
      ['audio', expect.any(Number)],
    ]);
    const { streams, durationMs } = probe(target());
    for (const [i, startMs] of [1000, 1000, 3500, 3500].entries()) {
      expect(Math.abs((streams[i]?.startMs ?? 0) - startMs), `stream ${i}`).toBeLessThan(110);
    }
    expect(Math.abs(durationMs - 6500)).toBeLessThan(120);
    decode(target());
  });
});

describe('threads of the Finisher', { timeout: 60_000 }, () => {
  const job = (i = 0) => ({ source: `/source-${i}`, container: 'mp4' as const, target: '/target', indexFirst: true });

  it('are replaced when they die, and their jobs tried once more', async () => {
    const entry = thread(`
      const died = ${JSON.stringify(join(folder, 'died'))};
      parentPort.on('message', (job) => {
        if (fs.existsSync(died)) parentPort.postMessage({ type: 'done', file: { path: job.source } });
        else { fs.writeFileSync(died, ''); process.exit(3); }
      });`);
    start({ thread: { entry } });
    expect(await finisher.finish(job())).toEqual({ path: '/source-0' });
    expect(log.lines.map(({ level }) => level)).toEqual(['warn']);
  });

  it('that die again and again, do not start, or use up their memory fail their job only', async () => {
    for (const text of [
      `parentPort.on('message', () => process.exit(1));`,
      `parentPort.on('message', () => { throw new Error('broken'); });`,
      `throw new Error('broken');`,
      `parentPort.on('message', () => { const all = []; for (;;) all.push(new Array(1e5).fill({})); });`,
    ]) {
      start({ thread: { entry: thread(text), maxHeapMb: 64 } });
      await expect(finisher.finish(job()), text).rejects.toMatchObject({ code: 'DIED' });
      expect(finisher.load).toEqual({ working: 0, waiting: 0, idleThreads: 0 });
      await finisher.close();
    }
  });

  it('that hang are ended', async () => {
    start({
      thread: { entry: thread(`parentPort.on('message', () => { for (;;); });`), maxHeapMb: 64 },
      silenceMs: 100,
    });
    await expect(finisher.finish(job())).rejects.toMatchObject({
      code: 'DIED',
      message: expect.stringContaining('said nothing'),
    });
  });

  it('are no more than allowed, work in order, are used again, and end when there is nothing to do', async () => {
    const entry = thread(`
      import { threadId } from 'node:worker_threads';
      parentPort.on('message', (job) => setTimeout(() => parentPort.postMessage({ type: 'done', file: { path: job.source, threadId } }), 20));`);
    start({ thread: { entry }, idleMs: 50 });
    const done: string[] = [];
    const jobs = Array.from({ length: 10 }, (_none, i) =>
      finisher.finish(job(i)).then((file) => {
        done.push(file.path);
        return file as unknown as { threadId: number };
      }),
    );
    expect(finisher.load).toMatchObject({ working: 2, waiting: 8 });
    const threads = new Set((await Promise.all(jobs)).map(({ threadId }) => threadId));
    expect(threads.size).toBe(2);
    // One that is done as the n-th has begun when no more than n were under way or done; threads take time to start.
    const order = done.map((path) => Number(path.slice(8)));
    expect(order.filter((number, place) => number > place + 1)).toEqual([]);
    expect(new Set(order).size).toBe(10);
    await vi.waitFor(() => expect(finisher.load.idleThreads).toBe(0));
  });

  it('end with the server, whatever they do', async () => {
    start({
      thread: { entry: thread(`parentPort.on('message', () => { for (;;); });`), maxHeapMb: 64 },
      maxThreads: 1,
    });
    const jobs = [finisher.finish(job(0)), finisher.finish(job(1))].map((one) => one.catch((error: unknown) => error));
    await finisher.close();
    for (const error of await Promise.all(jobs)) expect(error).toMatchObject({ code: 'CLOSED' });
    await expect(finisher.finish(job())).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
