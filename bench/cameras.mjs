// What it costs to pull many cameras that nobody watches: Sluice against one ffmpeg that throws them away, in one run.
// node bench/cameras.mjs [--cameras 50] [--settle 20] [--seconds 10] [--rounds 3] [--set gop_cache_duration=4000]
// Needs: npm run build, ffmpeg.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeClip } from './support/clip.mjs';
import { median, metric, summary } from './support/figures.mjs';
import { freePort, usage } from './support/processes.mjs';
import { startSluice } from './support/servers.mjs';

const { values } = parseArgs({
  options: {
    cameras: { type: 'string', default: '50' },
    /** Seconds from the moment that all run; 20 fill what the server keeps for viewers to come. */
    settle: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    /** Settings of the server that pulls. */
    set: { type: 'string', multiple: true, default: [] },
  },
});
const SETTINGS = Object.fromEntries(values.set.map((set) => set.split('=')));
const CAMERAS = Number(values.cameras);
const START_TIMEOUT_MS = 60_000;
/** A camera of which less came than this share of what came of the others has lost something. */
const LEAST_SHARE = 0.9;
const RTSP_PLAY = ['protocol="rtsp"', 'media_type="play"'];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, what) {
  const endsAt = performance.now() + START_TIMEOUT_MS;
  while (!(await condition())) {
    if (performance.now() > endsAt) throw new Error(`${what}: not within ${START_TIMEOUT_MS} ms`);
    await sleep(100);
  }
}

