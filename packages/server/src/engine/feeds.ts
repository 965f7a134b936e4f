import type { Track } from '@sluice/media';
import type { Conversion, ConversionBudget, ConversionEvents, ConversionTarget } from '../core/index.ts';
import { Capacity } from './capacity.ts';
import { canConvert } from './codecs.ts';
import { asksForForm, Feed, type OutputOrder } from './feed.ts';
import { FeedMember } from './feed-member.ts';
import { decodeCores, outputCores, outputFps, presetOf } from './video-cost.ts';
import { type PoolParts, WorkerPool, type WorkerStats } from './worker-pool.ts';

const LEARN_MS = 1000;
/** A form that is expected to take more of a core than one of these is encoded by several threads, each taking as much. */
const THREAD_CORES = 0.4;
const MAX_THREADS = 4;
const MPEG1_KEY_FRAME_INTERVAL_S = 1;

/** What is asked for: see Converter.open. */
export interface FeedRequest {
  readonly source: Track;
  readonly target: ConversionTarget;
  readonly events: ConversionEvents;
  readonly feed: object | undefined;
}

/** All conversions of pictures: those of one source are done together, and all of them within what the machine has. */
export class Feeds {
  readonly #parts: PoolParts;
  readonly #pool: WorkerPool;
  readonly #capacity: Capacity;
  readonly #feeds = new Set<Feed>();
  readonly #shared = new Map<object, Feed>();
  /** Encoders that were told of. */
  readonly #told = new Set<string>();
  #lastNumber = 0;
  #learntMs = 0;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#pool = new WorkerPool('video', parts);
    this.#capacity = new Capacity(parts.options.maxCores);
  }

  /** Conversions that run. */
  get size(): number {
    let size = 0;
    for (const feed of this.#feeds) size += feed.size;
    return size;
  }

  get stats(): WorkerStats[] {
    return this.#pool.stats;
  }

  get isActive(): boolean {
    return this.#pool.isActive;
  }

  get budget(): ConversionBudget {
    const nowMs = performance.now();
    let usedCores = 0;
    let forms = 0;
    for (const feed of this.#feeds) {
      usedCores += feed.usedCores(this.#capacity.factor, nowMs);
      forms += feed.forms;
    }
    const { limitCores, maxForms } = this.#capacity;
    return { limitCores, usedCores, formsLeft: Math.max(0, maxForms - forms) };
  }

  /** Processor cores that a conversion is expected to take; see Converter.estimate. */
  estimate(source: Track, target: ConversionTarget, feed?: object | true): number {
    const isDecoded = feed === true || (feed !== undefined && this.#shared.has(feed));
    const { videoPreset } = this.#parts.options;
    const cores = outputCores(source, target, videoPreset) + (isDecoded ? 0 : decodeCores(source));
    return cores * this.#capacity.factor;
  }

  /** Begins a conversion of pictures; one that can't be done is told so after this call. */
  open(request: FeedRequest): Conversion {
    const { source, target, feed: key } = request;
    const reason = canConvert(source.codec, target.codec) ? this.#refusal(request) : `no way from ${source.codec}`;
    let feed = key && this.#shared.get(key);
    const output = feed?.freeOutput() ?? 1;
    // A feed with as many forms as it can have: another one decodes for those that follow.
    if (reason !== undefined || feed?.freeOutput() === undefined) feed = this.#newFeed(source, key !== undefined);
    const member = this.#memberOf(feed, request, output);
    if (reason !== undefined) {
      // Not before the caller has what it is to be told about.
      queueMicrotask(() => member.fail(reason));
      return member;
    }
    this.#parts.counters.count('engine_conversions');
    const isNew = feed.size === 0;
    feed.join(member, this.#orderOf(request));
    if (!isNew) return member;
    this.#feeds.add(feed);
    if (key) this.#shared.set(key, feed);
    this.#pool.add(feed);
    return member;
  }

  /** To be called every some hundred milliseconds while it is active. */
  tick(nowMs: number): void {
    this.#pool.tick(nowMs);
    const learns = nowMs - this.#learntMs >= LEARN_MS;
    if (learns) this.#learntMs = nowMs;
    for (const feed of [...this.#feeds]) {
      feed.relieve(nowMs);
      const error = learns ? feed.estimateError(nowMs) : undefined;
      if (error !== undefined) this.#capacity.learn(error);
    }
  }

  /** Ends all conversions, without an event, and all workers. */
  close(): Promise<void> {
    for (const feed of [...this.#feeds]) feed.close();
    return this.#pool.close();
  }

  #newFeed(source: Track, shared: boolean): Feed {
    const { options, counters } = this.#parts;
    this.#lastNumber = (this.#lastNumber % 0xffffffff) + 1;
    const onEmpty = (feed: Feed) => this.#remove(feed);
    return new Feed({ number: this.#lastNumber, source, shared, options, counters, onEmpty });
  }

  #memberOf(feed: Feed, { source, target, events }: FeedRequest, output: number): FeedMember {
    const { counters, options } = this.#parts;
    const cores = outputCores(source, target, options.videoPreset);
    return new FeedMember({
      ...{ output, source, target, events, counters, feed },
      estimate: { cores, fps: outputFps(source, target) },
      onEncoder: (name, passedOver) => this.#tellEncoder(name, passedOver),
    });
  }

  #remove(feed: Feed): void {
    this.#feeds.delete(feed);
    for (const [key, shared] of this.#shared) if (shared === feed) this.#shared.delete(key);
    this.#pool.remove(feed);
  }

  /** What was always converted goes on being so while there is any room at all; what asks for a form must fit. */
  #refusal({ source, target, feed }: FeedRequest): string | undefined {
    const isPlain = !asksForForm(target);
    const needed = this.estimate(source, target, feed);
    const { budget } = this;
    const isFull = budget.usedCores > budget.limitCores;
    const reason = isPlain && !isFull ? undefined : this.#capacity.refusal(needed, budget);
    if (reason !== undefined) this.#parts.counters.count('engine_refused_conversions');
    return reason;
  }

  #orderOf({ source, target, feed }: FeedRequest): OutputOrder {
    const { options } = this.#parts;
    const { codec, picture: form = {}, bitrateBps } = target;
    const isMpeg1 = codec === 'mpeg1';
    const cores = this.estimate(source, target, true);
    const threads = target.picture === undefined ? 1 : Math.ceil(cores / THREAD_CORES);
    return {
      codec: isMpeg1 ? 'mpeg1' : 'h264',
      form,
      aligned: isMpeg1 || feed !== undefined || target.picture !== undefined,
      bitrateBps: form.bitrateBps ?? bitrateBps,
      bitrateFactor: options.videoBitrateFactor,
      elastic: target.picture !== undefined,
      keyFrameIntervalS: target.keyFrameIntervalS ?? (isMpeg1 ? MPEG1_KEY_FRAME_INTERVAL_S : options.keyFrameIntervalS),
      preset: presetOf(form, options.videoPreset),
      encoders: form.encoder === undefined ? options.encoderPriority : [form.encoder, ...options.encoderPriority],
      threads: Math.min(MAX_THREADS, threads),
    };
  }

  #tellEncoder(encoder: string, passedOver: readonly string[]): void {
    const what = `${encoder} ${passedOver.join()}`;
    if (this.#told.has(what)) return;
    this.#told.add(what);
    this.#parts.log.info({ encoder, passedOver }, 'pictures are encoded');
  }
}

/** Whether a conversion makes pictures. */
export function makesPictures({ codec }: Pick<ConversionTarget, 'codec'>): boolean {
  return codec === 'h264' || codec === 'mpeg1';
}
