import { readdirSync, readFileSync, statSync } from 'node:fs';
import { arch, availableParallelism, cpus, freemem, loadavg, totalmem } from 'node:os';

/** What the machine says about itself and this process; numbers that it does not tell are 0. */
export interface MachineFacts {
  readonly arch: string;
  readonly processors: number;
  /** Average number of processes that want to run, over the last minute. */
  readonly loadAverage: number;
  /** Part of the processors' time that was used since the last reading, 0 to 1. */
  readonly cpuLoad: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly swapBytes: number;
  readonly freeSwapBytes: number;
  /** Threads of this process. */
  readonly threads: number;
  readonly openFiles: number;
  readonly maxOpenFiles: number;
}

interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** Readings that are closer together than this tell the same load. */
const MIN_LOAD_WINDOW_MS = 1000;

/** Reads facts of the machine; on other systems than Linux some are 0. */
export class Machine {
  #times = cpuTimes();
  #readAtMs = performance.now();
  #cpuLoad = 0;

  /** Reads files of the kernel: some milliseconds with thousands of open files. */
  facts(): MachineFacts {
    const memory = readText('/proc/meminfo');
    return {
      arch: arch(),
      processors: availableParallelism(),
      loadAverage: loadavg()[0] ?? 0,
      cpuLoad: this.#load(),
      memoryBytes: totalmem(),
      freeMemoryBytes: freemem(),
      swapBytes: kilobytes(memory, 'SwapTotal'),
      freeSwapBytes: kilobytes(memory, 'SwapFree'),
      threads: Number(/^Threads:\s*(\d+)/m.exec(readText('/proc/self/status'))?.[1] ?? 0),
      openFiles: openFiles(),
      maxOpenFiles: Number(/^Max open files\s+(\d+)/m.exec(readText('/proc/self/limits'))?.[1] ?? 0),
    };
  }

  #load(): number {
    const nowMs = performance.now();
    if (nowMs - this.#readAtMs < MIN_LOAD_WINDOW_MS) return this.#cpuLoad;
    const times = cpuTimes();
    const total = times.total - this.#times.total;
    this.#cpuLoad = total > 0 ? (times.busy - this.#times.busy) / total : 0;
    this.#times = times;
    this.#readAtMs = nowMs;
    return this.#cpuLoad;
  }
}

function cpuTimes(): CpuTimes {
  let busy = 0;
  let total = 0;
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq;
    busy += used;
    total += used + times.idle;
  }
  return { busy, total };
}

function openFiles(): number {
  try {
    // Linux tells the count as the folder's size since 6.2; before that each has to be read.
    const { size } = statSync('/proc/self/fd');
    return size > 0 ? size : readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

function kilobytes(text: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
