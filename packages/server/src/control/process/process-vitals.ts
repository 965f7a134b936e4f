import {
  constants,
  type EventLoopUtilization,
  type PerformanceEntry,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks';
import { type EventLoopDelay, LoopDelays } from './loop-delays.ts';

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
  readonly delays = new LoopDelays();
  readonly gc: Readonly<Record<GcKind, GcSum>> = {
    minor: { count: 0, seconds: 0 },
    major: { count: 0, seconds: 0 },
    incremental: { count: 0, seconds: 0 },
    weakcb: { count: 0, seconds: 0 },
  };
  #onGc: ((kind: GcKind, seconds: number) => void) | undefined;
  #observer: PerformanceObserver | undefined;
  #windowAtMs = 0;
  #loop: EventLoopUtilization | undefined;
  #cpu = process.cpuUsage();
  #complete: Load | undefined;

  /** Begins to measure; `onGc` is called after each collection. Once. */
  start(onGc?: (kind: GcKind, seconds: number) => void): void {
    this.#onGc = onGc;
    this.delays.start();
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
    this.delays.close();
    this.#observer?.disconnect();
  }

  #beginWindow(nowMs: number): void {
    this.#windowAtMs = nowMs;
    this.delays.reset();
    this.#loop = performance.eventLoopUtilization();
    this.#cpu = process.cpuUsage();
  }

  #load(nowMs: number): Load {
    const { user, system } = process.cpuUsage(this.#cpu);
    const elapsedUs = Math.max(1, (nowMs - this.#windowAtMs) * 1000);
    return {
      delay: this.delays.window,
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
