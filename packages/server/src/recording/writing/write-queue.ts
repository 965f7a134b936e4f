import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../sync-folder.ts';
import type { DiskSlots } from './disk-slots.ts';

/** What of a file's handle is needed, so that tests can put a slow or full disk in its place. */
export interface WritableFile extends Pick<FileHandle, 'datasync' | 'close'> {
  writev(buffers: readonly Uint8Array[], position: number): Promise<{ readonly bytesWritten: number }>;
  stat(): Promise<{ readonly ino: number; readonly dev: number }>;
}

/** Makes a new file to be written; its folder too. */
export type OpenFile = (path: string) => Promise<WritableFile>;

export interface WriteQueueParts {
  readonly path: string;
  readonly slots: DiskSlots;
  readonly openFile: OpenFile;
  /** Have the disk keep what was written before more is written. */
  readonly sync: boolean;
  /** So many more bytes are in the file. */
  onWritten(bytes: number): void;
  /** Nothing more will be written: the error of the disk, and the packets that waited for it. Called once. */
  onFailed(error: Error, lostPackets: number): void;
}

/** The file is at its place no more while it is written: with it all that was in it is gone. */
export class FileGoneError extends Error {
  readonly code = 'ENOENT';
}

/** What goes to the disk in one call. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
const MAX_BATCH_BUFFERS = 256;
/** A file that was deleted or moved away takes whatever is written to it, so it must be looked at. */
const LOOK_INTERVAL_MS = 1000;

/** Appends to a new file, in order, with one call to the disk at a time; whoever pushes never waits and nothing throws. */
export class WriteQueue {
  readonly #parts: WriteQueueParts;
  #waiting: Uint8Array[] = [];
  /** Packets in each of those. */
  #packets: number[] = [];
  #waitingBytes = 0;
  #position = 0;
  /** Bytes that do not wait any more. */
  #taken = 0;
  #file: WritableFile | undefined;
  #lookedMs = 0;
  #ended = false;
  #failed = false;
  #running: Promise<void> | undefined;

  constructor(parts: WriteQueueParts) {
    this.#parts = parts;
  }

  /** Bytes that are not in the file yet, those on their way included. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Appends bytes that hold so many packets. */
  push(bytes: Uint8Array, packets: number): void {
    if (this.#failed || this.#ended) return;
    this.#waiting.push(bytes);
    this.#packets.push(packets);
    this.#waitingBytes += bytes.length;
    this.#running ??= this.#run();
  }

  /** Resolves when all is written and the file is closed, or it has failed and is closed. Never rejects. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#running ??= this.#run();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#failed) await this.#parts.slots.use(() => this.#writeSome());
      if (this.#ended && this.#file !== undefined) await this.#closeFile(this.#file);
    } catch (error) {
      await this.#fail(error as Error);
    }
    this.#running = undefined;
  }

  async #writeSome(): Promise<void> {
    this.#file ??= await this.#parts.openFile(this.#parts.path);
    const batch = this.#nextBatch();
    const bytes = batch.reduce((sum, { length }) => sum + length, 0);
    await this.#writeAll(this.#file, batch);
    if (this.#parts.sync) await this.#file.datasync();
    await this.#look(this.#file);
    this.#waiting.splice(0, batch.length);
    this.#packets.splice(0, batch.length);
    this.#waitingBytes -= bytes;
    this.#taken += bytes;
    this.#parts.onWritten(bytes);
  }

  #nextBatch(): Uint8Array[] {
    let count = 0;
    let bytes = 0;
    for (const { length } of this.#waiting) {
      if (count > 0 && (bytes + length > MAX_BATCH_BYTES || count === MAX_BATCH_BUFFERS)) break;
      bytes += length;
      count++;
    }
    return this.#waiting.slice(0, count);
  }

  async #writeAll(file: WritableFile, batch: Uint8Array[]): Promise<void> {
    let rest = batch;
    while (rest.length > 0) {
      const { bytesWritten } = await file.writev(rest, this.#position);
      if (bytesWritten === 0) throw Object.assign(new Error('the disk takes nothing'), { code: 'EIO' });
      this.#position += bytesWritten;
      rest = after(rest, bytesWritten);
    }
  }

  async #look(file: WritableFile): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < LOOK_INTERVAL_MS && !this.#ended) return;
    this.#lookedMs = nowMs;
    const { path } = this.#parts;
    const [written, found] = await Promise.all([file.stat(), statOf(path)]);
    if (found?.ino === written.ino && found.dev === written.dev) return;
    throw new FileGoneError(`${path} was deleted or moved`);
  }

  async #closeFile(file: WritableFile): Promise<void> {
    this.#file = undefined;
    await file.close();
  }

  async #fail(error: Error): Promise<void> {
    this.#failed = true;
    const lostPackets = this.#packets.slice(this.#wholeBuffers()).reduce((sum, packets) => sum + packets, 0);
    this.#waiting = [];
    this.#packets = [];
    this.#waitingBytes = 0;
    const file = this.#file;
    this.#file = undefined;
    // At once: what is pushed from now on is lost.
    this.#parts.onFailed(error, lostPackets);
    await file?.close().catch(() => undefined);
  }

  /** How many of those that wait are in the file as a whole: the disk took a part of what it was given. */
  #wholeBuffers(): number {
    let rest = this.#position - this.#taken;
    const index = this.#waiting.findIndex(({ length }) => {
      rest -= length;
      return rest < 0;
    });
    // All of it was taken, but not kept.
    return Math.max(0, index);
  }
}

/** Undefined when nothing is there. */
async function statOf(path: string): Promise<{ readonly ino: number; readonly dev: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** The rest of a list of buffers after so many bytes. */
function after(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = bytes;
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length;
    else {
      rest.push(skip > 0 ? buffer.subarray(skip) : buffer);
      skip = 0;
    }
  }
  return rest;
}

/** Makes the file on a real disk, which keeps its name from then on. Others of the group may read it, as recordings. */
export async function openNewFile(path: string): Promise<WritableFile> {
  const folder = dirname(path);
  const file = await open(path, 'wx', 0o640).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    const first = await mkdir(folder, { recursive: true });
    if (first !== undefined) await syncFolder(dirname(first));
    return open(path, 'wx', 0o640);
  });
  try {
    await syncFolder(folder);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
