import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Counters, type Log, MediaServerError } from '../../../core/index.ts';
import { fitBytes, safeComponent } from '../../../io/index.ts';
import type { HlsArchiveOptions } from '../options.ts';
import type { SegmentArchive } from '../segment-archive.ts';
import { type ArchiveStore, FileArchive } from './file-archive.ts';
import { FileReads } from './file-reads.ts';
import { WorkQueue } from './work-queue.ts';

/** Bytes of segments that may wait to be written. */
const MAX_UNWRITTEN_BYTES = 64 * 1024 * 1024;
/** Bytes of segments that were read last and stay at hand. */
const READ_BYTES = 32 * 1024 * 1024;
/** Lines about lost segments come no more often than this. */
const LOG_EVERY_MS = 60_000;
/** Folders of ours, so that nothing else is removed from a folder that is not ours alone. */
const FOLDER = /^dvr-\d+-/;
const MAX_NAME_BYTES = 100;

export interface DvrStoreDeps {
  readonly log: Log;
  readonly counters: Counters;
}

/**
 * Keeps segments on disk, for viewers who go back in time: within a bound of bytes over all streams, the oldest go first.
 * A disk that is full, slow or gone costs viewers the past, never the present.
 */
export class DvrStore implements ArchiveStore {
  readonly #deps: DvrStoreDeps;
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #work = new WorkQueue();
  readonly #reads = new FileReads(READ_BYTES);
  /** Segments in the order in which they came; some may be gone already. */
  #order: { readonly archive: FileArchive; readonly msn: number }[] = [];
  #head = 0;
  #bytes = 0;
  #unwritten = 0;
  #opened = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(deps: DvrStoreDeps, options: HlsArchiveOptions) {
    this.#deps = deps;
    this.#dir = resolve(options.dir);
    this.#maxBytes = options.maxBytes;
  }

  /** Bytes of segments that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Makes the folder and removes what an earlier run left in it.
   * @throws MediaServerError CONFIG_INVALID when it can not be made or read
   */
  async start(): Promise<void> {
    try {
      await mkdir(this.#dir, { recursive: true });
      for (const name of await readdir(this.#dir)) {
        if (FOLDER.test(name)) await rm(join(this.#dir, name), { recursive: true, force: true });
      }
    } catch (cause) {
      const message = `can not use the folder ${this.#dir} for segments (hls_dir): ${String(cause)}`;
      throw new MediaServerError('CONFIG_INVALID', message, { cause });
    }
  }

  /** An archive for a channel of that stream; dispose of it to remove its files. */
  open(streamName: string): SegmentArchive {
    const name = `dvr-${++this.#opened}-${fitBytes(safeComponent(streamName), MAX_NAME_BYTES)}`;
    const folder = join(this.#dir, name);
    this.work(
      () => mkdir(folder),
      (error) => this.lost(streamName, error),
    );
    return new FileArchive(this, { streamName, folder });
  }

  /** Resolves when all work on the disk is done. */
  idle(): Promise<void> {
    return this.#work.idle();
  }

  hasRoomToWrite(bytes: number): boolean {
    return this.#unwritten + bytes <= MAX_UNWRITTEN_BYTES;
  }

  taken(archive: FileArchive, msn: number, bytes: number): void {
    this.#unwritten += bytes;
    this.#bytes += bytes;
    this.#order.push({ archive, msn });
    while (this.#bytes > this.#maxBytes) {
      const oldest = this.#order[this.#head];
      if (oldest === undefined) break;
      this.#head++;
      oldest.archive.dropBefore(oldest.msn + 1);
    }
    this.#compact();
  }

  released(bytes: number): void {
    this.#bytes -= bytes;
  }

  written(bytes: number): void {
    this.#unwritten -= bytes;
  }

  work(work: () => Promise<unknown>, failed: (error: unknown) => void): void {
    this.#work.add(work, failed);
  }

  lost(streamName: string, why: unknown): void {
    this.#deps.counters.count('hls_archive_losses');
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < LOG_EVERY_MS) return;
    this.#toldMs = nowMs;
    const fields = { stream: streamName, folder: this.#dir, error: String(why) };
    this.#deps.log.warn(fields, 'segments can not be kept on disk, viewers can go back to later ones only');
  }

  readFile(path: string): Promise<Uint8Array | undefined> {
    return this.#reads.read(path);
  }

  forgetFile(path: string): void {
    this.#reads.forget(path);
  }

  /** Lets go of what is gone at the beginning, so that the list is as long as what is kept. */
  #compact(): void {
    for (let first = this.#order[this.#head]; first !== undefined; first = this.#order[this.#head]) {
      const { oldest } = first.archive;
      if (oldest !== undefined && first.msn >= oldest) break;
      this.#head++;
    }
    if (this.#head < 1000 || this.#head * 2 < this.#order.length) return;
    this.#order = this.#order.slice(this.#head);
    this.#head = 0;
  }
}
