// Viewers by WHEP: 720p30 of 1 Mbit/s and Opus from a WHIP publisher, with receiver reports, NACK and transport-wide feedback.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fanOut } from '../support/load.mjs';
import { cell, goalOf, inRounds, middle, ratioGoal, ratioOf, threadsOf, wholeness } from './compare.mjs';

const COLUMNS = [
  'viewers',
  'server',
  'CPU % of a core',
  'µs / packet',
  'viewers / core',
  'KiB / viewer',
  'delay p50 ms',
  'p95 ms',
  'delivered',
];
/** Others join slowly: with this many a second all of those that are compared keep up. */
const JOIN_RATE = 60;
/** JavaScript that has just begun is still being compiled: what a server costs that runs is what is measured. */
const WARM_UP_S = 15;
/**
 * Sending is what is measured: nobody gets fewer pictures until the way is known to carry all of them, and no encoder begins
 * to make smaller ones where a busy machine makes ways look thin.
 */
const SETTINGS = { webrtc_start_bitrate: 5_000_000, webrtc_thin_renditions: 'false' };
/**
 * What a stream keeps for viewers to come (`gop_cache_duration`, 20 s) is there before memory is looked at: it is not that of
 * viewers.
 */
const SETTLE_MS = 21_000;
const SMALL = 150;
const LARGE = 500;

const run =
  (context, server, viewers, { env, node, ...more } = {}) =>
  async (folder) => {
    const started = await server.start({ folder, host: context.network.host, env, node, settings: SETTINGS });
    try {
      const figures = {
        publisher: 'whip',
        viewer: 'whep',
        viewers,
        rate: JOIN_RATE,
        seconds: context.seconds,
        warmUpS: WARM_UP_S,
      };
      return await fanOut(context.network, started, { ...figures, ...more });
    } finally {
      await started.stop();
    }
  };

function row(results, name, { viewers, by = name }) {
  const of = (key) => middle(results, name, key);
  const figures = [cell(of('cpu')), cell(of('usPerPacket'), 2), cell(of('perCore'), 0), cell(of('kibPerViewer'), 0)];
  return [viewers, by, ...figures, cell(of('p50')), cell(of('p95')), wholeness(results, name)];
}

async function viewersOfWebRtc(context) {
  const { sluice } = context.servers;
  const peers = ['srs', 'mediamtx'].map((name) => context.servers[name]).filter((server) => context.has(server));
  const counts = context.quick ? [50] : [50, SMALL, 300, LARGE, 1000];
  const rows = [];
  const goals = [];
  const perPacket = [];
  const grown = new Map();
  let threads;
  for (const viewers of counts) {
    const compared = viewers === SMALL || viewers === LARGE || context.quick ? peers : [];
    const settleMs = compared.length > 0 && !context.quick ? SETTLE_MS : undefined;
    const cases = Object.fromEntries(
      [sluice, ...compared].map((server) => [server.name, run(context, server, viewers, { settleMs })]),
    );
    // What nothing is compared with is there for the course of the figures: one round is enough.
    const results = await inRounds({ ...context, rounds: compared.length > 0 ? context.rounds : 1 }, cases);
    for (const name of Object.keys(cases)) rows.push(row(results, name, { viewers }));
    perPacket.push({
      viewers,
      us: middle(results, sluice.name, 'usPerPacket'),
      whole: results.get(sluice.name).every(({ complete }) => complete),
    });
    if (viewers === SMALL) threads = threadsOf(results, sluice.name);
    if (viewers !== SMALL && viewers !== LARGE) continue;
    const limit = viewers === SMALL ? 0.45 : 0.35;
    const what = `WebRTC, ${viewers} viewers: CPU against SRS`;
    goals.push(ratioGoal({ what, text: `≤ ${limit}`, limit }, ratioOf(results, sluice.name, 'SRS')));
    const kib = middle(results, sluice.name, 'kibPerViewer');
    grown.set(viewers, kib * viewers);
    goals.push(
      goalOf({
        what: `WebRTC, ${viewers} viewers: memory of each`,
        text: '≤ 60 KiB',
        figure: kib,
        limit: 60,
        unit: ' KiB',
        digits: 0,
      }),
    );
  }
  goals.push(...furtherViewers(grown), ...courseOf(perPacket));
  return { columns: COLUMNS, rows, goals, threads };
}

/** What the first viewers bring once, code above all, is not in the memory of those who follow. */
function furtherViewers(grown) {
  const figure = (grown.get(LARGE) - grown.get(SMALL)) / (LARGE - SMALL);
  if (!Number.isFinite(figure)) return [];
  const what = `WebRTC: memory of each viewer beyond ${SMALL}, up to ${LARGE}`;
  return [goalOf({ what, text: '≤ 60 KiB', figure, limit: 60, unit: ' KiB', digits: 0 })];
}

/** Cost of a viewer falling or flat from the fewest to the most. */
function courseOf(perPacket) {
  const [first] = perPacket;
  const last = perPacket.filter(({ whole }) => whole).at(-1);
  if (first === undefined || last === undefined || first === last) return [];
  const what = `WebRTC: cost of a packet with ${last.viewers} viewers against ${first.viewers}`;
  return [goalOf({ what, text: '≤ 1.0', figure: last.us / first.us, limit: 1 })];
}

