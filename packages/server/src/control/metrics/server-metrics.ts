import { collectDefaultMetrics, Registry } from 'prom-client';
import type {
  ConnectionRegistry,
  FileStreams,
  Recorder,
  Rooms,
  SessionRegistry,
  StreamRegistry,
} from '../../core/index.ts';
import type { HookTraffic } from '../control-deps.ts';
import type { ProcessVitals } from '../process/process-vitals.ts';
import { FileMetrics } from './file-metrics.ts';
import { HookMetrics } from './hook-metrics.ts';
import { gauge } from './metric.ts';
import { ProcessMetrics } from './process-metrics.ts';
import type { PrometheusCounters } from './prometheus-counters.ts';
import { RoomMetrics } from './room-metrics.ts';
import { SessionMetrics } from './session-metrics.ts';
import { streamMetrics } from './stream-metrics.ts';

/** Of prom-client's own metrics, those that are measured otherwise: see ProcessMetrics. */
const REPLACED = ['', '_min', '_max', '_mean', '_stddev', '_p50', '_p90', '_p99'].map(
  (suffix) => `nodejs_eventloop_lag${suffix}_seconds`,
);

export interface ServerMetricsDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly connections: ConnectionRegistry;
  readonly counters: PrometheusCounters;
  readonly vitals: ProcessVitals;
  readonly access?: HookTraffic | undefined;
  readonly recorder?: Recorder | undefined;
  readonly fileStreams?: FileStreams | undefined;
  readonly rooms?: Rooms | undefined;
  readonly version: string;
}

/** Everything that `/metrics` tells: the process, the counters, and the streams and sessions of the moment. */
export class ServerMetrics {
  readonly #deps: ServerMetricsDeps;
  readonly #registry = new Registry();
  readonly #sessions: SessionMetrics;
  readonly #hooks: HookMetrics | undefined;
  readonly #files: FileMetrics;
  readonly #rooms: RoomMetrics | undefined;
  #process: ProcessMetrics | undefined;

  constructor(deps: ServerMetricsDeps) {
    this.#deps = deps;
    this.#sessions = new SessionMetrics(deps, this.#registry);
    this.#files = new FileMetrics(deps, this.#registry);
    this.#rooms = deps.rooms && new RoomMetrics(deps.rooms, this.#registry);
    this.#hooks = deps.access && new HookMetrics(deps.access, this.#registry);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Begins to measure the process (event-loop delay, garbage collection). Once. */
  start(): void {
    // Its own timer for delays can't be left out: it is made to cost nothing.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 1_000_000_000 });
    for (const name of [...REPLACED, 'nodejs_gc_duration_seconds']) this.#registry.removeSingleMetric(name);
    this.#process = new ProcessMetrics(this.#deps.vitals, this.#registry);
    this.#deps.vitals.start((kind, seconds) => this.#process?.observeGc(kind, seconds));
    this.#deps.counters.register(this.#registry);
    const info = gauge(this.#registry, 'sluice_info', 'always 1; the labels tell the versions', ['version', 'node']);
    info.set({ version: this.#deps.version, node: process.version }, 1);
  }

  /** The text that Prometheus scrapes. */
  async render(): Promise<string> {
    this.#process?.refresh();
    this.#sessions.refresh();
    this.#hooks?.refresh();
    this.#files.refresh();
    this.#rooms?.refresh();
    return `${await this.#registry.metrics()}\n${streamMetrics(this.#deps.streams)}`;
  }

  close(): void {
    this.#registry.clear();
  }
}
