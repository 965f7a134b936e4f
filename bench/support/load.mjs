// The load tool as a process, in the network of the clients.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { usageOf } from '../../packages/loadtest/dist/usage/processes.js';
import { usage } from './processes.mjs';
import { watchThreads } from './threads.mjs';

const TOOL = fileURLToPath(new URL('../../packages/loadtest/bin/sluice-load.mjs', import.meta.url));
/** Should nobody end them. */
const LONGEST_S = '3600';
const READY_TIMEOUT_MS = 20_000;
const MEMORY_MS = 500;
/** What the viewers take to leave, and their program to end. */
export const LEAVING_US = 700_000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Everything that a process and its children use: { cpuS, residentBytes }. */
export const usageTree = (pid) => usageOf([pid]);

function startTool(network, args) {
  const [program, ...rest] = [...network.prefix, process.execPath, TOOL, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const told = { out: '', err: '' };
  child.stdout.on('data', (text) => {
    told.out += text;
  });
  child.stderr.on('data', (text) => {
    told.err += text;
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return { child, told, ended };
}

/** Publishers until `stop` is called, which gives their report. */
export async function publish(network, url, args = []) {
  const { child, told, ended } = startTool(network, ['publish', '--to', url, '--time', LONGEST_S, '--json', ...args]);
  const began = performance.now();
  const all = /publishing (\d+)\/(\d+)/g;
  for (;;) {
    const [, joined, asked] = [...told.err.matchAll(all)].at(-1) ?? [];
    if (joined !== undefined && joined === asked) break;
    const isLate = performance.now() - began > READY_TIMEOUT_MS;
    if (isLate) child.kill('SIGTERM');
    if (isLate || child.exitCode !== null) throw new Error(`cannot publish to ${url}: ${told.err.slice(-500)}`);
    await pause(50);
  }
  return {
    async stop() {
      child.kill('SIGTERM');
      await ended;
      return JSON.parse(told.out);
    },
  };
}

/** Viewers; gives their report. */
export async function view(network, urls, args) {
  const from = urls.flatMap((url) => ['--from', url]);
  const { told, ended } = startTool(network, ['view', ...from, '--json', '--allow-failures', '--quiet', ...args]);
  await ended;
  if (told.out === '') throw new Error(`the load tool failed: ${told.err.slice(-1000)}`);
  return JSON.parse(told.out);
}

/**
 * One publisher and many viewers at a server that has started. Figures are those of the time when all are there; `complete`
 * says whether every packet was delivered, `why` what was not, or that the tool had no room.
 */
export async function fanOut(network, server, load) {
  const { publisher, viewer, viewers, seconds, publishers = 1, rate = 100, settleMs = 2500, warmUpS = 0 } = load;
  const source = await publish(network, server.urls[publisher], ['--count', String(publishers)]);
  try {
    await pause(settleMs);
    const before = usageTree(server.pid);
    const args = ['--count', String(viewers), '--time', String(seconds), '--rate', String(rate)];
    args.push('--warm-up', String(warmUpS));
    const timeout = ['--join-timeout', '30', '--pid', String(server.pid)];
    // Publishers of which there are several have numbers.
    const url = `${server.urls[viewer]}${publishers > 1 ? 1 : ''}`;
    const memory = watchMemory(server);
    const threads = watchThreads(server.pid);
    const report = await view(network, [url], [...args, ...timeout]).finally(() => {
      memory.stop();
      threads.stop();
    });
    const after = usageTree(server.pid);
    const endedUs = Number(process.hrtime.bigint() / 1000n);
    const told = threads.sentence({ fromUs: endedUs - seconds * 1e6, toUs: endedUs - LEAVING_US });
    return { ...figuresOf(report, { viewers, before, after, memory, warmUpS }), endedUs, threads: told };
  } finally {
    await source.stop();
  }
}

/**
 * What a server's memory grows by, at most. Processes that it starts meanwhile, to convert something, are not viewers'; of
 * nginx, viewers are in the only process that it had at the start.
 */
function watchMemory({ pid, memoryOfTree = false }) {
  const bytes = () => {
    try {
      return memoryOfTree ? usageTree(pid).residentBytes : usage(pid).rssKib * 1024;
    } catch {
      // It has ended, which others will tell.
      return 0;
    }
  };
  const before = bytes();
  const memory = { grownBytes: 0, stop: () => clearInterval(timer) };
  const timer = setInterval(() => {
    memory.grownBytes = Math.max(memory.grownBytes, bytes() - before);
  }, MEMORY_MS);
  return memory;
}

function figuresOf(report, { viewers, before, after, memory, warmUpS }) {
  const [group] = report.groups;
  const cpu = (report.server?.cpu ?? Number.NaN) * 100;
  const why = [];
  if (group.joined < viewers) why.push(`${group.joined} of ${viewers} joined`);
  if (group.ended > 0) why.push(`${group.ended} thrown out`);
  if (group.lost > 0) why.push(`${group.lost} packets lost`);
  if (group.picturesMissing > 0) why.push(`${group.picturesMissing} pictures left out`);
  if (group.requestsFailed > 0) why.push(`${group.requestsFailed} requests failed`);
  // All are there while the server becomes warm, too.
  const steadyS = warmUpS + report.watchedSeconds;
  const joiningCpuS = after.cpuS - before.cpuS - (cpu / 100) * steadyS;
  return {
    viewers,
    cpu,
    usPerPacket: (cpu * 1e4) / group.packetsPerSecond,
    requests: group.requestsPerSecond,
    usPerRequest: (cpu * 1e4) / group.requestsPerSecond,
    perCore: (viewers * 100) / cpu,
    kibPerViewer: memory.grownBytes / 1024 / viewers,
    kbitEach: (group.mbitPerSecond * 1000) / viewers,
    p50: group.delayMs?.p50,
    p95: group.delayMs?.p95,
    firstMs: group.firstPictureMs?.p95,
    joinsPerSecond: group.joinsPerSecond,
    joinsPerCore: group.joined / joiningCpuS,
    complete: why.length === 0,
    why: why.join(', '),
    limits: [...(after.processes > before.processes ? ['the server converted something'] : []), ...report.tool.limits],
  };
}
