import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc per second: 100 on every Linux that there is. */
const TICKS_PER_SECOND = 100;

/** What processes have used. */
export interface ProcessUsage {
  /** User and system time of all that live, seconds. */
  readonly cpuS: number;
  readonly residentBytes: number;
  readonly processes: number;
}

/** Usage of these processes and all that they have started, as far as they live; what has ended is not in it. */
export function usageOf(pids: readonly number[]): ProcessUsage {
  const wanted = new Set(pids);
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const fields = Number.isInteger(pid) ? statOf(pid) : undefined;
    if (fields !== undefined) parents.set(pid, Number(fields[1]));
  }
  // Children of children: until nothing is new.
  for (let before = -1; before !== wanted.size; ) {
    before = wanted.size;
    for (const [pid, parent] of parents) if (wanted.has(parent)) wanted.add(pid);
  }
  let cpuS = 0;
  let residentBytes = 0;
  let processes = 0;
  for (const pid of wanted) {
    const fields = statOf(pid);
    if (fields === undefined) continue;
    cpuS += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    residentBytes += residentOf(pid);
    processes++;
  }
  return { cpuS, residentBytes, processes };
}

/** Fields of /proc/PID/stat behind the name, which may have spaces; undefined when it is gone. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function residentOf(pid: number): number {
  try {
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
