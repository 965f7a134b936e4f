import { type Gauge, Histogram, type Registry } from 'prom-client';
import type { EventLoopDelay } from '../process/loop-delays.ts';
import type { GcKind, ProcessVitals } from '../process/process-vitals.ts';
import { gauge } from './metric.ts';

const GC_BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1];
const WINDOW = 'in the last complete window of 10 seconds, seconds';

/**
 * How well the process keeps up. The names are those that dashboards for Node expect of prom-client; its own values are
 * wrong by the period of its timer (10 ms when nothing is late), change with each reader, and leave out collections
 * that come together.
 */
export class ProcessMetrics {
  readonly #vitals: ProcessVitals;
  readonly #delays: readonly (readonly [Gauge<string>, keyof EventLoopDelay])[];
  readonly #utilization: Gauge<string>;
  readonly #gc: Histogram<string>;

  constructor(vitals: ProcessVitals, registry: Registry) {
    this.#vitals = vitals;
    const delay = (suffix: string, what: string): Gauge<string> =>
      gauge(registry, `nodejs_eventloop_lag${suffix}_seconds`, `${what} delay of the event loop ${WINDOW}`);
    this.#delays = [
      [delay('', 'mean'), 'meanMs'],
      [delay('_mean', 'mean'), 'meanMs'],
      [delay('_min', 'shortest'), 'minMs'],
      [delay('_max', 'longest'), 'maxMs'],
      [delay('_stddev', 'standard deviation of the'), 'stddevMs'],
      [delay('_p50', 'median'), 'p50Ms'],
      [delay('_p90', '90th percentile of the'), 'p90Ms'],
      [delay('_p99', '99th percentile of the'), 'p99Ms'],
    ];
    const help = 'part of the time that the event loop was busy in the last complete window of 10 seconds, 0 to 1';
    this.#utilization = gauge(registry, 'sluice_event_loop_utilization', help);
    this.#gc = new Histogram({
      name: 'nodejs_gc_duration_seconds',
      help: 'pauses for garbage collection by kind (minor, major, incremental, weakcb), seconds',
      labelNames: ['kind'],
      buckets: GC_BUCKETS_SECONDS,
      registers: [registry],
    });
  }

  observeGc(kind: GcKind, seconds: number): void {
    this.#gc.observe({ kind }, seconds);
  }

  refresh(): void {
    const { delay, utilization } = this.#vitals.load();
    for (const [metric, key] of this.#delays) metric.set(delay[key] / 1000);
    this.#utilization.set(utilization);
  }
}
