import { Histogram, type HistogramData } from './histogram.ts';

/** What is added up over the members of a group. */
export interface Counts {
  /** Members that have begun. */
  started: number;
  /** Viewers that have got a whole picture to begin with; publishers that the server has accepted. */
  joined: number;
  /** Members that could not join, or not in time. */
  failed: number;
  /** Members that had joined and were thrown out. */
  ended: number;
  bytes: number;
  /** RTP packets, or messages and tags of audio and video, or pieces of HLS. */
  packets: number;
  /** Pictures that were whole, with all before them. */
  pictures: number;
  /** RTP packets that never came; of publishers, as the server reports. */
  lost: number;
  /** RTP packets that were missing at first: sent again, or out of order. */
  repaired: number;
  /** Pictures that the publisher had sent and that were left out, by their numbers. Counted where clocks are read. */
  picturesMissing: number;
  /** Times that no picture came, or none was left to show, for longer than `--freeze`. */
  freezes: number;
  frozenMs: number;
  /** Requests of HLS, the failed ones included, and how many of them failed. */
  requests: number;
  requestsFailed: number;
  /** Datagrams that could not be decrypted, among those that were. */
  undecryptable: number;
  /** What publishers sent late, at worst, in milliseconds. */
  worstLateMs: number;
}

/** The figures of a group as they go between threads. */
export interface FiguresData {
  readonly counts: Counts;
  readonly firstPictureMs: HistogramData;
  readonly delayMs: HistogramData;
  /** From the start of the first member to the last one that joined. */
  readonly joiningMs: number;
  readonly errors: Readonly<Record<string, number>>;
}

/** Different reasons that are kept apart. */
const MAX_REASONS = 20;

const noCounts = (): Counts => ({
  started: 0,
  joined: 0,
  failed: 0,
  ended: 0,
  bytes: 0,
  packets: 0,
  pictures: 0,
  lost: 0,
  repaired: 0,
  picturesMissing: 0,
  freezes: 0,
  frozenMs: 0,
  requests: 0,
  requestsFailed: 0,
  undecryptable: 0,
  worstLateMs: 0,
});

/** What the members of a group did and saw, all together. */
export class Figures {
  readonly counts: Counts = noCounts();
  readonly firstPictureMs = new Histogram();
  /** From the clock in a picture to when a viewer had it whole. */
  delayMs = new Histogram();
  readonly #errors = new Map<string, number>();
  #firstStartMs: number | undefined;
  #joiningMs = 0;

  get joiningMs(): number {
    return this.#joiningMs;
  }

  get errors(): ReadonlyMap<string, number> {
    return this.#errors;
  }

  /** Members that wait to join. */
  get joining(): number {
    return this.counts.started - this.counts.joined - this.counts.failed;
  }

  started(nowMs: number): void {
    this.#firstStartMs ??= nowMs;
    this.counts.started++;
  }

  joined(nowMs: number): void {
    this.counts.joined++;
    this.#joiningMs = nowMs - (this.#firstStartMs ?? nowMs);
  }

  failed(reason: string): void {
    this.counts.failed++;
    this.#remember(reason);
  }

  ended(reason: string): void {
    this.counts.ended++;
    this.#remember(reason);
  }

  /** Delays and lateness are those of the time from now on. */
  beginWatching(): void {
    this.delayMs = new Histogram();
    this.counts.worstLateMs = 0;
  }

  /** Counts words about something that went wrong without ending anybody. */
  note(reason: string): void {
    this.#remember(reason);
  }

  merge(data: FiguresData): void {
    for (const key of Object.keys(this.counts) as (keyof Counts)[]) {
      if (key === 'worstLateMs') this.counts[key] = Math.max(this.counts[key], data.counts[key]);
      else this.counts[key] += data.counts[key];
    }
    this.firstPictureMs.merge(data.firstPictureMs);
    this.delayMs.merge(data.delayMs);
    this.#joiningMs = Math.max(this.#joiningMs, data.joiningMs);
    for (const [reason, count] of Object.entries(data.errors)) this.#remember(reason, count);
  }

  data(): FiguresData {
    return {
      counts: { ...this.counts },
      firstPictureMs: this.firstPictureMs.data(),
      delayMs: this.delayMs.data(),
      joiningMs: this.#joiningMs,
      errors: Object.fromEntries(this.#errors),
    };
  }

  #remember(reason: string, count = 1): void {
    const key = this.#errors.has(reason) || this.#errors.size < MAX_REASONS ? reason : 'other reasons';
    this.#errors.set(key, (this.#errors.get(key) ?? 0) + count);
  }
}
