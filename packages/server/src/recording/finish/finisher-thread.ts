import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { FinishError } from './finish-error.ts';
import type { FinishedFile, FinisherJob, JoinedFile } from './finish-job.ts';

/** What a thread says of its job. */
export type ThreadMessage =
  | { readonly type: 'progress'; readonly progress: number }
  | { readonly type: 'done'; readonly file: FinishedFile | JoinedFile }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

/** Tables of very long recordings are outside this heap; what needs more is broken. */
const MAX_HEAP_MB = 512;

/** The compiled entry of a thread, also for sources as tests run them: Node 20 does not run TypeScript. */
const ENTRY = new URL(
  'dist/recording/finish/thread-main.js',
  pathToFileURL(createRequire(import.meta.url).resolve('@sluice/server/package.json')),
);

export interface ThreadOptions {
  readonly entry?: URL | undefined;
  readonly maxHeapMb?: number | undefined;
}

/** One thread that does one job after the other. */
export class FinisherThread {
  readonly #worker: Worker;
  #job: { onMessage(message: ThreadMessage): void; onDeath(detail: string): void } | undefined;
  #heardMs = performance.now();
  #dead = false;

  /** @param options another program, or less memory, than usual: for tests */
  constructor({ entry = ENTRY, maxHeapMb = MAX_HEAP_MB }: ThreadOptions = {}) {
    this.#worker = new Worker(fileURLToPath(entry), {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
    });
    this.#worker.unref();
    this.#worker.on('message', (message: ThreadMessage) => this.#receive(message));
    this.#worker.on('error', (error) => this.#die(error.message));
    this.#worker.on('exit', (code) => this.#die(`its thread ended with code ${code}`));
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /**
   * Resolves with what became of it; one job at a time.
   * @throws FinishError
   */
  run(job: FinisherJob, onProgress: (progress: number) => void): Promise<FinishedFile | JoinedFile> {
    this.#heardMs = performance.now();
    this.#worker.ref();
    return new Promise<FinishedFile | JoinedFile>((resolve, reject) => {
      this.#job = {
        onMessage: (message) => {
          if (message.type === 'progress') onProgress(message.progress);
          else this.#finish();
          if (message.type === 'done') resolve(message.file);
          if (message.type === 'failed') reject(new FinishError(message.code, message.message));
        },
        onDeath: (detail) => reject(new FinishError('DIED', detail)),
      };
      if (this.#dead) this.#die('its thread had ended');
      else this.#worker.postMessage(job);
    });
  }

  /** Gives its job up when it has said nothing for so long. */
  checkLife(nowMs: number, silenceMs: number): void {
    if (this.#job === undefined || nowMs - this.#heardMs <= silenceMs) return;
    this.end(`its thread said nothing for ${silenceMs} ms`);
  }

  /** Ends it; a job in work fails. */
  end(detail = 'its thread was ended'): void {
    this.#die(detail);
    // A thread that waits for a dead disk ends when that answers, or with the process.
    this.#worker.terminate().catch(() => undefined);
    this.#worker.unref();
  }

  #receive(message: ThreadMessage): void {
    this.#heardMs = performance.now();
    this.#job?.onMessage(message);
  }

  #finish(): void {
    this.#job = undefined;
    this.#worker.unref();
  }

  #die(detail: string): void {
    this.#dead = true;
    const job = this.#job;
    this.#job = undefined;
    job?.onDeath(detail);
  }
}
