// RTMP, HTTP-FLV and HLS: viewers and publishers, beside nginx-rtmp, SRS and Node-Media-Server.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { fanOut, pause, publish, usageTree } from '../support/load.mjs';
import { watchThreads } from '../support/threads.mjs';
import { cell, goalOf, inRounds, middle, ratioGoal, ratioOf, threadsOf, wholeness } from './compare.mjs';

const COLUMNS = [
  'viewers',
  'server',
  'CPU % of a core',
  'KiB / viewer',
  'kbit/s each',
  'delay p50 ms',
  'p95 ms',
  'delivered',
];
const PROMPT = 'Sluice, not collecting';
/** What sends everything at once. */
const PROMPT_SETTINGS = { rtmp_flush_interval: 0, flv_flush_interval: 0 };
const LOW_LATENCY = 'Sluice, low-latency HLS';
const NGINX = 'nginx-rtmp';
/** What no goal is about. */
const BESIDE = ['SRS', 'MediaMTX', 'Node-Media-Server'];

/** JavaScript that has just begun is still being compiled: what a server costs that runs is what is measured. */
const WARM_UP_S = 10;

const run =
  (context, server, load, options = {}) =>
  async (folder) => {
    const started = await server.start({ folder, host: context.network.host, ...options });
    const common = { publisher: 'rtmp', seconds: context.seconds, warmUpS: context.quick ? 0 : WARM_UP_S };
    try {
      return await fanOut(context.network, started, { ...common, ...load });
    } finally {
      await started.stop();
    }
  };

function rowsOf(results, viewers) {
  return [...results.keys()].map((name) => {
    const of = (key) => middle(results, name, key);
    const figures = [
      cell(of('cpu')),
      cell(of('kibPerViewer'), 0),
      cell(of('kbitEach'), 0),
      cell(of('p50')),
      cell(of('p95')),
    ];
    return [viewers, name, ...figures, wholeness(results, name)];
  });
}

const installed = (context, ...names) =>
  names.map((name) => context.servers[name]).filter((server) => context.has(server));

async function fanOutBy(context, viewer) {
  const viewers = context.quick ? 50 : 400;
  const load = { viewer, viewers, rate: 200 };
  const { sluice, nginx } = context.servers;
  const cases = {
    [sluice.name]: run(context, sluice, load),
    [PROMPT]: run(context, sluice, load, { settings: PROMPT_SETTINGS }),
  };
  // It has no FLV: its RTMP viewers are what the goal is about.
  if (context.has(nginx))
    cases[viewer === 'flv' ? `${NGINX}, by RTMP` : NGINX] = run(context, nginx, { ...load, viewer: 'rtmp' });
  for (const server of installed(context, 'srs', 'nms', ...(viewer === 'rtmp' ? ['mediamtx'] : [])))
    cases[server.name] = run(context, server, load);
  const results = await inRounds(context, cases, BESIDE);
  const peer = Object.keys(cases).find((name) => name.startsWith(NGINX));
  const goals = peer === undefined ? [] : goalsOf(results, peer, `${viewer.toUpperCase()}, ${viewers} viewers`);
  return { columns: COLUMNS, rows: rowsOf(results, viewers), goals, threads: threadsOf(results, 'Sluice') };
}

/** Delay beside the peer's, so that what publisher and viewers take is not counted. */
function goalsOf(results, peer, by) {
  const added = (name) => Math.max(0, middle(results, name, 'p95') - middle(results, peer, 'p95'));
  return [
    ['Sluice', 0.5, 50],
    [PROMPT, 1, 15],
  ].flatMap(([name, limit, limitMs]) => [
    ratioGoal(
      { what: `${by}: CPU of ${name} against ${peer}`, text: `≤ ${limit}`, limit },
      ratioOf(results, name, peer),
    ),
    goalOf({
      what: `${by}: p95 delay of ${name} beyond that of ${peer}`,
      text: `≤ ${limitMs} ms`,
      figure: added(name),
      limit: limitMs,
      unit: ' ms',
      digits: 0,
    }),
  ]);
}

const LEAST_PUBLISHING_S = 12;
/** The code is compiled, and streams have all that they keep for viewers to come (`gop_cache_duration`, 20 s). */
const SETTLE_MS = 21_000;

