import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** Delays are measured with a timer of this period. Shorter ones keep a processor from its sleep that has nothing to do. */
const PERIOD_MS = 100;

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

/** The same in short. */
export interface RecentDelay {
  readonly maxMs: number;
  readonly meanMs: number;
}

const NONE: RecentDelay = { maxMs: 0, meanMs: 0 };

/**
 * Measures how late a timer runs, ten times a second: the delay of whatever becomes due at any moment. Node's own monitor
 * does the same for one reader; this is one timer for all who want to know, each for windows of their own.
 */
export class LoopDelays {
  readonly #window: RecordableHistogram = createHistogram();
  #recent = { count: 0, sumMs: 0, maxMs: 0 };
  #timer: NodeJS.Timeout | undefined;
  #ranMs = 0;

  /** Begins to measure. Once. */
  start(): void {
    this.#ranMs = performance.now();
    this.#timer = setInterval(() => this.#run(), PERIOD_MS);
  }

  /** Stops measuring. Idempotent. */
  close(): void {
    clearInterval(this.#timer);
  }

  /** Delays since the last `reset`. */
  get window(): EventLoopDelay {
    const histogram = this.#window;
    if (histogram.count === 0) return NO_DELAY;
    return {
      minMs: ms(histogram.min),
      meanMs: ms(histogram.mean),
      stddevMs: ms(histogram.stddev),
      p50Ms: ms(histogram.percentile(50)),
      p90Ms: ms(histogram.percentile(90)),
      p99Ms: ms(histogram.percentile(99)),
      maxMs: ms(histogram.max),
    };
  }

  /** Begins another window. */
  reset(): void {
    this.#window.reset();
  }

  /** Delays since it was called last. */
  takeRecent(): RecentDelay {
    const { count, sumMs, maxMs } = this.#recent;
    if (count === 0) return NONE;
    this.#recent = { count: 0, sumMs: 0, maxMs: 0 };
    return { maxMs, meanMs: sumMs / count };
  }

  #run(): void {
    const nowMs = performance.now();
    const delayMs = Math.max(0, nowMs - this.#ranMs - PERIOD_MS);
    this.#ranMs = nowMs;
    this.#window.record(Math.max(1, Math.round(delayMs * 1e6)));
    this.#recent.count++;
    this.#recent.sumMs += delayMs;
    this.#recent.maxMs = Math.max(this.#recent.maxMs, delayMs);
  }
}

function ms(nanoseconds: number): number {
  return nanoseconds / 1e6;
}

const NO_DELAY: EventLoopDelay = { minMs: 0, meanMs: 0, stddevMs: 0, p50Ms: 0, p90Ms: 0, p99Ms: 0, maxMs: 0 };
