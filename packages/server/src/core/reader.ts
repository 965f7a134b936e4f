import { KeyFrameRetry } from './key-frame-retry.ts';
import type { Stream } from './stream.ts';
import type { StreamEntry, StreamLog } from './stream-log.ts';

export interface ReaderOptions {
  /**
   * `gop`: begin at the newest key frame that is cached, so that a picture is there at once. `live`: at the next one.
   * `oldest`: with all that is cached, for readers that want a stock of it (HLS). A number: at that entry of the log,
   * whatever it is, for readers that go on from where another one stands.
   */
  readonly startAt: 'gop' | 'live' | 'oldest' | number;
  /**
   * It has no use for the picture itself, but waits for what becomes of the stream: a publisher that sends several encodings
   * need not send the best for it. Default: it has.
   */
  readonly withoutPicture?: boolean | undefined;
  /** Called synchronously after each packet; must be cheap and must not throw. */
  onReadable(): void;
  /** The stream is over; no more packets will come. */
  onEnd(reason: string): void;
}

/**
 * One consumer's place in a stream's log. Costs a number and two references: packets are kept once, in the log.
 * A reader that falls behind the log's bounds goes on at the newest start point and counts what it missed.
 */
export class Reader {
  /** Packets that this reader was too slow for. */
  dropped = 0;
  readonly #stream: Stream;
  readonly #options: ReaderOptions;
  readonly #detach: () => void;
  #next: number;
  #needsStart = true;
  readonly #keyFrames = new KeyFrameRetry();
  #closed = false;

  constructor(stream: Stream, options: ReaderOptions, detach: () => void) {
    this.#stream = stream;
    this.#options = options;
    this.#detach = detach;
    const { startAt } = options;
    const start = typeof startAt === 'number' ? startAt : startPoint(stream.log, startAt);
    if (typeof startAt === 'number') this.#needsStart = false;
    this.#next = start >= 0 ? start : stream.log.end;
  }

  get withoutPicture(): boolean {
    return this.#options.withoutPicture === true;
  }

  /** Sequence number in the stream's log of the entry after the one that was read last. */
  get position(): number {
    return this.#next;
  }

  /**
   * The next entry, or undefined when there is none yet. The first one is always a start point: while others come
   * instead, the source is asked for a key frame, as many send none by themselves.
   */
  read(): StreamEntry | undefined {
    const log: StreamLog = this.#stream.log;
    if (this.#next < log.start) this.#skip(log);
    for (;;) {
      const entry = log.at(this.#next);
      if (entry === undefined) return undefined;
      this.#next++;
      if (!this.#needsStart || entry.startPoint) {
        this.#needsStart = false;
        return entry;
      }
      this.#keyFrames.ask(this.#stream);
    }
  }

  /** Called by the stream. */
  wake(): void {
    // Another reader of the same packet may have closed this one.
    if (!this.#closed) this.#options.onReadable();
  }

  /** Called by the stream. */
  end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onEnd(reason);
  }

  /** Stops reading. Idempotent; `onEnd` is not called. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#detach();
  }

  #skip(log: StreamLog): void {
    const to = log.lastStartPoint >= 0 ? log.lastStartPoint : log.end;
    this.dropped += to - this.#next;
    this.#next = to;
    this.#needsStart = true;
  }
}

function startPoint(log: StreamLog, startAt: 'gop' | 'live' | 'oldest'): number {
  switch (startAt) {
    case 'gop':
      return log.lastStartPoint;
    case 'oldest':
      return log.firstStartPoint;
    case 'live':
      return -1;
  }
}
