import { randomUUID } from 'node:crypto';
import type { JobObject, JobStatus } from '@sluice/contract';
import { RestError } from './rest-error.ts';

export interface JobLimits {
  /** Jobs that run at the same time. Default 100. */
  readonly running: number;
  /** Jobs that can be asked for. Default 1000; the oldest finished ones go first. */
  readonly kept: number;
  /** How long a finished job can be asked for, milliseconds. Default 5 minutes. */
  readonly keepMs: number;
  /** Results of all finished jobs together, characters of JSON. Default 32 Mi. */
  readonly resultLength: number;
}

export const DEFAULT_JOB_LIMITS: JobLimits = Object.freeze({
  running: 100,
  kept: 1000,
  keepMs: 300_000,
  resultLength: 32 * 1024 * 1024,
});

/** A method at work. */
export interface JobWork {
  /** Path of the method. */
  readonly method: string;
  /** After this it is given up, milliseconds. */
  readonly timeoutMs: number;
  run(signal: AbortSignal): unknown;
}

/** One run of a method of `/rest-api/v3`. */
export class Job {
  readonly id = randomUUID();
  readonly method: string;
  readonly createDate = Date.now();
  /** Resolves when it is over, however it ended. */
  readonly over: Promise<void>;
  readonly #abort = new AbortController();
  #status: JobStatus = 'RUNNING';
  #result: unknown;
  #failure: unknown;
  #resultLength = 0;
  #endedMs = Number.POSITIVE_INFINITY;
  #finish: () => void = () => {};

  constructor(work: JobWork) {
    this.method = work.method;
    const end = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    const timer = setTimeout(() => this.cancel(`it took longer than ${work.timeoutMs / 1000} s`), work.timeoutMs);
    this.over = end.then(() => clearTimeout(timer));
    void this.#run(work);
  }

  get status(): JobStatus {
    return this.#status;
  }

  get ended(): boolean {
    return this.#status !== 'RUNNING' && this.#status !== 'PENDING';
  }

  /** When it ended, monotonic milliseconds; infinite before. */
  get endedMs(): number {
    return this.#endedMs;
  }

  /** Characters that its result takes as JSON. */
  get resultLength(): number {
    return this.#resultLength;
  }

  /**
   * What the method gave.
   * @throws what the method threw, or RestError 500 when it was cancelled
   */
  outcome(): unknown {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#result;
  }

  /** Gives it up; false when it was over already. The method is told by its signal, but not waited for. */
  cancel(reason: string): boolean {
    if (this.ended) return false;
    this.#failure = new RestError(500, `the job was cancelled: ${reason}`);
    this.#end('CANCELLED');
    this.#abort.abort();
    return true;
  }

  describe(errorOf: (failure: unknown) => { readonly status: number; readonly message: string }): JobObject {
    const { id, method, createDate } = this;
    const failure = this.#failure === undefined ? undefined : errorOf(this.#failure);
    return {
      id,
      status: this.#status,
      method,
      createDate,
      ...(this.#result === undefined ? {} : { result: this.#result }),
      ...(failure === undefined ? {} : { error: failure.message, errorStatus: failure.status }),
    };
  }

  async #run(work: JobWork): Promise<void> {
    // The caller gets the job first, whatever the method does.
    await Promise.resolve();
    try {
      const result = await work.run(this.#abort.signal);
      if (this.ended) return;
      this.#result = result;
      this.#resultLength = JSON.stringify(result)?.length ?? 0;
      this.#end('DONE');
    } catch (error) {
      if (this.ended) return;
      this.#failure = error ?? new Error('failed');
      this.#end('FAILED');
    }
  }

  #end(status: JobStatus): void {
    this.#status = status;
    this.#endedMs = performance.now();
    this.#finish();
  }
}

/** The jobs of `/rest-api/v3`: those that run, and for a while those that were answered with 202. */
export class Jobs {
  readonly #limits: JobLimits;
  readonly #running = new Set<Job>();
  /** Oldest first. */
  readonly #kept = new Map<string, Job>();

  constructor(limits: Partial<JobLimits> = {}) {
    this.#limits = { ...DEFAULT_JOB_LIMITS, ...limits };
  }

  get running(): number {
    return this.#running.size;
  }

  get kept(): number {
    return this.#kept.size;
  }

  /**
   * Begins to work.
   * @throws RestError 503 when too many jobs run
   */
  start(work: JobWork): Job {
    if (this.#running.size >= this.#limits.running) {
      throw new RestError(503, `${this.#limits.running} jobs run already, try again later`);
    }
    const job = new Job(work);
    this.#running.add(job);
    void job.over.then(() => {
      this.#running.delete(job);
      this.#tidy();
    });
    return job;
  }

  /** Lets the job be asked for from now on, as its client does not wait for it any more. */
  keep(job: Job): void {
    this.#kept.set(job.id, job);
    this.#tidy();
  }

  /** Jobs that are kept, oldest first. */
  all(): readonly Job[] {
    this.#tidy();
    return [...this.#kept.values()];
  }

  get(id: string): Job | undefined {
    this.#tidy();
    return this.#kept.get(id);
  }

  /** Cancels what runs and forgets the rest. Idempotent. */
  close(): void {
    for (const job of [...this.#running]) job.cancel('the server stops');
    this.#kept.clear();
  }

  /** Forgets finished jobs that are too old or too many; those that run are never forgotten. */
  #tidy(): void {
    const oldestMs = performance.now() - this.#limits.keepMs;
    let length = 0;
    for (const job of this.#kept.values()) length += job.resultLength;
    for (const [id, job] of this.#kept) {
      const tooMuch = this.#kept.size > this.#limits.kept || length > this.#limits.resultLength;
      if (!job.ended || (!tooMuch && job.endedMs > oldestMs)) continue;
      this.#kept.delete(id);
      length -= job.resultLength;
    }
  }
}
