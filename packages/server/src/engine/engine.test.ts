import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { MediaPacket } from '@sluice/media';
import { g711Track } from '@sluice/media';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Engine } from './index.ts';
import { cut, mp4Clip, packetOf } from './testing/clips.ts';
import { isAlive, Recording, testEngine, until } from './testing/run.ts';

/** Ten seconds of a telephone's silence: anything will do here. */
const CLIP: readonly MediaPacket[] = cut(g711Track(1, 'pcma'), new Uint8Array(80_000).fill(0xd5));
const TRACK = CLIP[0]?.track ?? g711Track(1, 'pcma');

const PICTURES = ['-f', 'lavfi', '-i', 'testsrc2=s=1280x720:r=30:d=4', '-pix_fmt', 'yuv420p'];

const open: Engine[] = [];
afterEach(async () => {
  const pids = open.flatMap(pidsOf);
  await Promise.all(open.splice(0).map((engine) => engine.close()));
  expect(pids.filter(isAlive)).toEqual([]);
});

function start(options: Parameters<typeof testEngine>[0] = {}) {
  const parts = testEngine(options);
  open.push(parts.engine);
  return parts;
}

function pidsOf(engine: Engine): number[] {
  return engine.stats().workers.flatMap(({ pid }) => pid ?? []);
}

/** A conversion that has put something out. */
async function running(engine: Engine): Promise<Recording> {
  const recording = new Recording(engine, TRACK, { codec: 'opus' });
  await recording.play(CLIP.slice(0, 100));
  await recording.reaches(1_800_000);
  return recording;
}