async function typescript(context) {
  const viewers = context.quick ? 30 : 100;
  const name = 'Sluice, SLUICE_NATIVE=off';
  const results = await inRounds(context, {
    [name]: run(context, context.servers.sluice, viewers, { env: { SLUICE_NATIVE: 'off' } }),
  });
  const doubt = results.get(name).every(({ complete }) => complete) ? undefined : 'not all was delivered';
  const figure = middle(results, name, 'perCore');
  const goals = [
    goalOf({
      what: 'WebRTC without the addon: viewers on a core',
      text: '≥ 250',
      figure,
      limit: 250,
      least: true,
      digits: 0,
      doubt,
    }),
  ];
  return { columns: COLUMNS, rows: [row(results, name, { viewers })], goals };
}

async function joins(context) {
  const viewers = context.quick ? 60 : 400;
  const servers = ['sluice', 'srs'].map((name) => context.servers[name]).filter((server) => context.has(server));
  const cases = Object.fromEntries(
    servers.map((server) => [server.name, run(context, server, viewers, { rate: 120, seconds: 3, warmUpS: 0 })]),
  );
  const results = await inRounds(context, cases);
  const of = (name, key) => middle(results, name, key);
  const rows = Object.keys(cases).map((name) => {
    const figures = [
      cell(of(name, 'joinsPerSecond'), 0),
      cell(of(name, 'joinsPerCore'), 0),
      cell(of(name, 'firstMs'), 0),
    ];
    return [name, ...figures, wholeness(results, name)];
  });
  const figure = of('Sluice', 'joinsPerCore');
  const goals = [
    goalOf({
      what: 'WebRTC joins on a core, media flowing',
      text: '≥ 100 / s',
      figure,
      limit: 100,
      least: true,
      unit: ' / s',
      digits: 0,
    }),
  ];
  return { columns: ['server', 'joins / s', 'joins / s of a core', 'first picture p95 ms', 'delivered'], rows, goals };
}

const PROBE = fileURLToPath(new URL('../support/key-frame-probe.mjs', import.meta.url));
const LEAST_FRAMES = 5;

/** How long JavaScript is held up by a key frame: a look into the server of this build. */
async function keyFrames(context) {
  const viewers = context.quick ? 50 : 1000;
  const held = async (folder) => {
    const file = join(folder, 'key-frames.json');
    const options = { env: { KEY_FRAME_TIMES: file }, node: ['--import', PROBE] };
    const seconds = Math.max(10, context.seconds);
    const figures = await run(context, context.servers.sluice, viewers, { ...options, seconds })(folder);
    // What all viewers watched; the last of them left when the figures were taken.
    const until = Date.now() - (Number(process.hrtime.bigint() / 1000n) - figures.endedUs) / 1000;
    const frames = JSON.parse(readFileSync(file, 'utf8')).filter(
      ({ at }) => at > until - (seconds + WARM_UP_S / 2) * 1000 && at < until,
    );
    const times = frames.map(({ ms }) => ms).toSorted((a, b) => a - b);
    if (times.length < LEAST_FRAMES) throw new Error(`only ${times.length} key frames were seen`);
    return { ...figures, median: times[Math.floor(times.length / 2)], most: times.at(-1), frames: times.length };
  };
  const results = await inRounds({ ...context, rounds: 1 }, { Sluice: held });
  const of = (key) => middle(results, 'Sluice', key);
  const goals = [
    goalOf({
      what: `WebRTC, ${viewers} viewers: JavaScript held up by a key frame, median`,
      text: '≤ 2 ms',
      figure: of('median'),
      limit: 2,
      unit: ' ms',
    }),
  ];
  const row = [viewers, of('frames'), cell(of('median'), 2), cell(of('most'), 2), wholeness(results, 'Sluice')];
  return { columns: ['viewers', 'key frames', 'median ms', 'most ms', 'delivered'], rows: [row], goals };
}

export const scenarios = [
  {
    name: 'webrtc',
    title: 'Viewers by WebRTC',
    run: viewersOfWebRtc,
    about:
      '720p30, 1 Mbit/s and Opus from a WHIP publisher to WHEP viewers with receiver reports, NACK and transport-wide feedback; the whole server process. Counts without a peer are run once. `webrtc_start_bitrate=5000000`: viewers get all pictures from the start; `webrtc_thin_renditions=false`: no encoder is measured.',
    profile: { publisher: 'whip', viewer: 'whep', viewers: SMALL, settings: SETTINGS },
  },
  {
    name: 'webrtc-typescript',
    title: 'Viewers by WebRTC, without the addon',
    run: typescript,
    about: 'The same stream with `SLUICE_NATIVE=off`.',
  },
  {
    name: 'webrtc-joins',
    title: 'Joins by WebRTC',
    run: joins,
    about:
      '400 viewers, 120 of them a second at most, join a stream that is live; all stay and get media. "Of a core" is joins by the CPU time that the server took beyond that of sending.',
  },
  {
    name: 'webrtc-key-frames',
    title: 'Key frames to many viewers',
    run: keyFrames,
    about:
      'How long the main thread of the server is held up by each key frame of 30 KB on its way from the publisher to all viewers, from its first packet on: unpacking the rest, and handing all to the thread that sends.',
  },
];
