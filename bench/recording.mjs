// What recording costs: many RTMP publishers of 1 Mbit/s, without and with recording, in one run.
// node bench/recording.mjs [--publishers 50] [--seconds 10] [--rounds 2] [--set record_sync=false]
// Needs: npm run build, ffmpeg.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeClip } from './support/clip.mjs';
import { median, metric } from './support/figures.mjs';
import { freePort, usage } from './support/processes.mjs';
import { startSluice } from './support/servers.mjs';

const { values } = parseArgs({
  options: {
    publishers: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '2' },
    /** Folder of the recordings; one on the disk that is to be measured. */
    folder: { type: 'string', default: tmpdir() },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const SETTINGS = Object.fromEntries(values.set.map((set) => set.split('=')));
const LOAD = fileURLToPath(new URL('./support/rtmp-publish-load.mjs', import.meta.url));
const SETTLE_MS = 4000;
const PUBLISHERS = Number(values.publishers);

async function startLoad(port, clip) {
  const child = spawn(process.execPath, [LOAD, String(port), clip, String(PUBLISHERS)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.stdin.end();
    });
}

/** Bytes of all files that are being written or are complete. */
function bytesIn(folder) {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true })
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}

async function measure(folder, clip, recorded) {
  const http = await freePort();
  const data = mkdtempSync(join(folder, 'run-'));
  const records = join(data, 'records');
  const server = await startSluice(data, {
    'http.port': http,
    record_dir: records,
    record_flash_published_streams: recorded,
    ...SETTINGS,
  });
  const stop = await startLoad(server.port, clip);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const start = { ...usage(server.pid), bytes: bytesIn(records), at: performance.now() };
  await new Promise((resolve) => setTimeout(resolve, Number(values.seconds) * 1000));
  const end = { ...usage(server.pid), bytes: bytesIn(records), at: performance.now() };
  const lagMs = (await metric(http, 'nodejs_eventloop_lag_p99_seconds')) * 1000;
  const lost = await metric(http, 'sluice_recording_lost_packets_total');
  await stop();
  await server.stop();
  rmSync(data, { recursive: true, force: true });
  const seconds = (end.at - start.at) / 1000;
  return {
    cpu: ((end.cpu - start.cpu) / seconds) * 100,
    rssMib: end.rssKib / 1024,
    mbPerStream: (end.bytes - start.bytes) / seconds / PUBLISHERS / 1e6,
    lagMs,
    lost,
  };
}

const folder = mkdtempSync(join(values.folder, 'sluice-bench-'));
try {
  const clip = makeClip(folder);
  const rounds = { without: [], with: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, recorded] of Object.entries({ without: false, with: true })) {
      const result = await measure(folder, clip, recorded);
      rounds[name].push(result);
      process.stderr.write(`${name} recording ${JSON.stringify(result)}\n`);
    }
  }
  const head = ['recording', 'CPU % of a core', 'RSS MiB', 'MB/s per stream', 'event loop p99 ms', 'lost packets'];
  process.stdout.write(`| ${head.join(' | ')} |\n|${' --- |'.repeat(head.length)}\n`);
  const of = (name, key) => median(rounds[name].map((round) => round[key]));
  for (const name of ['without', 'with']) {
    const cells = [of(name, 'cpu').toFixed(1), of(name, 'rssMib').toFixed(0), of(name, 'mbPerStream').toFixed(3)];
    process.stdout.write(`| ${[name, ...cells, of(name, 'lagMs').toFixed(1), of(name, 'lost')].join(' | ')} |\n`);
  }
  const ratio = (key) => (of('with', key) / of('without', key)).toFixed(2);
  process.stdout.write(`| **ratio** | **${ratio('cpu')}** | ${ratio('rssMib')} | | **${ratio('lagMs')}** | |\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
