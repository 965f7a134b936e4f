import type { Codec, Track } from '@sluice/media';
import type {
  Conversion,
  ConversionBudget,
  ConversionEvents,
  ConversionTarget,
  Converter,
  Counters,
  Log,
  PictureMaker,
  SrtTransport,
} from '../core/index.ts';
import { canConvert } from './codecs.ts';
import { EngineConversion } from './conversion.ts';
import { Feeds, makesPictures } from './feeds.ts';
import type { EngineOptions } from './options.ts';
import { PictureQueue } from './picture-queue.ts';
import { SrtLinks } from './srt-links.ts';
import { WorkerPool, type WorkerStats } from './worker-pool.ts';

const TICK_MS = 250;

export interface EngineStats {
  readonly conversions: number;
  readonly workers: readonly WorkerStats[];
}

/**
 * Decodes, encodes and carries SRT with FFmpeg in child processes, which are started when the first conversion needs one, replaced
 * when they die and ended when nothing was converted for a while. FFmpeg is never loaded into this process.
 */
export class Engine implements Converter {
  readonly #options: EngineOptions;
  readonly #deps: { readonly log: Log; readonly counters: Counters };
  readonly #audio: WorkerPool;
  readonly #feeds: Feeds;
  readonly #pictures: PictureQueue;
  readonly #srt: SrtLinks;
  readonly #conversions = new Set<EngineConversion>();
  #lastNumber = 0;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: EngineOptions, deps: { log: Log; counters: Counters }) {
    this.#options = options;
    this.#deps = deps;
    const parts = { options, ...deps };
    this.#audio = new WorkerPool('audio', parts);
    this.#feeds = new Feeds(parts);
    this.#pictures = new PictureQueue(parts, () => this.#startTimer());
    this.#srt = new SrtLinks(parts, () => this.#startTimer());
  }

  /** Makes pictures of packets. */
  get pictures(): PictureMaker {
    return this.#pictures;
  }

  /** Makes SRT connections and takes them. */
  get srt(): SrtTransport {
    return this.#srt;
  }

  canConvert(from: Codec, to: ConversionTarget['codec']): boolean {
    return canConvert(from, to);
  }

  open(source: Track, target: ConversionTarget, events: ConversionEvents, feed?: object): Conversion {
    if (makesPictures(target) && !this.#closing) {
      this.#startTimer();
      return this.#feeds.open({ source, target, events, feed });
    }
    const { counters } = this.#deps;
    this.#lastNumber = (this.#lastNumber % 0xffffffff) + 1;
    const conversion = new EngineConversion({
      ...{ number: this.#lastNumber, source, target, events, options: this.#options, counters },
      onClosed: () => this.#remove(conversion),
    });
    if (this.#closing || !canConvert(source.codec, target.codec)) {
      // Not before the caller has what it is to be told about.
      queueMicrotask(() => conversion.fail(this.#closing ? 'the server stops' : `no way from ${source.codec}`));
      return conversion;
    }
    counters.count('engine_conversions');
    this.#conversions.add(conversion);
    this.#audio.add(conversion);
    this.#startTimer();
    return conversion;
  }

  budget(): ConversionBudget {
    return this.#feeds.budget;
  }

  estimate(source: Track, target: ConversionTarget, feed?: object | true): number {
    return makesPictures(target) ? this.#feeds.estimate(source, target, feed) : 0;
  }

  stats(): EngineStats {
    const workers = [this.#audio, this.#feeds, this.#pictures, this.#srt].flatMap(({ stats }) => stats);
    return { conversions: this.#conversions.size + this.#feeds.size, workers };
  }

  /** Ends all conversions and SRT connections, without an event, and all workers. Idempotent; takes a second at most. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const conversion of this.#conversions) conversion.close();
    await Promise.all([this.#audio, this.#feeds, this.#pictures, this.#srt].map((part) => part.close()));
    this.#stopTimer();
  }

  #remove(conversion: EngineConversion): void {
    this.#conversions.delete(conversion);
    this.#audio.remove(conversion);
  }

  #tick(): void {
    const nowMs = performance.now();
    const parts = [this.#audio, this.#feeds, this.#pictures, this.#srt];
    for (const part of parts) part.tick(nowMs);
    if (!parts.some(({ isActive }) => isActive)) this.#stopTimer();
  }

  #startTimer(): void {
    if (!this.#closing) this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
