// bench/RESULTS.md, made of what each scenario found when it was last run: parts can be run one by one.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOUND = join(ROOT, 'test-results/bench');

function git(...args) {
  try {
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

/** The commit, with a mark when files were changed since, but for the results. */
export function commit() {
  const hash = git('rev-parse', '--short=10', 'HEAD') || 'unknown';
  return git('status', '--porcelain', '--untracked-files=no', '--', '.', ':(exclude)bench/RESULTS.md') === ''
    ? hash
    : `${hash} with changes`;
}

/** This machine and what runs on it, at the moment. */
export function conditions(network) {
  const [first] = cpus();
  return {
    cpu: `${first?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    node: process.version,
    network,
    load: loadavg()[0].toFixed(2),
    commit: commit(),
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
  };
}

/** Forgets what was found of other commits. */
export function forgetOthers() {
  const now = commit();
  for (const found of load())
    if (found.conditions.commit !== now) rmSync(join(FOUND, `${found.name}.json`), { force: true });
}

export function keep(found) {
  mkdirSync(FOUND, { recursive: true });
  writeFileSync(join(FOUND, `${found.name}.json`), `${JSON.stringify(found, undefined, 1)}\n`);
}

function load() {
  try {
    return readdirSync(FOUND)
      .filter((file) => file.endsWith('.json'))
      .map((file) => JSON.parse(readFileSync(join(FOUND, file), 'utf8')));
  } catch {
    return [];
  }
}

const table = (columns, rows) =>
  [columns, columns.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

function verdict({ met, known, doubt }) {
  if (!known) return 'no figure';
  if (doubt !== undefined) return `does not count: ${doubt}`;
  return met ? 'met' : '**missed**';
}

/** Writes the page. `order` are the names of all scenarios. */
export function writeResults(file, order) {
  const all = load().toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  const goals = all.flatMap((found) => found.goals.map((goal) => [goal.what, goal.text, goal.figure, verdict(goal)]));
  const missed = all.flatMap(({ title, where }) => (where === undefined ? [] : [`- ${title}: ${where}.`]));
  const parts = [
    '# Results of the benchmarks',
    'Written by `npm run bench`; [what is measured and how](README.md). One machine runs servers and clients: only ratios within one table mean anything. A ratio counts only when both sides delivered everything.',
    ...machine(all),
    '## Goals',
    goals.length === 0 ? 'Nothing was measured yet.' : table(['what', 'goal', 'figure', ''], goals),
    ...(missed.length === 0 ? [] : ['Where the time goes in what was missed:', missed.join('\n')]),
    ...all.flatMap(section),
  ];
  writeFileSync(file, `${parts.join('\n\n')}\n`);
}

function machine(all) {
  const [first] = all;
  if (first === undefined) return [];
  const { cpu, memory, kernel, node } = first.conditions;
  return [`Machine: ${cpu}, ${memory}; Linux ${kernel}; Node ${node}.`];
}

function section({ title, name, about, conditions: at, rounds, seconds, columns, rows, notes }) {
  const when = `\`${name}\`, ${rounds} rounds of ${seconds} s, ${at.date} UTC, commit ${at.commit}, load ${at.load} at the start, clients on the ${at.network}.`;
  const more = notes.length === 0 ? [] : [notes.map((note) => `- ${note}`).join('\n')];
  return [`## ${title}`, about, when, ...(rows.length === 0 ? [] : [table(columns, rows)]), ...more];
}
