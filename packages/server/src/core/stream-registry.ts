import { MediaServerError } from './errors.ts';
import { DEFAULT_STREAM_OPTIONS, type Publisher, Stream, type StreamOptions } from './stream.ts';
import { TypedEvents } from './typed-events.ts';

export interface StreamRegistryEvents {
  /** A publisher took the stream; `resumed` when readers had waited for it to come back. */
  published: [stream: Stream, resumed: boolean];
  unpublished: [stream: Stream, reason: string];
  /** The stream is gone for good: it has neither publisher nor waiting readers, or the wait is over. */
  ended: [stream: Stream, reason: string];
}

export interface StreamRegistryOptions {
  readonly stream?: StreamOptions;
  /** How long readers wait for a publisher that left, milliseconds. */
  readonly reconnectWaitMs: number;
  readonly maxStreams: number;
}

const MAX_NAME_LENGTH = 1024;

/** True for a name that can travel in URLs and paths: 1 to 1024 characters, no control characters. */
export function isValidStreamName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are just what is refused.
  return name.length > 0 && name.length <= MAX_NAME_LENGTH && !/[\u0000-\u001f\u007f]/.test(name);
}

/** All streams by name. Owns each stream's life: created by its publisher, ended after the last one left. */
export class StreamRegistry {
  readonly events = new TypedEvents<StreamRegistryEvents>();
  readonly #options: StreamRegistryOptions;
  readonly #streams = new Map<string, Stream>();
  readonly #graceTimers = new Map<string, NodeJS.Timeout>();
  readonly #waiters = new Map<string, Set<() => void>>();

  constructor(options: StreamRegistryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Streams that have a publisher, and those whose readers still wait for one. */
  all(): IterableIterator<Stream> {
    return this.#streams.values();
  }

  /** The stream of that name while it is live or awaited. */
  get(name: string): Stream | undefined {
    return this.#streams.get(name);
  }

  /**
   * Makes `publisher` the source of the stream of that name.
   * @throws MediaServerError STREAM_NAME_BUSY, STREAM_NAME_INVALID or STREAM_LIMIT
   */
  publish(name: string, publisher: Publisher): Stream {
    if (!isValidStreamName(name))
      throw new MediaServerError('STREAM_NAME_INVALID', `stream name "${name.slice(0, 64)}" is not allowed`);
    let stream = this.#streams.get(name);
    if (stream?.live) throw new MediaServerError('STREAM_NAME_BUSY', `stream "${name}" is already being published`);
    const resumed = stream !== undefined;
    if (stream === undefined) {
      if (this.#streams.size >= this.#options.maxStreams) {
        throw new MediaServerError(
          'STREAM_LIMIT',
          `the limit of ${this.#options.maxStreams} streams is reached (max_streams)`,
        );
      }
      stream = new Stream(name, this.#options.stream ?? DEFAULT_STREAM_OPTIONS);
      this.#streams.set(name, stream);
    }
    this.#clearGrace(name);
    stream.attachPublisher(publisher);
    this.events.emit('published', stream, resumed);
    for (const wake of this.#waiters.get(name) ?? []) wake();
    return stream;
  }

  /** Ends a publication. The stream lives on for a while when somebody is reading it. */
  unpublish(stream: Stream, publisher: Publisher, reason: string): void {
    if (stream.publisher !== publisher) return;
    stream.detachPublisher(publisher);
    this.events.emit('unpublished', stream, reason);
    if (stream.readerCount === 0 || this.#options.reconnectWaitMs <= 0) {
      this.#end(stream, reason);
      return;
    }
    this.#graceTimers.set(
      stream.name,
      setTimeout(() => this.#end(stream, reason), this.#options.reconnectWaitMs),
    );
  }

  /**
   * Ends a stream for good, now: its readers are told and do not wait for the publisher to come back. The publisher
   * itself is to be closed by the caller; the name is free at once.
   */
  end(stream: Stream, reason: string): void {
    if (stream.publisher !== undefined) {
      stream.detachPublisher(stream.publisher);
      this.events.emit('unpublished', stream, reason);
    }
    if (this.#streams.get(stream.name) === stream) this.#end(stream, reason);
  }

  /** Resolves with the stream as soon as it is live, or with undefined after `timeoutMs` or an abort. */
  waitFor(name: string, timeoutMs: number, signal?: AbortSignal): Promise<Stream | undefined> {
    const present = this.#streams.get(name);
    if (present !== undefined || timeoutMs <= 0) return Promise.resolve(present);
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', finish);
        const set = this.#waiters.get(name);
        set?.delete(finish);
        if (set?.size === 0) this.#waiters.delete(name);
        resolve(signal?.aborted ? undefined : this.#streams.get(name));
      };
      const timer = setTimeout(finish, timeoutMs);
      signal?.addEventListener('abort', finish);
      const set = this.#waiters.get(name) ?? new Set();
      set.add(finish);
      this.#waiters.set(name, set);
    });
  }

  /** Ends all streams and waits for none. Publishers have been closed before by their owners. */
  close(): void {
    for (const stream of [...this.#streams.values()]) this.#end(stream, 'server stops');
    for (const set of [...this.#waiters.values()]) for (const wake of [...set]) wake();
  }

  #end(stream: Stream, reason: string): void {
    this.#clearGrace(stream.name);
    if (this.#streams.get(stream.name) === stream) this.#streams.delete(stream.name);
    stream.end(reason);
    this.events.emit('ended', stream, reason);
  }

  #clearGrace(name: string): void {
    clearTimeout(this.#graceTimers.get(name));
    this.#graceTimers.delete(name);
  }
}
