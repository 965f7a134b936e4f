import {
  type Counters,
  type Log,
  MediaServerError,
  type Snapshots,
  type Stream,
  type StreamRegistry,
} from '../core/index.ts';
import { RateLimiter } from '../io/index.ts';
import type { AutoSnapshotOptions } from './options.ts';
import { SnapshotFolder, trimFolders } from './snapshot-folder.ts';

export interface AutoSnapshotDeps {
  readonly streams: StreamRegistry;
  readonly snapshots: Snapshots;
  readonly log: Log;
  readonly counters: Counters;
}

const LOOK_MS = 500;
/** Pictures that are taken and written at the same time: the others' share of the workers stays theirs. */
const MAX_AT_ONCE = 4;
const LOG_LINES_PER_SECOND = 1;

interface Subject {
  readonly folder: SnapshotFolder;
  /** When the next picture is to be taken, on the clock of `performance.now()`. */
  dueMs: number;
  busy: boolean;
  /** There is a picture in its folder. */
  begun: boolean;
}

/** Keeps pictures of every published stream with pictures in files, the first one when its first picture is there. */
export class AutoSnapshots {
  readonly #deps: AutoSnapshotDeps;
  readonly #options: AutoSnapshotOptions;
  readonly #subjects = new Map<Stream, Subject>();
  readonly #working = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #faults = new RateLimiter(LOG_LINES_PER_SECOND);
  #trimming: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: AutoSnapshotDeps, options: AutoSnapshotOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Takes no more pictures; resolves when none is being written. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    await Promise.all(this.#working);
    this.#subjects.clear();
  }

  #look(): void {
    for (const [stream, { busy }] of this.#subjects) if (stream.ended && !busy) this.#subjects.delete(stream);
    const nowMs = performance.now();
    for (const stream of this.#deps.streams.all()) {
      if (!stream.live || stream.state.video === undefined || stream.log.lastStartPoint < 0) continue;
      const subject = this.#subjectOf(stream, nowMs);
      if (subject.busy || subject.dueMs > nowMs) continue;
      if (this.#working.size >= MAX_AT_ONCE) return;
      this.#begin(stream, subject, nowMs);
    }
  }

  #subjectOf(stream: Stream, nowMs: number): Subject {
    const known = this.#subjects.get(stream);
    if (known !== undefined) return known;
    const subject = { folder: new SnapshotFolder(stream.name, this.#options), dueMs: nowMs, busy: false, begun: false };
    this.#subjects.set(stream, subject);
    return subject;
  }

  #begin(stream: Stream, subject: Subject, nowMs: number): void {
    subject.busy = true;
    // What was missed is not made up for.
    subject.dueMs = Math.max(subject.dueMs + this.#options.rateMs, nowMs);
    const work = this.#take(stream, subject).finally(() => {
      subject.busy = false;
      this.#working.delete(work);
      if (!this.#stopping.signal.aborted) this.#look();
    });
    this.#working.add(work);
  }

  async #take(stream: Stream, subject: Subject): Promise<void> {
    const { snapshots, log, counters } = this.#deps;
    const { signal } = this.#stopping;
    try {
      const picture = await snapshots.take({
        ...{ streamName: stream.name, format: this.#options.format, which: 'newest', signal },
      });
      await subject.folder.add(picture);
      if (!subject.begun) await this.#trimFolders();
      subject.begun = true;
    } catch (error) {
      if (signal.aborted) return;
      // Others are counted where they come from.
      if (!(error instanceof MediaServerError)) counters.count('snapshots_failed');
      const held = this.#faults.take();
      if (held >= 0)
        log.warn(
          { stream: stream.name, error: String(error), suppressed: held },
          'a picture could not be kept in a file',
        );
    }
  }

  /** One after the other: two at once would count what the other is deleting. */
  #trimFolders(): Promise<void> {
    const { dir, maxFolders } = this.#options;
    const trim = (): Promise<void> => {
      const kept = new Set(Array.from(this.#subjects.values(), ({ folder }) => folder.name));
      return trimFolders(dir, maxFolders, kept);
    };
    const trimmed = this.#trimming.then(trim);
    this.#trimming = trimmed.catch(() => {});
    return trimmed;
  }
}
