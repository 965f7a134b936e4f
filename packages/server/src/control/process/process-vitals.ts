import {
  constants,
  type EventLoopUtilization,
  type IntervalHistogram,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks';

/** Delays are measured with a timer of this period. */
const RESOLUTION_MS = 20;
/** Delays and loads are told for windows of this length. */
const WINDOW_MS = 10_000;

/** Kinds of garbage collection, as V8 names them. */
export type GcKind = 'minor' | 'major' | 'incremental' | 'weakcb';

const GC_KINDS: ReadonlyMap<number, GcKind> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

/** How late the event loop came to what was due, milliseconds. */
export interface EventLoopDelay {
  readonly minMs: number;
  readonly meanMs: number;
  readonly stddevMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** The process' load over the last window of ten seconds that is complete; before that over what there is. */
export interface Load {
  readonly delay: EventLoopDelay;
  /** Part of the time that the event loop was busy, 0 to 1. */
  readonly utilization: number;
  /** Processor time in processors: 1 is one processor fully used. */
  readonly cpu: number;
}

/** Pauses for garbage collection since the start. */
export interface GcSum {
  count: number;
  seconds: number;
}

/** Measures how well the process keeps up: event-loop delay, processor time, garbage collection. */
export class ProcessVitals {
  readonly gc: Readonly<Record<GcKind, GcSum>> = {
    minor: { count: 0, seconds: 0 },
    major: { count: 0, seconds: 0 },
    incremental: { count: 0, seconds: 0 },
    weakcb: { count: 0, seconds: 0 },
  };
  #onGc: ((kind: GcKind, seconds: number) => void) | undefined;
  #histogram: IntervalHistogram | undefined;
  #observer: PerformanceObserver | undefined;
  #windowAtMs = 0;
  #loop: EventLoopUtilization | undefined;
  #cpu = process.cpuUsage();
  #complete: Load | undefined;

  /** Begins to measure; `onGc` is called after each collection. Once. */
  start(onGc?: (kind: GcKind, seconds: number) => void): void {
    this.#onGc = onGc;
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
    this.#observer = new PerformanceObserver((list) => this.#observeGc(list.getEntries()));
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#beginWindow(performance.now());
  }

  /** Called about once a second; ends a window when it is over. */
  sample(nowMs: number): void {
    if (nowMs - this.#windowAtMs < WINDOW_MS) return;
    this.#complete = this.#load(nowMs);
    this.#beginWindow(nowMs);
  }

  load(nowMs = performance.now()): Load {
    return this.#complete ?? this.#load(nowMs);
  }

  /** Stops measuring. Idempotent. */
  close(): void {
    this.#histogram?.disable();
    this.#observer?.disconnect();
  }

  #beginWindow(nowMs: number): void {
    this.#windowAtMs = nowMs;
    this.#histogram?.reset();
    this.#loop = performance.eventLoopUtilization();
    this.#cpu = process.cpuUsage();
  }

  #load(nowMs: number): Load {
    const { user, system } = process.cpuUsage(this.#cpu);
    const elapsedUs = Math.max(1, (nowMs - this.#windowAtMs) * 1000);
    return {
      delay: delayOf(this.#histogram),
      utilization: performance.eventLoopUtilization(this.#loop).utilization,
      cpu: (user + system) / elapsedUs,
    };
  }

  #observeGc(entries: readonly PerformanceEntry[]): void {
    for (const { detail, duration } of entries as readonly (PerformanceEntry & { detail?: { kind?: number } })[]) {
      const kind = GC_KINDS.get(detail?.kind ?? -1);
      if (kind === undefined) continue;
      this.gc[kind].count++;
      this.gc[kind].seconds += duration / 1000;
      this.#onGc?.(kind, duration / 1000);
    }
  }
}

/** Node's histogram holds the times between two runs of its timer: the period itself is no delay. */
function delayOf(histogram: IntervalHistogram | undefined): EventLoopDelay {
  const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  if (histogram === undefined || histogram.count === 0) return NO_DELAY;
  return {
    minMs: ms(histogram.min),
    meanMs: ms(histogram.mean),
    stddevMs: histogram.stddev / 1e6,
    p50Ms: ms(histogram.percentile(50)),
    p90Ms: ms(histogram.percentile(90)),
    p99Ms: ms(histogram.percentile(99)),
    maxMs: ms(histogram.max),
  };
}

const NO_DELAY: EventLoopDelay = { minMs: 0, meanMs: 0, stddevMs: 0, p50Ms: 0, p90Ms: 0, p99Ms: 0, maxMs: 0 };
