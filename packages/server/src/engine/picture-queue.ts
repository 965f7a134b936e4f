import type { MediaPacket, Track } from '@sluice/media';
import { MediaServerError, type PictureForm, type PictureMaker } from '../core/index.ts';
import { PictureJob } from './picture-job.ts';
import { type PoolParts, WorkerPool, type WorkerStats } from './worker-pool.ts';

/** Pictures that may wait for a worker. */
const MAX_WAITING = 1000;
/** Tracks whose pictures kill workers are let be for so long: each death makes all others wait. */
const KILLER_MS = 60_000;

/** Makes pictures in worker processes, a few at a time and the others in the order in which they were asked for. */
export class PictureQueue implements PictureMaker {
  readonly #parts: PoolParts;
  readonly #pool: WorkerPool;
  readonly #waiting = new Set<PictureJob>();
  /** Those in work, with the time of their begin. */
  readonly #running = new Map<PictureJob, number>();
  /** Tracks whose pictures killed workers, and until when they are refused. */
  readonly #killers = new WeakMap<Track, number>();
  readonly #onActive: () => void;
  #lastNumber = 0;
  #closed = false;

  /** `onActive` is called when `tick` has to be called from now on, while {@link PictureQueue.isActive}. */
  constructor(parts: PoolParts, onActive: () => void) {
    this.#parts = parts;
    this.#pool = new WorkerPool('picture', parts);
    this.#onActive = onActive;
  }

  get stats(): WorkerStats[] {
    return this.#pool.stats;
  }

  get isActive(): boolean {
    return this.#pool.isActive || this.#waiting.size + this.#running.size > 0;
  }

  picture(packets: readonly MediaPacket[], form: PictureForm, signal: AbortSignal): Promise<Uint8Array> {
    const refusal = this.#refusal(packets, signal);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const abandon = (): void => job.fail('it is not wanted any more');
      this.#lastNumber = (this.#lastNumber % 0xffffffff) + 1;
      const job = new PictureJob({
        ...{ number: this.#lastNumber, packets, form, maxPicturePixels: this.#parts.options.maxPicturePixels },
        onSettled: (_job, result) => {
          signal.removeEventListener('abort', abandon);
          const { track } = packets[0] ?? {};
          if (job.isKiller && track !== undefined) this.#killers.set(track, performance.now() + KILLER_MS);
          this.#remove(job);
          if (result instanceof MediaServerError) reject(result);
          else resolve(result);
        },
      });
      signal.addEventListener('abort', abandon);
      this.#waiting.add(job);
      this.#next();
      this.#onActive();
    });
  }

  /** To be called every some hundred milliseconds while it is active. */
  tick(nowMs: number): void {
    this.#pool.tick(nowMs);
    const { pictureTimeoutMs } = this.#parts.options;
    for (const [job, beganMs] of this.#running)
      if (nowMs - beganMs > pictureTimeoutMs) job.fail(`it took longer than ${pictureTimeoutMs} ms`);
  }

  /** Fails all pictures and ends the workers. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of [...this.#waiting, ...this.#running.keys()]) job.fail('the server stops');
    await this.#pool.close();
  }

  #refusal(packets: readonly MediaPacket[], signal: AbortSignal): MediaServerError | undefined {
    if (this.#waiting.size >= MAX_WAITING)
      return new MediaServerError('SNAPSHOT_LIMIT', `${MAX_WAITING} pictures wait to be taken already`);
    const reason = this.#reasonAgainst(packets[0], signal);
    return reason === undefined ? undefined : new MediaServerError('SNAPSHOT_FAILED', reason);
  }

  #reasonAgainst(first: MediaPacket | undefined, signal: AbortSignal): string | undefined {
    if (this.#closed) return 'the server stops';
    if (signal.aborted) return 'it is not wanted any more';
    if (first?.key !== true || first.track.kind !== 'video') return 'there is no key frame to begin with';
    const isKiller = (this.#killers.get(first.track) ?? 0) > performance.now();
    return isKiller ? 'workers died of its pictures, it is tried again in a minute' : undefined;
  }

  #next(): void {
    for (const job of this.#waiting) {
      if (this.#running.size >= this.#parts.options.pictureWorkers) return;
      this.#waiting.delete(job);
      this.#running.set(job, performance.now());
      this.#pool.add(job);
    }
  }

  #remove(job: PictureJob): void {
    this.#waiting.delete(job);
    if (!this.#running.delete(job)) return;
    this.#pool.remove(job);
    if (!this.#closed) this.#next();
  }
}
