import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestClient } from '../packages/server/src/protocols/rtmp/testing/client.ts';
import { MESSAGE } from '../packages/server/src/protocols/rtmp/wire/chunk-writer.ts';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';

const PERIOD_MS = 2000;
const STALL_MS = 400;
/** Between two pictures of the clip. */
const PICTURE_MS = 40;

let folder: string;
let clip: string;
let lastStarted: Promise<unknown> = Promise.resolve();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-in-buffer-'));
  clip = join(folder, 'clip.flv');
  makeClip(clip, { seconds: 10, gop: 25 });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A way to the server on which nothing moves for 400 ms of every 2 s; what was held then comes at once. */
async function stallingWay(to: number): Promise<Server> {
  const sockets = new Set<{ from: Socket; to: Socket }>();
  const timer = setInterval(() => {
    const stalled = performance.now() % PERIOD_MS < STALL_MS;
    for (const pair of sockets) {
      if (stalled) pair.from.pause();
      else pair.from.resume();
    }
  }, 5);
  const proxy = createServer((from) => {
    const pair = { from, to: connect({ port: to, host: '127.0.0.1' }) };
    sockets.add(pair);
    from.pipe(pair.to);
    pair.to.pipe(from);
    for (const socket of [from, pair.to]) {
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(pair));
    }
  });
  proxy.on('close', () => clearInterval(timer));
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return proxy;
}

/** One server after the other: starting takes all of a busy machine. */
function startInTurn(settings: Record<string, string | number>): Promise<TestServer> {
  const server = lastStarted.then(() => TestServer.start({ settings }));
  lastStarted = server.catch(() => {});
  return server;
}

/** A time in which no picture came, on the clock of this process. */
interface Pause {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Publishes for ten seconds by the stalling way; tells the pauses between pictures at a player, but for the first 3 s,
 * less what another stream, which has no stalls, paused meanwhile: that was the machine.
 */
async function pausesOfPlayer(settings: Record<string, string | number>): Promise<number[]> {
  const server = await startInTurn({ publisher_reconnect_wait: 0, ...settings });
  const way = await stallingWay(server.rtmpPort);
  try {
    const { port } = way.address() as AddressInfo;
    const [pauses, ofMachine] = await Promise.all([
      played(server, 'cam', port),
      played(server, 'still', server.rtmpPort),
    ]);
    return pauses.map(({ fromMs, toMs }) => {
      const both = ofMachine.map((other) => Math.min(toMs, other.toMs) - Math.max(fromMs, other.fromMs) - PICTURE_MS);
      return toMs - fromMs - both.reduce((sum, ms) => sum + Math.max(0, ms), 0);
    });
  } finally {
    way.close();
    await server.stop();
  }
}

/** Publishes the clip by a port and plays it. */
async function played(server: TestServer, name: string, port: number): Promise<Pause[]> {
  const url = `rtmp://127.0.0.1:${port}/live/${name}`;
  const publisher = new Ffmpeg(['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', url]);
  await server.untilLive(name);
  const arrivals = await arrivalsOf(await TestClient.connect(server.rtmpPort), name);
  expect(await publisher.exited, publisher.stderr).toBe(0);
  const settled = arrivals.filter((a) => a.timestamp > 3000 && a.timestamp < 9500);
  expect(settled.length).toBeGreaterThan(140);
  return settled.slice(1).map((a, i) => ({ fromMs: settled[i]?.atMs ?? 0, toMs: a.atMs }));
}

/** When the pictures of the stream come to a player, until it ends. */
async function arrivalsOf(player: TestClient, name: string): Promise<{ atMs: number; timestamp: number }[]> {
  await player.play(name);
  const arrivals: { atMs: number; timestamp: number }[] = [];
  for (;;) {
    const message = await player.until((m) => m.type === MESSAGE.video).catch(() => undefined);
    if (message === undefined) return arrivals;
    arrivals.push({ atMs: performance.now(), timestamp: message.timestamp });
  }
}

/** A machine that is busy with other tests may itself pause a process for this long. */
const NOISE_MS = 200;

describe.concurrent('the in-buffer, with a publisher that stalls 400 ms every 2 s', () => {
  // By itself, for it is the one that other work on this machine could disturb.
  it.sequential('keeps the stalls from players', async () => {
    const pauses = await pausesOfPlayer({ rtmp_in_buffer_enabled: 'true', rtmp_in_buffer_start_size: 600 });
    expect(pauses.filter((ms) => ms > NOISE_MS)).toEqual([]);
    // In the middle of them, pictures come 40 ms apart as they were made.
    const sorted = pauses.toSorted((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length * 0.95)]).toBeLessThan(60);
  });

  it('without it players get the stalls, which shows that there are any', async () => {
    const pauses = await pausesOfPlayer({});
    expect(pauses.filter((ms) => ms > 300).length).toBeGreaterThanOrEqual(2);
  });

  it('passes everything through once the stream lags by the threshold', async () => {
    const lag = { rtmp_in_buffer_input_delay_threshold: 200, rtmp_in_buffer_start_size: 600 };
    const pauses = await pausesOfPlayer({ rtmp_in_buffer_enabled: 'true', ...lag });
    expect(pauses.filter((ms) => ms > 300).length).toBeGreaterThanOrEqual(2);
  });
});
