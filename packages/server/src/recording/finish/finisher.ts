import type { Log } from '../../core/index.ts';
import { FinishError } from './finish-error.ts';
import type { CutJob, FinishedFile, FinisherJob, FinishJob, JoinedFile, JoinJob } from './finish-job.ts';
import { FinisherThread, type ThreadOptions } from './finisher-thread.ts';

export interface FinisherOptions {
  /** Files that are worked on at the same time (`file_recorder_thread_pool_max_size`). */
  readonly maxThreads: number;
  /** A thread without work ends after this, milliseconds; 10 000 when left out. */
  readonly idleMs?: number | undefined;
  /** A thread that says nothing for so long hangs, milliseconds; 120 000 when left out. */
  readonly silenceMs?: number | undefined;
  /** Other threads than usual, for tests. */
  readonly thread?: ThreadOptions | undefined;
}

/** How a job is followed. */
export interface JobWatch {
  /** 0 to 1; at most a few times a second. */
  onProgress?(progress: number): void;
}

interface WaitingJob {
  readonly job: FinisherJob;
  readonly onProgress: (progress: number) => void;
  readonly resolve: (file: never) => void;
  readonly reject: (error: unknown) => void;
  triesLeft: number;
}

const IDLE_MS = 10_000;
const SILENCE_MS = 120_000;
const CHECK_MS = 1000;
/** A job whose thread died is tried once more: it may have been the fault of the system. */
const TRIES = 2;

/** Makes finished files of what was recorded, in threads, so that the server goes on meanwhile. */
export class Finisher {
  readonly #options: FinisherOptions;
  readonly #idleMs: number;
  readonly #silenceMs: number;
  readonly #log: Log;
  readonly #idle = new Map<FinisherThread, NodeJS.Timeout>();
  readonly #working = new Map<FinisherThread, WaitingJob>();
  readonly #waiting: WaitingJob[] = [];
  #check: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: FinisherOptions, { log }: { readonly log: Log }) {
    this.#options = options;
    this.#idleMs = options.idleMs ?? IDLE_MS;
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#log = log;
  }

  /** Jobs in work, jobs that wait, and threads that wait for jobs. */
  get load(): { readonly working: number; readonly waiting: number; readonly idleThreads: number } {
    return { working: this.#working.size, waiting: this.#waiting.length, idleThreads: this.#idle.size };
  }

  /**
   * Finishes a file by its bytes alone, in the best form that there is disk space for; again after any interruption.
   * @throws FinishError
   */
  finish(job: Omit<FinishJob, 'kind'>, watch: JobWatch = {}): Promise<FinishedFile> {
    return this.#add({ kind: 'finish', ...job }, watch);
  }

  /**
   * Makes a file of a part of a finished one, from the key frame at or before its start.
   * @throws FinishError
   */
  cut(job: Omit<CutJob, 'kind'>, watch: JobWatch = {}): Promise<FinishedFile> {
    return this.#add({ kind: 'cut', ...job }, watch);
  }

  /**
   * Makes one file of several; each keeps its own tracks.
   * @throws FinishError
   */
  join(job: Omit<JoinJob, 'kind'>, watch: JobWatch = {}): Promise<JoinedFile> {
    return this.#add({ kind: 'join', ...job }, watch);
  }

  /** Ends all threads. Jobs fail with the code `CLOSED`; what they worked on can be finished anew. */
  close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#check);
    const jobs = [...this.#working.values(), ...this.#waiting.splice(0)];
    for (const { reject } of jobs) reject(new FinishError('CLOSED', 'the server ends'));
    for (const [thread, timer] of this.#idle) {
      clearTimeout(timer);
      thread.end();
    }
    for (const thread of this.#working.keys()) thread.end();
    this.#idle.clear();
    this.#working.clear();
    return Promise.resolve();
  }

  /** A thread answers each kind of job with its kind of file. */
  #add<File>(job: FinisherJob, { onProgress }: JobWatch): Promise<File> {
    if (this.#closed) return Promise.reject(new FinishError('CLOSED', 'the server ends'));
    return new Promise((resolve, reject) => {
      const told = onProgress ?? ((): void => undefined);
      this.#waiting.push({ job, onProgress: told, resolve, reject, triesLeft: TRIES });
      this.#startNext();
    });
  }

  #startNext(): void {
    while (!this.#closed && this.#waiting.length > 0 && this.#working.size < this.#options.maxThreads) {
      const job = this.#waiting.shift() as WaitingJob;
      void this.#work(this.#takeThread(), job);
    }
  }

  async #work(thread: FinisherThread, waiting: WaitingJob): Promise<void> {
    waiting.triesLeft--;
    this.#working.set(thread, waiting);
    this.#check ??= setInterval(() => this.#checkLife(), CHECK_MS).unref();
    try {
      waiting.resolve((await thread.run(waiting.job, waiting.onProgress)) as never);
    } catch (error) {
      if (!(error instanceof FinishError) || error.code !== 'DIED' || waiting.triesLeft === 0 || this.#closed) {
        waiting.reject(error);
      } else {
        this.#log.warn({ job: waiting.job, reason: error.message }, 'finishing a recording is tried again');
        this.#waiting.unshift(waiting);
      }
    }
    this.#working.delete(thread);
    if (this.#closed) return;
    if (!thread.isDead) this.#rest(thread);
    this.#startNext();
  }

  #takeThread(): FinisherThread {
    for (const [thread, timer] of this.#idle) {
      clearTimeout(timer);
      this.#idle.delete(thread);
      if (!thread.isDead) return thread;
    }
    return new FinisherThread(this.#options.thread);
  }

  #rest(thread: FinisherThread): void {
    const end = (): void => {
      this.#idle.delete(thread);
      thread.end();
    };
    this.#idle.set(thread, setTimeout(end, this.#idleMs).unref());
  }

  #checkLife(): void {
    const nowMs = performance.now();
    for (const thread of this.#working.keys()) thread.checkLife(nowMs, this.#silenceMs);
    if (this.#working.size > 0) return;
    clearInterval(this.#check);
    this.#check = undefined;
  }
}
