import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Figures } from '../figures/figures.ts';
import type { CrewOrder, CrewReport, CrewTask } from './crew-messages.ts';

/** The program of the threads, beside this file once it is built. */
const PROGRAM = new URL('./worker.js', import.meta.url);

/** A crew in a thread of its own, seen from the outside. */
export class CrewThread {
  readonly name: string;
  /** How busy the thread was in each second. */
  readonly utilizations: number[] = [];
  lateP99Ms = 0;
  lateMaxMs = 0;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #last: CrewReport | undefined;
  #failure: Error | undefined;
  #changed: (() => void) | undefined;
  #watching = false;

  constructor(name: string, task: CrewTask) {
    this.name = name;
    this.#worker = new Worker(PROGRAM, { workerData: task });
    this.#exited = once(this.#worker, 'exit').then(() => this.#changed?.());
    this.#worker.on('message', (report: CrewReport) => this.#take(report));
    this.#worker.on('error', (error) => {
      this.#failure = error;
      this.#changed?.();
    });
  }

  /** When the newest figures are from, Unix time in milliseconds; 0 without any. */
  get atMs(): number {
    return this.#last?.atMs ?? 0;
  }

  /** Adds the newest figures of a group to those of all crews. */
  addTo(figures: Figures, id: number): void {
    const group = this.#last?.groups.find((one) => one.id === id);
    if (group !== undefined) figures.merge(group.figures);
  }

  /** All have joined: what the thread is like counts from now on. */
  watch(): void {
    this.#worker.postMessage('watch' satisfies CrewOrder);
    this.#watching = true;
  }

  /** Waits until all members have joined or failed. @throws Error when the thread has died */
  async settled(): Promise<void> {
    while (this.#last?.settled !== true) await this.#next();
  }

  /** All leave; resolves when the thread has ended. @throws Error when it has died */
  async stop(): Promise<void> {
    this.#worker.postMessage('stop' satisfies CrewOrder);
    while (this.#last?.kind !== 'end') await this.#next();
    await this.#exited;
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
  }

  async #next(): Promise<void> {
    if (this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #take(report: CrewReport): void {
    this.#last = report;
    if (report.kind === 'report' && this.#watching) {
      this.utilizations.push(report.utilization);
      this.lateP99Ms = Math.max(this.lateP99Ms, report.lateP99Ms);
      this.lateMaxMs = Math.max(this.lateMaxMs, report.lateMaxMs);
    }
    this.#changed?.();
  }
}
