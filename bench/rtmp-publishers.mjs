// CPU and memory of many RTMP publishers that nobody watches: Sluice against nginx-rtmp in one run.
// node bench/rtmp-publishers.mjs [--publishers 1000] [--seconds 10] [--rounds 3] [--picture 720p] [--settle 25] [--set gop_cache_duration=4000]
// Needs: npm run build, ffmpeg, nginx with libnginx-mod-rtmp (Debian packages).
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median, summary } from './support/figures.mjs';
import { usage } from './support/processes.mjs';
import { startNginx, startSluice } from './support/servers.mjs';

const { values } = parseArgs({
  options: {
    publishers: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    picture: { type: 'string', default: '180p' },
    /** Seconds after the last publisher came, until the measurement: after `gop_cache_duration` no more is kept than is let go. */
    settle: { type: 'string', default: '25' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const SETTINGS = Object.fromEntries(values.set.map((set) => set.split('=')));
const LOAD = fileURLToPath(new URL('./support/rtmp-publish-load.mjs', import.meta.url));

/** What is sent: 100 kbit/s in all, or 1 Mbit/s. */
const PICTURES = {
  '180p': { size: '320x180', rate: 25, kbit: 72, audioRate: 16_000, audioKbit: 24 },
  '720p': { size: '1280x720', rate: 30, kbit: 930, audioRate: 44_100, audioKbit: 64 },
};

/** A key frame every two seconds. */
function makeClip(folder) {
  const picture = PICTURES[values.picture];
  if (picture === undefined) throw new Error(`--picture is one of ${Object.keys(PICTURES).join(', ')}`);
  const { size, rate, kbit, audioRate, audioKbit } = picture;
  const file = join(folder, 'clip.flv');
  const noise = `testsrc2=s=${size}:r=${rate},noise=alls=20:allf=t`;
  const inputs = ['-f', 'lavfi', '-i', noise, '-f', 'lavfi', '-i', `sine=440:r=${audioRate}`];
  const limits = ['-b:v', `${kbit}k`, '-maxrate', `${kbit}k`, '-bufsize', `${kbit}k`];
  const codec = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-bf', '0'];
  const video = [...codec, '-g', String(rate * 2), ...limits];
  const audio = ['-c:a', 'aac', '-b:a', `${audioKbit}k`];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...inputs, ...video, ...audio, '-t', '20', file]);
  return file;
}

function startLoad(port, clip, count) {
  const child = spawn(process.execPath, [LOAD, String(port), clip, String(count)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the load ended');
    return value;
  };
  return {
    ready: next,
    ask: async () => {
      child.stdin.write('\n');
      return (await next()).split(' ').map(Number);
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', resolve);
        child.stdin.end();
      }),
  };
}

async function measure(server, clip, publishers) {
  const before = usage(server.pid);
  const load = startLoad(server.port, clip, publishers);
  await load.ready();
  await new Promise((resolve) => setTimeout(resolve, Number(values.settle) * 1000));
  const [bytes0] = await load.ask();
  const start = { ...usage(server.pid), at: performance.now() };
  await new Promise((resolve) => setTimeout(resolve, Number(values.seconds) * 1000));
  const end = { ...usage(server.pid), at: performance.now() };
  const [bytes1, closed, lateMs] = await load.ask();
  await load.stop();
  const seconds = (end.at - start.at) / 1000;
  return {
    cpu: ((end.cpu - start.cpu) / seconds) * 100,
    kib: (end.rssKib - before.rssKib) / publishers,
    kbit: ((bytes1 - bytes0) * 8) / seconds / publishers / 1000,
    closed,
    lateMs,
  };
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
try {
  const clip = makeClip(folder);
  const rounds = { 'nginx-rtmp': [], Sluice: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const start of [startNginx, startSluice]) {
      const server = await start(folder, SETTINGS);
      const result = await measure(server, clip, Number(values.publishers));
      await server.stop();
      rounds[server.name].push(result);
      process.stderr.write(`${server.name} ${JSON.stringify(result)}\n`);
    }
  }
  const head = ['server', 'CPU % of a core', 'CPU µs / publisher and s', 'KiB / publisher', 'kbit/s each', 'lost'];
  process.stdout.write(`| ${head.join(' | ')} |\n|${' --- |'.repeat(head.length)}\n`);
  for (const [name, list] of Object.entries(rounds)) {
    const cpu = list.map((r) => r.cpu);
    const perPublisher = cpu.map((percent) => (percent * 10_000) / Number(values.publishers));
    const kib = list.map((r) => r.kib);
    const kbit = median(list.map((r) => r.kbit)).toFixed(0);
    const lost = list.reduce((sum, r) => sum + r.closed, 0);
    const cells = [name, summary(cpu, 1), summary(perPublisher, 0), summary(kib, 0), kbit, lost];
    process.stdout.write(`| ${cells.join(' | ')} |\n`);
  }
  const ratios = rounds.Sluice.map((r, i) => r.cpu / rounds['nginx-rtmp'][i].cpu);
  process.stdout.write(`| **CPU ratio** | **${summary(ratios, 2)}** | | | | |\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
