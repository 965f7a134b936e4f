// CPU, memory and added delay of RTMP playback with many viewers: Sluice against nginx-rtmp in one run.
// node bench/rtmp-fanout.mjs [--viewers 400,1000] [--seconds 20] [--rounds 2] [--set rtmp_flush_interval=0]
// Needs: npm run build, ffmpeg, nginx with libnginx-mod-rtmp (Debian packages).
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FlvDemuxer } from '@sluice/media';
import { TestClient } from '../packages/server/dist/protocols/rtmp/testing/client.js';
import { setChunkSize } from '../packages/server/dist/protocols/rtmp/wire/chunk-writer.js';
import { median } from './support/figures.mjs';
import { usage } from './support/processes.mjs';
import { startNginx, startSluice } from './support/servers.mjs';

const { values } = parseArgs({
  options: {
    viewers: { type: 'string', default: '400,1000' },
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '2' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const PROBES = 4;
const SETTINGS = Object.fromEntries(values.set.map((set) => set.split('=')));
const CHUNK = 65_536;

function makeClip(folder) {
  const file = join(folder, 'clip.flv');
  const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-b:v', '900k', '-maxrate', '1000k', '-bufsize', '1000k'];
  const size = ['-f', 'lavfi', '-i', 'testsrc2=s=1280x720:r=30', '-f', 'lavfi', '-i', 'sine=440:r=44100'];
  const rest = ['-g', '60', '-bf', '0', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', '96k', '-t', '10', file];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...size, ...video, ...rest]);
  return new FlvDemuxer().push(readFileSync(file)).filter((tag) => tag.type !== 18);
}

/** Publishes the clip round and round in real time; `sentAt` tells when the frame of a timestamp left. */
async function publish(port, tags) {
  const client = await TestClient.connect(port);
  client.socket.write(setChunkSize(CHUNK));
  client.chunkSize = CHUNK;
  await client.publish('bench');
  const sentAt = new Map();
  const length = tags.at(-1).timestampMs + 30;
  const started = performance.now();
  let at = 0;
  const timer = setInterval(() => {
    const now = performance.now() - started;
    for (;;) {
      const tag = tags[at % tags.length];
      const time = Math.floor(at / tags.length) * length + tag.timestampMs;
      if (time > now) break;
      client.send(tag.type, tag.data, time);
      sentAt.set(`${tag.type} ${time}`, performance.now());
      if (sentAt.size > 3000) sentAt.delete(sentAt.keys().next().value);
      at++;
    }
  }, 5);
  return {
    sentAt,
    stop: () => {
      clearInterval(timer);
      return client.close();
    },
  };
}

/** A viewer that takes the delay of each frame of picture and sound, from the publisher's send to its own receipt. */
async function probe(port, sentAt, delays) {
  const client = await TestClient.connect(port);
  await client.play('bench');
  client.messages.push = (message) => {
    const sent = sentAt.get(`${message.type} ${message.timestamp}`);
    if (sent !== undefined && delays.on) delays.list.push(performance.now() - sent);
    return 0;
  };
  return client;
}

function startLoad(port, count) {
  const script = fileURLToPath(new URL('./support/rtmp-load.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, String(port), 'bench', String(count)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    next: async () => (await lines.next()).value,
    ask: async () => {
      child.stdin.write('\n');
      return (await lines.next()).value.split(' ').map(Number);
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', resolve);
        child.stdin.end();
      }),
  };
}

async function measure(server, tags, viewers) {
  const source = await publish(server.port, tags);
  const delays = { on: false, list: [] };
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const before = usage(server.pid);
  const load = startLoad(server.port, viewers);
  await load.next();
  const probes = [];
  for (let i = 0; i < PROBES; i++) probes.push(await probe(server.port, source.sentAt, delays));
  await new Promise((resolve) => setTimeout(resolve, 3000));
  delays.on = true;
  const [bytes0] = await load.ask();
  const start = { ...usage(server.pid), at: performance.now() };
  await new Promise((resolve) => setTimeout(resolve, Number(values.seconds) * 1000));
  const end = { ...usage(server.pid), at: performance.now() };
  const [bytes1, , closed] = await load.ask();
  await load.stop();
  await Promise.all(probes.map((p) => p.close()));
  await source.stop();
  const seconds = (end.at - start.at) / 1000;
  const sorted = delays.list.sort((a, b) => a - b);
  const percentile = (p) => sorted[Math.floor(sorted.length * p)] ?? Number.NaN;
  return {
    cpu: ((end.cpu - start.cpu) / seconds) * 100,
    kibPerViewer: (end.rssKib - before.rssKib) / viewers,
    mbit: ((bytes1 - bytes0) * 8) / seconds / viewers / 1e6,
    p50: percentile(0.5),
    p95: percentile(0.95),
    closed,
  };
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
try {
  const tags = makeClip(folder);
  process.stdout.write(
    '| viewers | server | CPU % of a core | KiB / viewer | Mbit/s each | delay p50 ms | p95 ms | lost |\n',
  );
  process.stdout.write('|---|---|---|---|---|---|---|---|\n');
  for (const viewers of values.viewers.split(',').map(Number)) {
    const ratios = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const results = {};
      for (const start of [startNginx, startSluice]) {
        const server = await start(folder, SETTINGS);
        const r = await measure(server, tags, viewers);
        await server.stop();
        results[server.name] = r;
        const cells = [viewers, server.name, r.cpu.toFixed(1), r.kibPerViewer.toFixed(1), r.mbit.toFixed(2)];
        process.stdout.write(`| ${[...cells, r.p50.toFixed(1), r.p95.toFixed(1), r.closed].join(' | ')} |\n`);
      }
      ratios.push(results.Sluice.cpu / results['nginx-rtmp'].cpu);
    }
    process.stdout.write(`| ${viewers} | **CPU ratio, median** | **${median(ratios).toFixed(2)}** | | | | | |\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
