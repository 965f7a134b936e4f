// Start-up, and a run in miniature of what happens in hours: viewers who come and go.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { metric } from '../support/figures.mjs';
import { pause, publish, usageTree, view } from '../support/load.mjs';
import { cell, goalOf, inRounds, middle, wholeness } from './compare.mjs';

async function startUp(context) {
  const servers = Object.values(context.servers).filter((server) => context.has(server));
  const cases = Object.fromEntries(servers.map((server) => [server.name, (folder) => startOnce(server, folder)]));
  const results = await inRounds(context, cases);
  const rows = Object.keys(cases).map((name) => {
    const of = (key) => middle(results, name, key);
    return [name, cell(of('startMs'), 0), cell(of('mib'), 0), wholeness(results, name)];
  });
  return { columns: ['server', 'until it listens ms', 'MiB at rest', 'started'], rows, goals: [] };
}

async function startOnce(server, folder) {
  const started = await server.start({ folder, host: '127.0.0.1' });
  try {
    await pause(1000);
    return {
      startMs: started.startMs,
      mib: usageTree(started.pid).residentBytes / 2 ** 20,
      complete: true,
      limits: [],
    };
  } finally {
    await started.stop();
  }
}

/** Viewers of one wave, by protocol. */
const WAVE = { whep: 12, rtmp: 6, flv: 6, hls: 3 };
const WAVE_S = 20;
/** Of the whole time, before memory is looked at. */
const WARM_UP = 0.3;
const SAMPLE_MS = 2000;
/** The metrics tell the delays of the event loop in windows of 10 s: one look of so many is at them. */
const LOOKS_A_WINDOW = 5;

async function soak(context) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-soak-'));
  const { network, minutes } = context;
  const server = await context.servers.sluice.start({ folder, host: network.host });
  const clients = [];
  const found = { samples: [], windows: [] };
  try {
    for (const url of ['rtmp', 'whip']) clients.push(await publish(network, streamOf(server.urls[url], url)));
    await pause(2000);
    const endsAt = performance.now() + minutes * 60_000;
    const waves = [comeAndGo(context, server, endsAt), comeAndGo(context, server, endsAt, WAVE_S / 2)];
    const looking = sample(server, { found, endsAt, context });
    const seen = (await Promise.all(waves)).flat();
    await looking;
    return soakReport(found, seen, minutes);
  } finally {
    for (const client of clients) await client.stop();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Streams of both publishers have names of their own. */
const streamOf = (url, by) =>
  url.replace(/\bx(?=$|\.flv|\.m3u8)/g, by === 'whip' || by === 'whep' ? 'rtc' : 'tv').replace('/x/', '/tv/');

async function comeAndGo({ network }, server, endsAt, delayS = 0) {
  await pause(delayS * 1000);
  const seen = [];
  while (performance.now() + WAVE_S * 1000 < endsAt) {
    const urls = Object.keys(WAVE).map((by) => streamOf(server.urls[by], by));
    const counts = Object.values(WAVE).flatMap((count) => ['--count', String(count)]);
    const report = await view(network, urls, [...counts, '--time', String(WAVE_S - 8), '--rate', '20']);
    seen.push(...report.groups);
  }
  return seen;
}

async function sample(server, { found, endsAt, context }) {
  const { samples } = found;
  const began = performance.now();
  for (let i = 0; performance.now() < endsAt; i++) {
    await pause(SAMPLE_MS);
    const atMin = (performance.now() - began) / 60_000;
    const { residentBytes, cpuS } = usageTree(server.pid);
    samples.push({ atMin, mib: residentBytes / 2 ** 20, cpuS });
    if (i % LOOKS_A_WINDOW !== LOOKS_A_WINDOW - 1) continue;
    const loopMs = (await metric(server.metricsPort, 'nodejs_eventloop_lag_p99_seconds')) * 1000;
    const heapMib = (await metric(server.metricsPort, 'nodejs_heap_size_used_bytes')) / 2 ** 20;
    found.windows.push({ atMin, loopMs, heapMib });
    if (found.windows.length % 3 !== 0) continue;
    context.say(
      `${atMin.toFixed(1)} min: ${(residentBytes / 2 ** 20).toFixed(0)} MiB, event loop ${loopMs.toFixed(1)} ms`,
    );
  }
}

/** Least squares: what a figure grows by in a minute. */
function slope(samples, key) {
  const mean = (of) => samples.reduce((sum, one) => sum + of(one), 0) / samples.length;
  const [x, y] = [mean(({ atMin }) => atMin), mean((one) => one[key])];
  const across = samples.reduce((sum, one) => sum + (one.atMin - x) * (one[key] - y), 0);
  return across / samples.reduce((sum, { atMin }) => sum + (atMin - x) ** 2, 0);
}

function soakReport(found, groups, minutes) {
  const isWarm = ({ atMin }) => atMin > minutes * WARM_UP;
  const warm = found.samples.filter(isWarm);
  const warmWindows = found.windows.filter(isWarm);
  const loop = warmWindows.map(({ loopMs }) => loopMs).toSorted((a, b) => a - b);
  const usual = loop[Math.ceil(loop.length * 0.95) - 1] ?? Number.NaN;
  const sum = (key) => groups.reduce((total, group) => total + group[key], 0);
  const [first, last] = [warm[0], warm.at(-1)];
  const seconds = (last.atMin - first.atMin) * 60;
  const rows = [
    ['viewers that came and went', `${sum('joined')} of ${sum('asked')}`],
    ['thrown out, packets lost', `${sum('ended')}, ${sum('lost')}`],
    ['CPU % of a core', cell(((last.cpuS - first.cpuS) / seconds) * 100)],
    ['memory after warm-up and at the end, MiB', `${cell(first.mib, 0)}, ${cell(last.mib, 0)}`],
    ['growth of memory, MiB a minute', cell(slope(warm, 'mib'), 2)],
    ['growth of the JavaScript heap, MiB a minute', cell(slope(warmWindows, 'heapMib'), 2)],
    [
      'event loop late, p99 of 10 s: median, 95th percentile and worst, ms',
      `${cell(loop[Math.floor(loop.length / 2)])}, ${cell(usual)}, ${cell(loop.at(-1))}`,
    ],
  ];
  const share = (slope(warm, 'mib') / first.mib) * 100;
  const goals = [
    goalOf({
      what: 'Soak: growth of memory after warm-up',
      text: '≈ 0 (≤ 0.5 % a minute)',
      figure: share,
      limit: 0.5,
      unit: ' % a minute',
    }),
    goalOf({
      what: 'Soak: event loop late, p99 of 10 s, in 95 of 100 of them',
      text: '≤ 20 ms',
      figure: usual,
      limit: 20,
      unit: ' ms',
      digits: 1,
    }),
  ];
  return { columns: ['what', 'figure'], rows, goals };
}

export const scenarios = [
  {
    name: 'start-up',
    title: 'Start-up',
    run: startUp,
    about: 'From starting the program until all its ports take connections; memory one second later.',
  },
  {
    name: 'soak',
    title: 'An hour in miniature',
    run: soak,
    apart: true,
    about:
      'Two publishers (RTMP, WHIP); two waves of 27 viewers (WebRTC, RTMP, FLV, HLS) come and go without end, 20 s each. Memory is looked at every two seconds and the event loop every ten, after 30 % of the time.',
  },
];
