import { availableParallelism, cpus } from 'node:os';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
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
  Record<'bitsInPerSecond' | 'bitsOutPerSecond' | 'publishers' | 'viewers' | 'connections', number>
>;

/** Period of the timer that delays are measured with; it is no delay itself. */
const RESOLUTION_MS = 20;

/** Notes once a second how the server as a whole goes, for the console's charts. */
export class ServerSamples {
  readonly #ring = new SampleRing(SERVER_SERIES, Date.now());
  #delays: IntervalHistogram | undefined;
  #cpu = process.cpuUsage();
  #machine = machineTimes();
  #sampledMs = performance.now();

  /** Begins to measure delays. Once. */
  start(): void {
    this.#delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#delays.enable();
  }

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
      ...this.#delay(),
    });
    this.#cpu = process.cpuUsage();
    this.#machine = machine;
    this.#sampledMs = nowMs;
  }

  /** Samples taken after `sinceMs`, as columns. */
  since(sinceMs: number): SampleColumns<ServerSeries> {
    return this.#ring.since(sinceMs);
  }

  /** Stops measuring. Idempotent. */
  close(): void {
    this.#delays?.disable();
  }

  #delay(): { eventLoopDelayMs: number; eventLoopMeanMs: number } {
    const delays = this.#delays;
    if (delays === undefined || delays.count === 0) return { eventLoopDelayMs: 0, eventLoopMeanMs: 0 };
    const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    const told = { eventLoopDelayMs: ms(delays.max), eventLoopMeanMs: ms(delays.mean) };
    delays.reset();
    return told;
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
