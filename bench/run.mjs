// All benchmarks by one command, each beside the servers that are installed; writes bench/RESULTS.md.
//   npm run bench -- [--only NAME,NAME] [--skip NAME] [--rounds 3] [--seconds 6] [--quick] [--minutes 10] [--list]
//                    [--srs FILE] [--mediamtx FILE] [--nms] [--netns auto|on|off] [--output FILE]
// Needs: npm run build. What else is missing is told, with what to install.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { scenarios as life } from './scenarios/life.mjs';
import { scenarios as meetings } from './scenarios/meeting.mjs';
import { scenarios as micro } from './scenarios/micro.mjs';
import { scenarios as tcp } from './scenarios/tcp.mjs';
import { scenarios as webrtc } from './scenarios/webrtc.mjs';
import { openNetwork } from './support/network.mjs';
import { whereTimeGoes } from './support/profile.mjs';
import { conditions, forgetOthers, keep, writeResults } from './support/results.mjs';
import { knownServers } from './support/servers.mjs';

const RESULTS = fileURLToPath(new URL('./RESULTS.md', import.meta.url));
const TOOL = fileURLToPath(new URL('../packages/loadtest/dist/main.js', import.meta.url));
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    skip: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    minutes: { type: 'string' },
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    srs: { type: 'string', default: process.env.SRS },
    mediamtx: { type: 'string', default: process.env.MEDIAMTX },
    nms: { type: 'boolean', default: false },
    netns: { type: 'string', default: 'auto' },
    output: { type: 'string', default: RESULTS },
  },
});

const all = [
  ...micro,
  ...life.filter(({ apart }) => !apart),
  ...webrtc,
  ...meetings,
  ...tcp,
  ...life.filter(({ apart }) => apart),
];
const say = (text) => process.stderr.write(`${text}\n`);

function chosen() {
  const names = (text) => text?.split(',').map((name) => name.trim()) ?? [];
  const [only, skip] = [names(values.only), names(values.skip)];
  const unknown = [...only, ...skip].filter((name) => !all.some((scenario) => scenario.name === name));
  if (unknown.length > 0) throw new Error(`there is no ${unknown.join(', ')}; --list tells what there is`);
  // What takes ten minutes is run when it is named.
  return all.filter(({ name, apart }) => (only.length > 0 ? only.includes(name) : !apart) && !skip.includes(name));
}

async function runOne(scenario, context) {
  const { name, title, about } = scenario;
  say(`\n${title} (${name})`);
  const at = conditions(context.network.kind);
  const missing = [...context.missing];
  const lacking = await scenario.needs?.();
  if (lacking !== undefined) missing.push(`${name} was left out: ${lacking}`);
  const began = performance.now();
  const result = lacking === undefined ? await scenario.run(context) : { columns: [], rows: [], goals: [] };
  const isMissed = result.goals.some(({ met, known }) => known && !met);
  const profile =
    isMissed && scenario.profile !== undefined ? await whereTimeGoes(context, scenario.profile) : undefined;
  const where = profile === undefined ? undefined : [result.threads, profile].filter(Boolean).join('. ');
  const { rounds, seconds } = context;
  keep({ name, title, about, conditions: at, rounds, seconds, notes: missing, where, ...result });
  for (const row of result.rows) say(row.join(' | '));
  for (const { what, text, figure, met, doubt } of result.goals)
    say(`${met ? 'met   ' : 'MISSED'} ${what}: ${figure} (${text})${doubt === undefined ? '' : `, ${doubt}`}`);
  say(`took ${((performance.now() - began) / 1000).toFixed(0)} s`);
}

async function main() {
  if (values.list) {
    for (const { name, title } of all) process.stdout.write(`${name.padEnd(20)}${title}\n`);
    return;
  }
  const wanted = chosen();
  if (!existsSync(TOOL)) throw new Error('nothing is built: npm run build');
  const servers = knownServers(values);
  const lacking = new Map(Object.values(servers).map((server) => [server, server.missing()]));
  const missing = [...lacking].flatMap(([server, why]) => (why === undefined ? [] : [`${server.name}: ${why}`]));
  for (const line of missing) say(line);
  const network = openNetwork(values.netns);
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  const seconds = Number(values.seconds ?? (values.quick ? 3 : 6));
  const minutes = Number(values.minutes ?? (values.quick ? 1 : 10));
  const common = { rounds, seconds, minutes, quick: values.quick };
  const context = { ...common, servers, network, missing, say, has: (server) => lacking.get(server) === undefined };
  forgetOthers();
  try {
    for (const scenario of wanted) {
      try {
        await runOne(scenario, context);
      } catch (error) {
        say(`${scenario.name} failed: ${error.message}`);
        process.exitCode = 1;
      }
      writeResults(
        values.output,
        all.map(({ name }) => name),
      );
    }
  } finally {
    network.close();
  }
  say(`\nwritten: ${values.output}`);
}

try {
  await main();
} catch (error) {
  say(`bench: ${error.message}`);
  process.exitCode = 1;
}
