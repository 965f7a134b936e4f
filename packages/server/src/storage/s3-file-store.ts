import { type FileStore, MediaServerError, type OpenFile } from '../core/index.ts';
import { RangeReader, type S3ObjectFacts } from './ranges.ts';
import { CHUNK_BYTES, ReadAhead } from './read-ahead.ts';
import type { ClientLease, S3Clients } from './s3-clients.ts';
import { parseS3Place, S3_PREFIX, type S3Place } from './s3-place.ts';

export interface S3FileStoreOptions {
  /** How much of a file is read ahead, milliseconds of its playing (`vod_mp4_container_new_buffer_ms`). */
  readonly readAheadMs: number;
  /** A file to which nothing comes for this long is given up (`vod_read_timeout`). */
  readonly readTimeoutMs: number;
  /** Origins of servers that may be in a private network. All others must be on the internet. */
  readonly trustedEndpoints: readonly string[];
}

/** Plays files from S3: `s3/bucket/key` from Amazon, `s3/https://host/bucket/key` from servers that speak like it. */
export class S3FileStore implements FileStore {
  readonly #clients: S3Clients;
  readonly #options: S3FileStoreOptions;
  readonly #open = new Set<S3File>();

  constructor(clients: S3Clients, options: S3FileStoreOptions) {
    this.#clients = clients;
    this.#options = options;
  }

  /** Files that are open. */
  get openFiles(): number {
    return this.#open.size;
  }

  accepts(name: string): boolean {
    return name.startsWith(S3_PREFIX);
  }

  /**
   * Opens a file; undefined when there is none, or when the name can't be one. `signal` ends whatever it waits for.
   * @throws MediaServerError FILE_UNREADABLE
   */
  async open(name: string, signal: AbortSignal): Promise<OpenFile | undefined> {
    const place = parseS3Place(name);
    if (place === undefined) return undefined;
    const { endpoint } = place;
    const trusted = endpoint !== undefined && this.#options.trustedEndpoints.includes(endpoint);
    const lease = await this.#clients.lease({ endpoint, pathStyle: true, trusted });
    try {
      const reader = new RangeReader(lease, place, { timeoutMs: this.#options.readTimeoutMs });
      const opened = await reader.open(CHUNK_BYTES, signal).catch((error: unknown) => refuse(error, signal));
      if (opened === undefined) {
        lease[Symbol.dispose]();
        return undefined;
      }
      const file = new S3File({ place, lease, reader, facts: opened.facts }, this.#options, (closed) =>
        this.#open.delete(closed),
      );
      file.begin(opened.head);
      this.#open.add(file);
      return file;
    } catch (error) {
      lease[Symbol.dispose]();
      throw error;
    }
  }

  /** Closes all files. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((file) => file.close()));
  }
}

interface S3FileParts {
  readonly place: S3Place;
  readonly lease: ClientLease;
  readonly reader: RangeReader;
  readonly facts: S3ObjectFacts;
}

class S3File implements OpenFile {
  readonly name: string;
  readonly size: number;
  readonly #lease: ClientLease;
  readonly #ahead: ReadAhead;
  readonly #closing = new AbortController();
  readonly #onClosed: (file: S3File) => void;

  constructor(
    { place, lease, reader, facts }: S3FileParts,
    { readAheadMs }: S3FileStoreOptions,
    onClosed: (file: S3File) => void,
  ) {
    this.name = place.key;
    this.size = facts.size;
    this.#lease = lease;
    this.#onClosed = onClosed;
    const { signal } = this.#closing;
    this.#ahead = new ReadAhead((offset, length) => reader.read(offset, length, signal), {
      size: facts.size,
      aheadMs: readAheadMs,
    });
  }

  begin(head: Uint8Array): void {
    this.#ahead.begin(head);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const { signal } = this.#closing;
    if (signal.aborted) throw new MediaServerError('FILE_UNREADABLE', `${this.name} is closed`);
    try {
      return await this.#ahead.read(offset, length);
    } catch (error) {
      return refuse(error, signal);
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#ahead.clear();
    this.#lease[Symbol.dispose]();
    this.#onClosed(this);
  }
}

function refuse(error: unknown, signal: AbortSignal): never {
  if (error instanceof MediaServerError) throw error;
  const why = signal.aborted ? 'reading was ended' : error instanceof Error ? error.message : String(error);
  throw new MediaServerError('FILE_UNREADABLE', why, { cause: error });
}
