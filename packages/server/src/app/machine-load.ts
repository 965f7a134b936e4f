import { cpus } from 'node:os';
import type { Ticker } from '../io/index.ts';

const SAMPLE_INTERVAL_MS = 1000;
/** Busy is what has not been idle for longer than this share, in so many samples one after the other. */
const IDLE_SHARE = 0.05;
const BUSY_SAMPLES = 3;

/** Times of all processors since the machine began, in one unit, whichever it is. */
export interface ProcessorTimes {
  readonly idle: number;
  readonly total: number;
}

/** Knows whether the whole machine has had anything to spare of late, whoever uses it; only while it is watched. */
export class MachineLoad {
  readonly #read: () => ProcessorTimes;
  #last: ProcessorTimes;
  #busySamples = 0;

  constructor(read: () => ProcessorTimes = readProcessorTimes) {
    this.#read = read;
    this.#last = read();
  }

  /** For some seconds nothing was left to begin anything with. */
  get isBusy(): boolean {
    return this.#busySamples >= BUSY_SAMPLES;
  }

  /** Looks at the machine every second until the result is disposed of. */
  watch(ticker: Ticker): Disposable {
    return ticker.on(() => this.look(), SAMPLE_INTERVAL_MS);
  }

  /** Looks at what the machine has done since the last look. */
  look(): void {
    const now = this.#read();
    const total = now.total - this.#last.total;
    const isBusy = total > 0 && now.idle - this.#last.idle < total * IDLE_SHARE;
    this.#last = now;
    this.#busySamples = isBusy ? this.#busySamples + 1 : 0;
  }
}

function readProcessorTimes(): ProcessorTimes {
  let [idle, total] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.idle + times.user + times.nice + times.sys + times.irq;
  }
  return { idle, total };
}
