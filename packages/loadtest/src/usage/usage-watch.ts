import { ownUdpDrops } from './own-sockets.ts';
import { usageOf } from './processes.ts';
import { type MetricsUsage, readMetrics } from './prometheus.ts';

/** Everything that is used, at one time. */
interface Sample {
  readonly atMs: number;
  readonly toolCpuS: number;
  readonly metrics: MetricsUsage | undefined;
  readonly processes: { readonly cpuS: number; readonly residentBytes: number; readonly processes: number } | undefined;
}

/** What was used between two times; CPU as a share of one core. */
export interface Usage {
  readonly seconds: number;
  readonly tool: { readonly cpu: number };
  readonly server: ServerUsage | undefined;
}

export interface ServerUsage {
  /** As a share of one core; undefined when nobody tells. */
  readonly cpu: number | undefined;
  /** The most that there was. */
  readonly residentBytes: number | undefined;
  /** By `--pid`: processes that were counted. */
  readonly processes: number | undefined;
  /** By `--metrics`, the worst that was told. */
  readonly loopP99Ms: number | undefined;
  readonly loopMaxMs: number | undefined;
  readonly loopUtilization: number | undefined;
}

/** Looks at what server and tool use: call `look` every second. */
export class UsageWatch {
  /** What was wrong with the server's metrics. */
  problem: string | undefined;
  /** Datagrams that were dropped before this tool read them. */
  drops = 0;
  readonly #metricsUrl: string | undefined;
  readonly #insecure: boolean;
  readonly #pids: readonly number[];
  #samples: Sample[] = [];

  constructor(options: { metricsUrl: string | undefined; insecure: boolean; pids: readonly number[] }) {
    this.#metricsUrl = options.metricsUrl;
    this.#insecure = options.insecure;
    this.#pids = options.pids;
  }

  /** Forgets what was before, so that `usage` is about what follows. */
  async begin(): Promise<void> {
    this.#samples = [];
    await this.look();
  }

  async look(): Promise<void> {
    this.drops = Math.max(this.drops, ownUdpDrops());
    const metrics = await this.#metrics();
    const { user, system } = process.cpuUsage();
    const processes = this.#pids.length === 0 ? undefined : usageOf(this.#pids);
    const sample = { atMs: performance.now(), toolCpuS: (user + system) / 1e6, metrics, processes };
    // Only the ends matter for CPU; what is worst is kept in the second one.
    const [first, last] = [this.#samples[0], this.#samples[1]];
    this.#samples = first === undefined ? [sample] : [first, worse(sample, last)];
  }

  usage(): Usage | undefined {
    const [first, last] = this.#samples;
    if (first === undefined || last === undefined) return undefined;
    const seconds = (last.atMs - first.atMs) / 1000;
    const share = (from: number | undefined, to: number | undefined): number | undefined =>
      from === undefined || to === undefined ? undefined : (to - from) / seconds;
    const known = last.metrics !== undefined || last.processes !== undefined;
    const server = {
      cpu: share(first.processes?.cpuS, last.processes?.cpuS) ?? share(first.metrics?.cpuS, last.metrics?.cpuS),
      residentBytes: last.processes?.residentBytes ?? last.metrics?.residentBytes,
      processes: last.processes?.processes,
      loopP99Ms: last.metrics?.loopP99Ms,
      loopMaxMs: last.metrics?.loopMaxMs,
      loopUtilization: last.metrics?.loopUtilization,
    };
    const tool = { cpu: (last.toolCpuS - first.toolCpuS) / seconds };
    return { seconds, tool, server: known ? server : undefined };
  }

  async #metrics(): Promise<MetricsUsage | undefined> {
    if (this.#metricsUrl === undefined) return undefined;
    try {
      return await readMetrics(this.#metricsUrl, this.#insecure);
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      return undefined;
    }
  }
}

/** The later sample, with the worse of what is no sum. */
function worse(now: Sample, before: Sample | undefined): Sample {
  if (before === undefined) return now;
  const most = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined ? b : Math.max(a, b ?? a);
  const metrics = now.metrics ?? before.metrics;
  return {
    ...now,
    metrics: metrics && {
      ...metrics,
      residentBytes: most(metrics.residentBytes, before.metrics?.residentBytes),
      loopP99Ms: most(metrics.loopP99Ms, before.metrics?.loopP99Ms),
      loopMaxMs: most(metrics.loopMaxMs, before.metrics?.loopMaxMs),
      loopUtilization: most(metrics.loopUtilization, before.metrics?.loopUtilization),
    },
    processes: now.processes && {
      ...now.processes,
      residentBytes: Math.max(now.processes.residentBytes, before.processes?.residentBytes ?? 0),
    },
  };
}
