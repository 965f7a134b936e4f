// Viewers of low-latency HLS that wait for each part, viewers of plain HLS on the same server, and nginx that serves the
// files of plain HLS: server CPU in one run.
// node bench/hls.mjs [--viewers 500] [--seconds 10] [--rounds 3]
// Needs: npm run build, ffmpeg, nginx.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeClip } from './support/clip.mjs';
import { median, summary } from './support/figures.mjs';
import { freePort, startSluice, usage } from './support/peers.mjs';

const { values } = parseArgs({
  options: {
    viewers: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
  },
});
const VIEWERS = Number(values.viewers);
const LOAD = fileURLToPath(new URL('./support/hls-load.mjs', import.meta.url));
/** All have joined, and nobody fetches what was there before. */
const SETTLE_SECONDS = 8;
const START_TIMEOUT_MS = 30_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function run(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return {
    pid: child.pid,
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

async function untilAnswers(url) {
  const endsAt = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    const text = await response?.text();
    if (response?.status === 200 && text.includes('#EXTINF')) return;
    if (performance.now() > endsAt) throw new Error(`${url}: no playlist with segments`);
    await sleep(200);
  }
}

function publish(clip, target) {
  return run('ffmpeg', ['-v', 'error', '-nostdin', '-re', '-stream_loop', '-1', '-i', clip, '-c', 'copy', ...target]);
}

/** Sluice with a live stream that it cuts. */
async function sluice(folder, clip, settings) {
  const hls = await freePort();
  const server = await startSluice(join(folder, 'sluice'), { 'hls.port': hls, ...settings });
  const publisher = publish(clip, ['-f', 'flv', `rtmp://127.0.0.1:${server.port}/live/clip`]);
  return {
    pid: server.pid,
    url: `http://127.0.0.1:${hls}/clip/clip.m3u8`,
    stop: async () => {
      await publisher.stop();
      await server.stop();
    },
  };
}

/** nginx with one worker, and ffmpeg that writes the segments of the same clip to the folder that it serves. */
async function nginx(folder, clip) {
  const port = await freePort();
  const root = join(folder, 'files');
  mkdirSync(root, { recursive: true });
  const config = join(folder, 'nginx.conf');
  writeFileSync(
    config,
    `daemon off; user root; worker_processes 1; worker_rlimit_nofile 8192; pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'nginx.log')} error;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000; sendfile on; tcp_nopush on; root ${root};
types { application/vnd.apple.mpegurl m3u8; video/mp4 mp4 m4s; } server { listen 127.0.0.1:${port}; } }
`,
  );
  const server = run('/usr/sbin/nginx', ['-c', config, '-p', folder]);
  const form = ['-f', 'hls', '-hls_time', '2', '-hls_list_size', '8', '-hls_segment_type', 'fmp4'];
  const cutter = publish(clip, [...form, '-hls_flags', 'delete_segments', join(root, 'clip.m3u8')]);
  const url = `http://127.0.0.1:${port}/clip.m3u8`;
  await untilAnswers(url);
  const worker = readdirSync('/proc').find((pid) => {
    const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
    return stat.split(') ')[1]?.split(' ')[1] === String(server.pid);
  });
  return {
    pid: Number(worker),
    url,
    stop: async () => {
      await cutter.stop();
      await server.stop();
    },
  };
}

function startLoad(url, mode) {
  const request = JSON.stringify({ url, viewers: VIEWERS, mode });
  const child = spawn(process.execPath, [LOAD, request], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = [];
  let rest = '';
  child.stdout.on('data', (data) => {
    const parts = (rest + String(data)).split('\n');
    rest = parts.pop();
    for (const line of parts) lines.push(JSON.parse(line));
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return {
    take: () => lines.splice(0),
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

async function measure({ start, mode }, folder, clip) {
  const server = await start(folder, clip);
  await untilAnswers(server.url);
  // What is held for one viewer already is not counted as memory of viewers.
  const idleKib = usage(server.pid).rssKib;
  const load = startLoad(server.url, mode);
  await sleep(SETTLE_SECONDS * 1000);
  load.take();
  const from = { ...usage(server.pid), at: performance.now() };
  await sleep(Number(values.seconds) * 1000);
  const to = { ...usage(server.pid), at: performance.now() };
  const lines = load.take();
  await load.stop();
  await server.stop();
  const seconds = (to.at - from.at) / 1000;
  const sum = (name) => lines.reduce((total, line) => total + line[name], 0);
  const failures = sum('failures');
  if (failures > 0) process.stderr.write(`${failures} failures, such as ${lines.at(-1)?.lastFailure}\n`);
  return {
    cpu: ((to.cpu - from.cpu) / seconds) * 100,
    perViewerKib: (to.rssKib - idleKib) / VIEWERS,
    requests: sum('requests') / lines.length,
    kbit: (sum('bytes') * 8) / lines.length / VIEWERS / 1000,
    failures,
  };
}

const CASES = [
  { name: 'sluice, low-latency HLS', mode: 'blocking', start: (folder, clip) => sluice(folder, clip, {}) },
  {
    name: 'sluice, plain HLS',
    mode: 'polling',
    start: (folder, clip) => sluice(folder, clip, { ll_hls_enabled: 'false' }),
  },
  { name: 'nginx, files of plain HLS', mode: 'polling', start: nginx },
];

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
try {
  const clip = makeClip(folder, 20);
  const rounds = new Map(CASES.map(({ name }) => [name, []]));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [i, each] of CASES.entries()) {
      const place = join(folder, `${round}-${i}`);
      mkdirSync(place);
      const figures = await measure(each, place, clip);
      rounds.get(each.name).push(figures);
      process.stderr.write(`${each.name}: ${JSON.stringify(figures)}\n`);
    }
  }
  const head = [
    'server',
    'CPU % of a core',
    'CPU µs / request',
    'requests/s',
    'KiB / viewer',
    'kbit/s each',
    'failures',
  ];
  process.stdout.write(`| ${head.join(' | ')} |\n|${' --- |'.repeat(head.length)}\n`);
  for (const [name, list] of rounds) {
    const figures = [
      summary(
        list.map(({ cpu }) => cpu),
        1,
      ),
      summary(
        list.map(({ cpu, requests }) => (cpu * 1e4) / requests),
        0,
      ),
      median(list.map(({ requests }) => requests)).toFixed(0),
      summary(
        list.map(({ perViewerKib }) => perViewerKib),
        0,
      ),
      median(list.map(({ kbit }) => kbit)).toFixed(0),
      list.reduce((total, { failures }) => total + failures, 0),
    ];
    process.stdout.write(`| ${name} | ${figures.join(' | ')} |\n`);
  }
  const base = rounds.get(CASES[2].name);
  for (const { name } of CASES.slice(0, 2)) {
    const ratios = rounds.get(name).map(({ cpu }, i) => cpu / base[i].cpu);
    process.stdout.write(`${name} / nginx: CPU ratio ${summary(ratios, 2)}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
