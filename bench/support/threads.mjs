// What the threads of a process take, by their names in /proc.
import { readdirSync, readFileSync } from 'node:fs';

const LOOK_MS = 250;
/** Those of the clock by which the system counts. */
const TICKS_A_SECOND = 100;
/** Names of threads, and what they are called here. The first thread has the number of the process. */
const NAMES = { 'sluice-send': 'the thread that sends' };
const MAIN = "JavaScript's thread";
const OTHERS = 'threads of V8 and libuv';

/** Looks at the threads of a process until `stop`; then `sentence` tells of a part of that time. */
export function watchThreads(pid) {
  const looks = [];
  const timer = setInterval(() => {
    const threads = look(pid);
    if (threads !== undefined) looks.push({ atUs: Number(process.hrtime.bigint() / 1000n), threads });
  }, LOOK_MS);
  return {
    stop: () => clearInterval(timer),
    sentence: ({ fromUs, toUs }) => {
      const within = looks.filter(({ atUs }) => atUs >= fromUs && atUs <= toUs);
      return within.length < 2 ? 'threads were not seen' : told(within[0], within.at(-1));
    },
  };
}

function look(pid) {
  try {
    const folder = `/proc/${pid}/task`;
    return new Map(
      readdirSync(folder).map((thread) => [thread, usageOf(`${folder}/${thread}/stat`, thread === `${pid}`)]),
    );
  } catch {
    // It has ended.
    return undefined;
  }
}

function usageOf(file, isMain) {
  const text = readFileSync(file, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
  return { name: isMain ? MAIN : (NAMES[name] ?? OTHERS), user: Number(fields[11]), system: Number(fields[12]) };
}

function told(first, last) {
  const sums = new Map();
  for (const [thread, { name, user, system }] of last.threads) {
    const before = first.threads.get(thread) ?? { user: 0, system: 0 };
    const sum = sums.get(name) ?? { all: 0, system: 0 };
    sums.set(name, {
      all: sum.all + user + system - before.user - before.system,
      system: sum.system + system - before.system,
    });
  }
  const seconds = (last.atUs - first.atUs) / 1e6;
  const percent = (ticks) => ((ticks / TICKS_A_SECOND / seconds) * 100).toFixed(1);
  const parts = [...sums]
    .filter(([, { all }]) => all > 0)
    .toSorted((a, b) => b[1].all - a[1].all)
    .map(([name, { all, system }]) => `${name} ${percent(all)} % of a core (${percent(system)} in the kernel)`);
  return parts.join(', ');
}
