import type { SrtConnection, SrtEvents, SrtOpen, SrtTransport } from '../core/index.ts';
import { SrtLink } from './srt-link.ts';
import { type PoolParts, WorkerPool, type WorkerStats } from './worker-pool.ts';

/** SRT connections in worker processes, many to one. A connection ends with its process. */
export class SrtLinks implements SrtTransport {
  readonly #parts: PoolParts;
  readonly #pool: WorkerPool;
  readonly #links = new Set<SrtLink>();
  readonly #onActive: () => void;
  #lastNumber = 0;
  #closed = false;

  /** `onActive` is called when `tick` has to be called from now on, while {@link SrtLinks.isActive}. */
  constructor(parts: PoolParts, onActive: () => void) {
    this.#parts = parts;
    this.#pool = new WorkerPool('srt', parts);
    this.#onActive = onActive;
  }

  get stats(): WorkerStats[] {
    return this.#pool.stats;
  }

  get isActive(): boolean {
    return this.#pool.isActive || this.#links.size > 0;
  }

  open(options: SrtOpen, events: SrtEvents): SrtConnection {
    this.#lastNumber = (this.#lastNumber % 0xffffffff) + 1;
    const link = new SrtLink({
      ...{ number: this.#lastNumber, open: options, events },
      onOver: () => this.#remove(link),
    });
    const refusal = this.#refusal();
    if (refusal === undefined) {
      this.#links.add(link);
      this.#pool.add(link);
      this.#onActive();
      // Not before the caller has what it is to be told about.
    } else queueMicrotask(() => link.fail(refusal));
    return link;
  }

  /** To be called every some hundred milliseconds while it is active. */
  tick(nowMs: number): void {
    this.#pool.tick(nowMs);
    for (const link of this.#links) link.tick(nowMs);
  }

  /** Ends all connections, without an event, and all workers. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const link of this.#links) link.close();
    await this.#pool.close();
  }

  #refusal(): string | undefined {
    if (this.#closed) return 'the server stops';
    const { srtConnections } = this.#parts.options;
    return this.#links.size >= srtConnections ? `there are ${srtConnections} SRT connections already` : undefined;
  }

  #remove(link: SrtLink): void {
    this.#links.delete(link);
    this.#pool.remove(link);
  }
}
