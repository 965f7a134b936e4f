import { performance } from 'node:perf_hooks';

/** From when to when something is looked at, on the clock of the machine. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Beats are so far apart. */
export const BEAT_MS = 20;
/** Who is late by more than this was held up by the machine, and by nothing that is tested. */
export const STALL_MS = 100;

/**
 * Beats as long as it lives, and keeps the times in which it could not: this process, which is the line between server
 * and clients, did not run then. Pages have the same within (`in-page.ts`).
 */
export class Heartbeat {
  readonly stalls: Span[] = [];
  readonly #timer: NodeJS.Timeout;
  #beatMs = nowMs();

  constructor() {
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const [beforeMs, atMs] = [this.#beatMs, nowMs()];
    this.#beatMs = atMs;
    if (atMs - beforeMs > BEAT_MS + STALL_MS) this.stalls.push({ fromMs: beforeMs + BEAT_MS, toMs: atMs });
  }
}

/** The clock of the machine as pages tell it. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** When something was late that is due every `everyMs`, by the moments at which it was done. */
export function stallsOf(momentsMs: readonly number[], everyMs: number): Span[] {
  return momentsMs.slice(1).flatMap((toMs, i) => {
    const dueMs = (momentsMs[i] ?? toMs) + everyMs;
    return toMs - dueMs > STALL_MS ? [{ fromMs: dueMs, toMs }] : [];
  });
}

/** How much of a span lies in stalls, which may overlap, milliseconds. */
export function stalledMs({ fromMs, toMs }: Span, stalls: readonly Span[]): number {
  let sumMs = 0;
  let coveredMs = fromMs;
  for (const stall of stalls.toSorted((one, other) => one.fromMs - other.fromMs)) {
    const endMs = Math.min(stall.toMs, toMs);
    sumMs += Math.max(0, endMs - Math.max(stall.fromMs, coveredMs));
    coveredMs = Math.max(coveredMs, endMs);
  }
  return sumMs;
}