const publishers = (context, server, count) => async (folder) => {
  const started = await server.start({ folder, host: context.network.host });
  try {
    const idle = usageTree(started.pid);
    const source = await publish(context.network, started.urls.rtmp, [
      '--count',
      String(count),
      '--rate',
      '25',
      '--key',
      '2',
    ]);
    await pause(context.quick ? 4000 : SETTLE_MS);
    // Of a core it is little, and the system counts in hundredths of a second.
    const [before, atMs] = [usageTree(started.pid), performance.now()];
    const threads = watchThreads(started.pid);
    const fromUs = Number(process.hrtime.bigint() / 1000n);
    await pause(Math.max(LEAST_PUBLISHING_S, context.seconds) * 1000);
    const after = usageTree(started.pid);
    threads.stop();
    const seconds = (performance.now() - atMs) / 1000;
    const { groups, tool } = await source.stop();
    const [group] = groups;
    const complete = group.joined === count && group.ended === 0;
    const limits = tool.limits;
    return {
      cpu: ((after.cpuS - before.cpuS) / seconds) * 100,
      kib: (after.residentBytes - idle.residentBytes) / 1024 / count,
      complete,
      why: complete ? '' : `${group.joined} of ${count} accepted, ${group.ended} thrown out`,
      limits,
      threads: threads.sentence({ fromUs, toUs: Number(process.hrtime.bigint() / 1000n) }),
    };
  } finally {
    await started.stop();
  }
};

async function manyPublishers(context) {
  const count = context.quick ? 10 : 50;
  const cases = Object.fromEntries(
    installed(context, 'sluice', 'nginx', 'srs', 'nms', 'mediamtx').map((server) => [
      server.name,
      publishers(context, server, count),
    ]),
  );
  const results = await inRounds(context, cases);
  const rows = Object.keys(cases).map((name) => [
    count,
    name,
    cell(middle(results, name, 'cpu')),
    cell(middle(results, name, 'kib'), 0),
    wholeness(results, name),
  ]);
  const goals = [
    ratioGoal(
      { what: `${count} RTMP publishers: CPU against ${NGINX}`, text: '≤ 1.5', limit: 1.5 },
      ratioOf(results, 'Sluice', NGINX),
    ),
  ];
  const columns = ['publishers', 'server', 'CPU % of a core', 'KiB / publisher', 'accepted'];
  return { columns, rows, goals, threads: threadsOf(results, 'Sluice') };
}

async function hlsViewers(context) {
  const viewers = context.quick ? 50 : 400;
  const load = { viewer: 'hls', viewers, rate: 100, settleMs: 9000, seconds: Math.max(8, context.seconds) };
  const { sluice, nginx } = context.servers;
  const cases = { [sluice.name]: run(context, sluice, load, { settings: { ll_hls_enabled: 'false' } }) };
  if (context.has(nginx)) cases[NGINX] = run(context, nginx, load, { hls: true });
  for (const server of installed(context, 'srs', 'mediamtx'))
    cases[server.name] = run(context, server, load, { hls: true });
  cases[LOW_LATENCY] = run(context, sluice, { ...load, viewer: 'llHls' });
  const results = await inRounds(context, cases, [NGINX, 'MediaMTX', LOW_LATENCY]);
  const rows = Object.keys(cases).map((name) => {
    const of = (key) => middle(results, name, key);
    return [
      viewers,
      name,
      cell(of('cpu')),
      cell(of('requests'), 0),
      cell(of('usPerRequest'), 0),
      cell(of('kibPerViewer'), 0),
      cell(of('kbitEach'), 0),
      wholeness(results, name),
    ];
  });
  const goals = [
    ratioGoal(
      { what: `HLS, ${viewers} viewers: CPU against SRS`, text: '≤ 0.4', limit: 0.4 },
      ratioOf(results, 'Sluice', 'SRS'),
    ),
  ];
  return {
    columns: [
      'viewers',
      'server',
      'CPU % of a core',
      'requests / s',
      'µs / request',
      'KiB / viewer',
      'kbit/s each',
      'delivered',
    ],
    rows,
    goals,
    threads: threadsOf(results, 'Sluice'),
  };
}

const execute = promisify(execFile);
const CONNECTIONS = 64;

/** Requests per second that a server answers when it is asked without a pause, and its CPU. */
async function hammer(url, { pid, seconds }) {
  const [before, atMs] = [usageTree(pid), performance.now()];
  const { stdout } = await execute('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, url]);
  const cores = (usageTree(pid).cpuS - before.cpuS) / ((performance.now() - atMs) / 1000);
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0);
  return {
    perSecond,
    perCore: perSecond / cores,
    cpu: cores * 100,
    complete: failed === 0,
    why: `${failed} answers were errors`,
    limits: [],
  };
}