function startFfmpeg(args) {
  const child = spawn('ffmpeg', ['-v', 'error', '-nostdin', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return {
    pid: child.pid,
    check: () => {
      if (child.exitCode !== null) throw new Error(`ffmpeg ended with code ${child.exitCode}`);
    },
    stop: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

/** All cameras: an RTSP server with one stream, and an address of it for each of them. */
async function startCameras(folder) {
  const [http, rtsp] = [await freePort(), await freePort()];
  const server = await startSluice(join(folder, 'cameras'), { 'http.port': http, 'rtsp.port': rtsp });
  const input = ['-re', '-stream_loop', '-1', '-i', makeClip(folder, 20)];
  const publisher = startFfmpeg([...input, '-c', 'copy', '-f', 'flv', `rtmp://127.0.0.1:${server.port}/live/cam`]);
  const frames = () => metric(http, 'sluice_stream_frames_total', 'stream="cam"', 'kind="video"');
  await until(async () => (await frames()) > 60, 'the stream of the cameras');
  return {
    urls: Array.from({ length: CAMERAS }, (_, i) => `rtsp://127.0.0.1:${rtsp}/cam?n=${i + 1}`),
    playing: () => metric(http, 'sluice_sessions', ...RTSP_PLAY),
    bytesSent: () => metric(http, 'sluice_session_bytes_total', ...RTSP_PLAY, 'direction="out"'),
    dropped: () => metric(http, 'sluice_session_drops_total', 'protocol="rtsp"'),
    check: publisher.check,
    stop: async () => {
      await publisher.stop();
      await server.stop();
    },
  };
}

async function rest(port, method, body = {}) {
  const response = await fetch(`http://127.0.0.1:${port}/rest-api${method}`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${method}: ${response.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

/** Sluice, pulling all cameras. */
async function pullBySluice(folder, cameras) {
  const http = await freePort();
  const server = await startSluice(join(folder, 'puller'), { 'http.port': http, ...SETTINGS });
  const idleKib = usage(server.pid).rssKib;
  const list = () => rest(http, '/rtsp/find_all');
  let before = [];
  return {
    ...server,
    idleKib,
    start: async () => {
      for (const [i, uri] of cameras.urls.entries())
        await rest(http, '/rtsp/startup', { uri, localStreamName: `c${i}` });
      const running = async () => (await list()).filter(({ state }) => state === 'running').length === CAMERAS;
      await until(running, 'the cameras');
    },
    mark: async () => {
      before = await list();
    },
    /** Packets that were lost or thrown away. @throws Error for a camera that does not run as it should */
    lost: async () => {
      const packetsOf = new Map(before.map(({ uri, packets }) => [uri, packets]));
      const after = await list();
      const grown = after.map(({ uri, packets }) => packets - packetsOf.get(uri));
      const least = median(grown) * LEAST_SHARE;
      for (const [i, { uri, state, attempts, reconnects, lastError }] of after.entries()) {
        const well = state === 'running' && attempts === 1 && reconnects === 0 && grown[i] > 0 && grown[i] >= least;
        if (!well)
          throw new Error(`${uri}: ${JSON.stringify({ state, attempts, reconnects, lastError, grown: grown[i] })}`);
      }
      if (after.length !== CAMERAS) throw new Error(`${after.length} cameras are pulled`);
      const counters = ['session_lost_packets_total', 'session_drops_total', 'relay_dropped_packets_total'];
      const counts = await Promise.all(counters.map((name) => metric(http, `sluice_${name}`)));
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
}

/** One ffmpeg that takes every camera as an input and throws its packets away. */
function pullByFfmpeg(_folder, cameras) {
  const inputs = cameras.urls.flatMap((url) => ['-rtsp_transport', 'tcp', '-i', url]);
  const outputs = cameras.urls.flatMap((_, i) => ['-map', String(i), '-c', 'copy', '-f', 'null', '-']);
  let child;
  return {
    name: 'ffmpeg',
    get pid() {
      return child.pid;
    },
    start: () => {
      child = startFfmpeg([...inputs, ...outputs]);
    },
    mark: () => child.check(),
    lost: () => {
      child.check();
      return 0;
    },
    stop: () => child?.stop(),
  };
}

async function measure(puller, cameras) {
  const dropped = await cameras.dropped();
  await puller.start();
  await until(async () => (await cameras.playing()) === CAMERAS, 'connections to all cameras');
  await sleep(Number(values.settle) * 1000);
  await puller.mark();
  const start = { ...usage(puller.pid), bytes: await cameras.bytesSent(), at: performance.now() };
  await sleep(Number(values.seconds) * 1000);
  const end = { ...usage(puller.pid), bytes: await cameras.bytesSent(), at: performance.now() };
  cameras.check();
  const seconds = (end.at - start.at) / 1000;
  return {
    cpu: ((end.cpu - start.cpu) / seconds) * 100,
    rssMib: end.rssKib / 1024,
    grownKib: puller.idleKib === undefined ? undefined : (end.rssKib - puller.idleKib) / CAMERAS,
    kbit: ((end.bytes - start.bytes) * 8) / seconds / CAMERAS / 1000,
    lost: (await puller.lost()) + (await cameras.dropped()) - dropped,
  };
}

function report(rounds) {
  const head = [
    'pulled by',
    'CPU % of a core',
    'CPU µs / stream and s',
    'RSS MiB',
    'KiB / stream',
    'kbit/s each',
    'lost',
  ];
  process.stdout.write(`| ${head.join(' | ')} |\n|${' --- |'.repeat(head.length)}\n`);
  for (const [name, list] of Object.entries(rounds)) {
    const cpu = list.map((r) => r.cpu);
    const perStream = cpu.map((percent) => (percent * 10_000) / CAMERAS);
    const grown = list.some((r) => r.grownKib === undefined)
      ? ''
      : summary(
          list.map((r) => r.grownKib),
          0,
        );
    const memory = [
      summary(
        list.map((r) => r.rssMib),
        0,
      ),
      grown,
    ];
    const kbit = median(list.map((r) => r.kbit)).toFixed(0);
    const lost = list.reduce((sum, r) => sum + r.lost, 0);
    const cells = [name, summary(cpu, 1), summary(perStream, 0), ...memory, kbit, lost];
    process.stdout.write(`| ${cells.join(' | ')} |\n`);
  }
  const ratios = (key) => rounds.Sluice.map((r, i) => r[key] / rounds.ffmpeg[i][key]);
  const cells = [`**${summary(ratios('cpu'), 2)}**`, '', summary(ratios('rssMib'), 2), '', '', ''];
  process.stdout.write(`| **ratio** | ${cells.join(' | ')} |\n`);
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
let cameras;
try {
  cameras = await startCameras(folder);
  const rounds = { ffmpeg: [], Sluice: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const pull of [pullByFfmpeg, pullBySluice]) {
      await until(async () => (await cameras.playing()) === 0, 'the end of the round before');
      const puller = await pull(folder, cameras);
      try {
        const result = await measure(puller, cameras);
        rounds[puller.name].push(result);
        process.stderr.write(`${puller.name} ${JSON.stringify(result)}\n`);
      } finally {
        await puller.stop();
      }
    }
  }
  report(rounds);
} finally {
  await cameras?.stop();
  rmSync(folder, { recursive: true, force: true });
}
