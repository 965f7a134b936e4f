import type { WorkReport } from './wire.ts';

/** Told work counts for this long. */
const WINDOW_MS = 3000;
/** Weight of one report in the smoothed values: workers tell twice a second. */
const WEIGHT = 1 / 4;

/** What is known of a conversion's work in the last seconds. */
export interface WorkRates {
  /** Share of one processor core; more than 1 with several threads. */
  readonly cpuShare: number | undefined;
  /** Share of the time that the worker is at it: near 1 it does not keep up. */
  readonly busyShare: number | undefined;
  /** Time for one packet, milliseconds. */
  readonly msPerFrame: number | undefined;
}

const UNKNOWN: WorkRates = { cpuShare: undefined, busyShare: undefined, msPerFrame: undefined };

/** Makes rates of what a worker tells of its work for one conversion. */
export class WorkMeter {
  #toldMs = 0;
  #cpu: number | undefined;
  #busy: number | undefined;
  #msPerFrame: number | undefined;
  #cpuMsPerFrame: number | undefined;
  #framesPerS: number | undefined;
  #beganMs = 0;

  /** Takes a report; the first one, and the first after a pause, counts from nobody knows when. */
  add({ packets, busyUs, cpuUs }: WorkReport, nowMs: number): void {
    const elapsedUs = (nowMs - this.#toldMs) * 1000;
    const first = this.#toldMs === 0 || elapsedUs > WINDOW_MS * 1000;
    this.#toldMs = nowMs;
    if (packets > 0) {
      this.#msPerFrame = smoothed(this.#msPerFrame, busyUs / 1000 / packets);
      this.#cpuMsPerFrame = smoothed(this.#cpuMsPerFrame, cpuUs / 1000 / packets);
    }
    if (first) {
      this.#beganMs = nowMs;
      this.#cpu = undefined;
      this.#busy = undefined;
      this.#framesPerS = undefined;
    } else if (elapsedUs > 0) {
      this.#cpu = smoothed(this.#cpu, cpuUs / elapsedUs);
      this.#busy = smoothed(this.#busy, Math.min(1, busyUs / elapsedUs));
      this.#framesPerS = smoothed(this.#framesPerS, (packets * 1e6) / elapsedUs);
    }
  }

  /** For how long it was told of without a pause, milliseconds. */
  sinceMs(nowMs: number): number {
    return this.#isKnown(nowMs) ? nowMs - this.#beganMs : 0;
  }

  /** Time of processors for one packet, milliseconds. */
  cpuMsPerFrame(nowMs: number): number | undefined {
    return this.#isKnown(nowMs) ? this.#cpuMsPerFrame : undefined;
  }

  /** Packets in a second; undefined while unknown. */
  framesPerS(nowMs: number): number | undefined {
    return this.#isKnown(nowMs) ? this.#framesPerS : undefined;
  }

  #isKnown(nowMs: number): boolean {
    return this.#toldMs > 0 && nowMs - this.#toldMs <= WINDOW_MS;
  }

  /** Undefined values where nothing is known, or was told for too long. */
  read(nowMs: number): WorkRates {
    if (!this.#isKnown(nowMs)) return UNKNOWN;
    return {
      cpuShare: rounded(this.#cpu, 1000),
      busyShare: rounded(this.#busy, 1000),
      msPerFrame: rounded(this.#msPerFrame, 100),
    };
  }
}

function smoothed(before: number | undefined, value: number): number {
  return before === undefined ? value : before + (value - before) * WEIGHT;
}

function rounded(value: number | undefined, steps: number): number | undefined {
  return value === undefined ? undefined : Math.round(value * steps) / steps;
}
