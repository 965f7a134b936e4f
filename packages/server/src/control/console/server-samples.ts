import { availableParallelism, cpus } from 'node:os';
import { type SampleColumns, SampleRing } from './sample-ring.ts';

/** What is noted of the server at each sample, in the terms of the contract (ServerHistoryBody). */
export const SERVER_SERIES = [
  'bitsInPerSecond',
  'bitsOutPerSecond',
  'publishers',
  'viewers',
  'connections',
  'cpuPercent',
  'machineCpuPercent',
  'memoryBytes',
  'heapBytes',
  'eventLoopDelayMs',
  'eventLoopMeanMs',
] as const;

export type ServerSeries = (typeof SERVER_SERIES)[number];

/** What others have counted for a sample. */
export type ServerTraffic = Readonly<
  Record<
    | 'bitsInPerSecond'
    | 'bitsOutPerSecond'
    | 'publishers'
    | 'viewers'
    | 'connections'
    | 'eventLoopDelayMs'
    | 'eventLoopMeanMs',
    number
  >
>;

/** Notes once a second how the server as a whole goes, for the console's charts. */
export class ServerSamples {
  readonly #ring = new SampleRing(SERVER_SERIES, Date.now());
  #cpu = process.cpuUsage();
  #machine = machineTimes();
  #sampledMs = performance.now();

  /** `nowMs` is monotonic, `wallMs` the time of day. */
  sample(nowMs: number, wallMs: number, traffic: ServerTraffic): void {
    const used = process.cpuUsage(this.#cpu);
    const elapsedUs = Math.max(1, nowMs - this.#sampledMs) * 1000 * availableParallelism();
    const machine = machineTimes();
    const machineTotal = machine.total - this.#machine.total;
    const memory = process.memoryUsage();
    this.#ring.push(wallMs, {
      ...traffic,
      cpuPercent: ((used.user + used.system) * 100) / elapsedUs,
      machineCpuPercent: machineTotal > 0 ? ((machine.busy - this.#machine.busy) * 100) / machineTotal : 0,
      memoryBytes: memory.rss,
      heapBytes: memory.heapUsed,
    });
    this.#cpu = process.cpuUsage();
    this.#machine = machine;
    this.#sampledMs = nowMs;
  }

  /** Samples taken after `sinceMs`, as columns. */
  since(sinceMs: number): SampleColumns<ServerSeries> {
    return this.#ring.since(sinceMs);
  }
}

function machineTimes(): { readonly busy: number; readonly total: number } {
  let [busy, total] = [0, 0];
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq;
    busy += used;
    total += used + times.idle;
  }
  return { busy, total };
}
