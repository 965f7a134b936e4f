/** A thing that wants to be called on every tick. */
export type TickListener = (nowMs: number) => void;

interface Entry {
  readonly listener: TickListener;
  readonly periodMs: number;
  /** When it is to be called next, on the clock of `performance.now()`. */
  dueMs: number;
}

/**
 * One shared timer for pacing, keep-alive and idle checks, so that thousands of sessions cost one timer.
 * `nowMs` is `performance.now()`.
 *
 * The timer runs at the shortest period that anybody asked for: while nothing is in a hurry, the server sleeps. Waking a
 * process that has slept costs more than what it does then, so all that is due within half a tick is done in one go.
 */
export class Ticker {
  /** The shortest period, milliseconds. */
  readonly intervalMs: number;
  #entries: readonly Entry[] = [];
  #timer: NodeJS.Timeout | undefined;
  #timerMs = 0;
  /** Somebody is gone since the timer's period was chosen. */
  #mayBeSlower = false;

  constructor(intervalMs = 20) {
    this.intervalMs = intervalMs;
  }

  /**
   * Adds a listener, which is called about every `periodMs`, at the shortest on every tick; the timer runs while there is
   * one. Dispose of the result to remove it.
   */
  on(listener: TickListener, periodMs: number = this.intervalMs): Disposable {
    const entry = { listener, periodMs: Math.max(periodMs, this.intervalMs), dueMs: performance.now() + periodMs };
    // Replaced, not mutated: a listener may add or remove one while the list is walked.
    this.#entries = [...this.#entries, entry];
    if (this.#timer === undefined || entry.periodMs < this.#timerMs) this.#run(entry.periodMs);
    return { [Symbol.dispose]: () => this.#remove(entry) };
  }

  #tick(): void {
    const nowMs = performance.now();
    const soonMs = nowMs + this.intervalMs / 2;
    const entries = this.#entries;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry === undefined || entry.dueMs > soonMs) continue;
      // Kept to its own rhythm, unless it is more than a period late: what was missed is not caught up on.
      entry.dueMs = Math.max(entry.dueMs, nowMs - entry.periodMs) + entry.periodMs;
      entry.listener(nowMs);
    }
    this.#slowDown();
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#mayBeSlower = true;
    if (this.#entries.length === 0) this.#stop();
  }

  /**
   * Has the timer run as seldom as those who are left allow. After a tick only: otherwise those who come and go more often
   * than it runs would have it begin anew each time, and nobody would be called.
   */
  #slowDown(): void {
    if (!this.#mayBeSlower || this.#entries.length === 0) return;
    this.#mayBeSlower = false;
    let shortestMs = Number.POSITIVE_INFINITY;
    for (const { periodMs } of this.#entries) shortestMs = Math.min(shortestMs, periodMs);
    if (shortestMs > this.#timerMs) this.#run(shortestMs);
  }

  #run(periodMs: number): void {
    this.#stop();
    this.#timerMs = periodMs;
    this.#timer = setInterval(() => this.#tick(), periodMs);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Ticks for a part of the server only while it has something to do. */
export class BusyTicks {
  readonly #ticker: Ticker;
  readonly #listener: (nowMs: number) => boolean;
  readonly #periodMs: number | undefined;
  #ticking: Disposable | undefined;

  /** @param listener tells whether there is more to do */
  constructor(ticker: Ticker, listener: (nowMs: number) => boolean, periodMs?: number) {
    this.#ticker = ticker;
    this.#listener = listener;
    this.#periodMs = periodMs;
  }

  /** There is something to do: `listener` is called from now on, until it says that there is nothing more. */
  begin(): void {
    this.#ticking ??= this.#ticker.on((nowMs) => {
      if (!this.#listener(nowMs)) this.close();
    }, this.#periodMs);
  }

  /** Ticks no more, until it is begun again. */
  close(): void {
    this.#ticking?.[Symbol.dispose]();
    this.#ticking = undefined;
  }
}