async function text(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/** One segment and a playlist of a live stream of ours, which nginx gets as files. */
async function hlsRequests(context) {
  const { sluice, nginx } = context.servers;
  if (!context.has(nginx)) return { columns: ['files'], rows: [], goals: [] };
  const network = { prefix: [], host: '127.0.0.1' };
  const results = await inRounds(
    { ...context },
    {
      both: async (folder) => {
        const own = await sluice.start({
          folder: join(folder, 'own'),
          host: network.host,
          settings: { ll_hls_enabled: 'false' },
        });
        const other = await nginx.start({ folder, host: network.host });
        const source = await publish(network, own.urls.rtmp);
        try {
          await pause(7000);
          return await hammered(context, own, other);
        } finally {
          await source.stop();
          await other.stop();
          await own.stop();
        }
      },
    },
  );
  return requestTable(results.get('both'));
}

async function hammered(context, own, other) {
  const playlistUrl = own.urls.hls.slice('hls:'.length);
  const playlist = String(await text(playlistUrl));
  const segment = playlist.split('\n').findLast((line) => line !== '' && !line.startsWith('#'));
  const found = {};
  for (const [what, url] of [
    ['playlist', playlistUrl],
    ['segment', new URL(segment, playlistUrl).href],
  ]) {
    const path = join(other.root, new URL(url).pathname);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, await text(url));
    const seconds = Math.min(4, context.seconds);
    // A live segment is gone after a while: ours is asked for first.
    found[`${what}, Sluice`] = await hammer(url, { pid: own.pid, seconds });
    found[`${what}, nginx`] = await hammer(`${other.http}${new URL(url).pathname}`, { pid: other.pid, seconds });
  }
  return found;
}

function requestTable(rounds) {
  const good = rounds.filter((round) => round['playlist, Sluice'] !== undefined);
  if (good.length === 0) throw new Error(rounds[0]?.why ?? 'no round');
  const results = new Map(Object.keys(good[0]).map((name) => [name, good.map((round) => round[name])]));
  const rows = [...results.keys()].map((name) => [
    name,
    cell(middle(results, name, 'perSecond'), 0),
    cell(middle(results, name, 'cpu'), 0),
    cell(middle(results, name, 'perCore'), 0),
    wholeness(results, name),
  ]);
  const goals = ['playlist', 'segment'].map((what) =>
    ratioGoal(
      { what: `HLS: requests/s of a core for a ${what} against nginx`, text: '≥ 0.7', limit: 0.7, least: true },
      ratioOf(results, `${what}, Sluice`, `${what}, nginx`, 'perCore'),
    ),
  );
  return { columns: ['what', 'requests / s', 'CPU % of a core', 'requests / s of a core', 'answers'], rows, goals };
}

const wrk = () =>
  execute('wrk', ['-v']).then(
    () => undefined,
    ({ code }) => (code === 'ENOENT' ? 'not installed: apt install wrk' : undefined),
  );

export const scenarios = [
  {
    name: 'rtmp',
    title: 'Viewers by RTMP',
    run: (context) => fanOutBy(context, 'rtmp'),
    about:
      'One publisher of 720p30 with 1 Mbit/s and AAC, 400 viewers. "Not collecting" is `rtmp_flush_interval=0` and `flv_flush_interval=0`; SRS merges writes over 40 ms.',
    profile: { publisher: 'rtmp', viewer: 'rtmp', viewers: 400 },
  },
  {
    name: 'flv',
    title: 'Viewers by HTTP-FLV',
    run: (context) => fanOutBy(context, 'flv'),
    about: 'The same by HTTP-FLV, which nginx-rtmp does not have: beside it are its viewers by RTMP.',
    profile: { publisher: 'rtmp', viewer: 'flv', viewers: 400 },
  },
  {
    name: 'rtmp-publishers',
    title: 'Publishers by RTMP',
    run: manyPublishers,
    about: '50 publishers of 720p30 with 1 Mbit/s and AAC; nobody watches.',
    profile: { publisher: 'rtmp', viewer: 'rtmp', publishers: 50, viewers: 1 },
  },
  {
    name: 'hls',
    title: 'Viewers by HLS',
    run: hlsViewers,
    about:
      '400 viewers of plain HLS with segments of 2 s, who ask as players do; nginx cuts by libnginx-mod-rtmp and serves the files. By low-latency HLS each waits for every part.',
    profile: { publisher: 'rtmp', viewer: 'hls', viewers: 400 },
  },
  {
    name: 'hls-requests',
    title: 'Requests by HLS',
    run: hlsRequests,
    needs: wrk,
    about:
      'wrk asks for a playlist, and for one segment, on 64 connections without a pause, on the loopback; nginx serves the same bytes as files.',
  },
];