describe('the engine', { timeout: 60_000 }, () => {
  test('starts no process before the first conversion, and then one and a spare', async () => {
    const { engine } = start({ warmSpare: true });
    expect(engine.stats()).toEqual({ conversions: 0, workers: [] });
    await running(engine);
    expect(engine.stats().workers).toMatchObject([
      { kind: 'audio', conversions: 1, ready: true },
      { kind: 'audio', conversions: 0 },
    ]);
  });

  test('fills a worker before it takes another', () => {
    const { engine } = start({ audioPerWorker: 2 });
    for (let index = 0; index < 5; index += 1) new Recording(engine, TRACK, { codec: 'opus' });
    expect(engine.stats().workers.map(({ conversions }) => conversions)).toEqual([2, 2, 1]);
  });

  test('gives large pictures more room in a worker', async () => {
    const { engine } = start();
    const trackOf = async (size: string) => {
      const source = ['-f', 'lavfi', '-i', `color=s=${size}:r=5:d=0.4`, '-pix_fmt', 'yuv420p', '-c:v', 'libx264'];
      return (await mp4Clip(source))[0]?.track ?? never();
    };
    const [small, large] = [await trackOf('1280x720'), await trackOf('1920x1080')];
    for (const track of [small, small, large, small, large]) new Recording(engine, track, { codec: 'h264' });
    expect(engine.stats().workers.map(({ conversions }) => conversions)).toEqual([3, 1, 1]);
  });

  test('ends the workers when nothing was converted for a while', async () => {
    const { engine } = start({ warmSpare: true, idleMs: 100 });
    const { conversion } = await running(engine);
    const pids = pidsOf(engine);
    expect(pids).toHaveLength(2);
    conversion.close();
    await until(() => !pids.some(isAlive), 'the workers end');
    expect(engine.stats()).toEqual({ conversions: 0, workers: [] });
  });

  test('goes on in a new worker when one is killed', async () => {
    const { engine, counters, log } = start();
    const recording = await running(engine);
    const other = await running(engine);
    const [pid] = pidsOf(engine);
    process.kill(pid ?? 0, 'SIGKILL');
    await until(() => counters.of('engine_worker_deaths') === 1, 'the death is noticed');
    const { track } = recording.packets[0] ?? {};
    for (const each of [recording, other]) {
      await each.play(CLIP.slice(100, 250));
      await each.reaches(4_800_000);
    }
    expect(recording.failures).toEqual([]);
    expect(recording.packets.at(-1)?.track).toBe(track);
    const times = recording.packets.map(({ ptsUs }) => ptsUs);
    expect(times.slice(1).every((timeUs, index) => timeUs - (times[index] ?? 0) >= 19_998)).toBe(true);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('kills a worker that hangs, and goes on in another', async () => {
    const { engine, counters } = start({ silenceMs: 2000 });
    const recording = await running(engine);
    const [pid] = pidsOf(engine);
    process.kill(pid ?? 0, 'SIGSTOP');
    await until(() => counters.of('engine_worker_deaths') === 1, 'it is killed');
    expect(isAlive(pid)).toBe(false);
    await recording.play(CLIP.slice(100, 250));
    await recording.reaches(4_800_000);
  });

  test('does not blame its workers when it was held up itself', async () => {
    const { engine, counters } = start({ silenceMs: 1000 });
    const recording = await running(engine);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
    await recording.play(CLIP.slice(100, 150));
    await recording.reaches(2_800_000);
    expect(counters.of('engine_worker_deaths')).toBe(0);
  });

  test('gives a conversion up when its workers die three times in half a minute', async () => {
    const { engine, counters } = start();
    const recording = new Recording(engine, TRACK, { codec: 'opus' });
    for (let death = 1; death <= 3; death += 1) {
      await until(() => engine.stats().workers.some(({ ready }) => ready), 'a worker is up');
      process.kill(pidsOf(engine)[0] ?? 0, 'SIGKILL');
      await until(() => counters.of('engine_worker_deaths') === death, `death ${death}`);
    }
    expect(recording.failures).toEqual([expect.stringContaining('SIGKILL')]);
    expect(counters.of('engine_failed_conversions')).toBe(1);
    expect(engine.stats().conversions).toBe(0);
  });

  test('blames only the conversion that a worker was at when it died', async () => {
    const { engine, counters } = start({ videoPreset: 'veryfast' });
    const clip = await mp4Clip([...PICTURES, '-c:v', 'libx264', '-bf', '0', '-g', '1']);
    const track = clip[0]?.track ?? never();
    const idle = new Recording(engine, track, { codec: 'h264' });
    const busy = new Recording(engine, track, { codec: 'h264' });
    for (let death = 1; death <= 3; death += 1) {
      const before = busy.packets.length;
      for (const packet of clip.slice(death * 20)) busy.conversion.push(packet);
      await until(() => busy.packets.length > before, 'it is at work');
      // The last one to be started: from the second time on it is alone with a worker of its own.
      process.kill(pidsOf(engine).at(-1) ?? 0, 'SIGKILL');
      await until(() => counters.of('engine_worker_deaths') === death, `death ${death}`);
    }
    expect(busy.failures).toHaveLength(1);
    expect(idle.failures).toEqual([]);
    await idle.play(clip);
    await idle.reaches(clip.at(-1)?.ptsUs ?? 0);
  });

  test('drops the oldest sound, and counts it, while a worker does not read', async () => {
    const { engine, counters } = start({ silenceMs: 60_000 });
    const recording = await running(engine);
    const [pid = 0] = pidsOf(engine);
    process.kill(pid, 'SIGSTOP');
    const loud = new Uint8Array(4000).fill(0xd5);
    const times = (index: number) => ({ ptsUs: 2_000_000 + index * 500_000, dtsUs: 0, key: true });
    for (let index = 0; index < 500; index += 1) recording.conversion.push(packetOf(TRACK, [loud], times(index)));
    expect(counters.of('engine_dropped_packets')).toBeGreaterThan(100);
    process.kill(pid, 'SIGCONT');
    await recording.reaches(times(499).ptsUs);
  });

  test('leaves no worker behind when the server itself is killed', async () => {
    const server = spawn(process.execPath, ['--input-type=module', '-e', SERVER_PROGRAM]);
    let printed = '';
    server.stdout.on('data', (text) => {
      printed += text;
    });
    await until(() => printed.endsWith('\n'), 'the server converts');
    const pid = Number(printed);
    expect(isAlive(pid)).toBe(true);
    server.kill('SIGKILL');
    await until(() => !isAlive(pid), 'its worker ends');
  });

  test('closes within two seconds though a worker hangs, and tells no conversion', async () => {
    const { engine } = start();
    const recording = await running(engine);
    const [pid] = pidsOf(engine);
    process.kill(pid ?? 0, 'SIGSTOP');
    const startedMs = performance.now();
    await engine.close();
    expect(performance.now() - startedMs).toBeLessThan(2000);
    expect(isAlive(pid)).toBe(false);
    const { length } = recording.packets;
    recording.conversion.push(CLIP[200] ?? recording.packets[0] ?? never());
    expect(recording.packets).toHaveLength(length);
    expect(recording.failures).toEqual([]);
  });

  test('refuses what it can not do, and what comes after its end, by an event', async () => {
    const { engine } = start();
    expect(engine.canConvert('h265', 'h264')).toBe(true);
    expect(engine.canConvert('h265', 'opus')).toBe(false);
    expect(engine.canConvert('opus', 'opus')).toBe(false);
    const failures = vi.fn();
    const events = { onPacket: failures, onFailed: failures };
    engine.open({ ...TRACK, codec: 'h265', kind: 'video' }, { codec: 'opus' }, events);
    expect(failures).not.toHaveBeenCalled();
    await until(() => failures.mock.calls.length === 1, 'it is refused');
    await engine.close();
    engine.open(TRACK, { codec: 'opus' }, events);
    await until(() => failures.mock.calls.length === 2, 'it is refused');
    expect(engine.stats()).toEqual({ conversions: 0, workers: [] });
  });

  test('gives memory back: 300 conversions need no more than the first 50', async () => {
    const { engine } = start();
    const keep = await running(engine);
    const [pid] = pidsOf(engine);
    const rss = () => 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    const churn = async (count: number) => {
      for (let index = 0; index < count; index += 1) {
        const recording = new Recording(engine, TRACK, { codec: index % 2 ? 'opus' : 'aac' });
        await recording.play(CLIP.slice(0, 10), 1e9);
        await recording.reaches(100_000);
        recording.conversion.close();
      }
    };
    await churn(50);
    const before = rss();
    await churn(250);
    // 250 that are never freed take 65 MB; what the allocator keeps at times was up to 17.
    expect(rss() - before).toBeLessThan(28e6);
    expect(engine.stats().workers).toMatchObject([{ pid, conversions: 1, rssBytes: expect.any(Number) }]);
    keep.conversion.close();
  });
});

/** A server that prints the number of its worker when that is up. */
const SERVER_PROGRAM = `
  import { DEFAULT_ENGINE_OPTIONS, Engine } from '${new URL('../../dist/engine/index.js', import.meta.url)}';
  const ignore = () => undefined;
  const log = { child: () => log, debug: ignore, info: ignore, warn: ignore, error: ignore };
  const options = { ...DEFAULT_ENGINE_OPTIONS, warmSpare: false };
  const engine = new Engine(options, { log, counters: { count: ignore } });
  const track = { id: 1, kind: 'audio', codec: 'pcma', clockRate: 8000, parameters: [] };
  engine.open(track, { codec: 'opus' }, { onPacket: ignore, onFailed: ignore });
  const timer = setInterval(() => {
    const [worker] = engine.stats().workers;
    if (!worker?.ready) return;
    console.log(worker.pid);
    clearInterval(timer);
  }, 5);
`;

function never(): never {
  throw new Error('the clip is empty');
}
