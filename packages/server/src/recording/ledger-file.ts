import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LedgerParts } from './ledger.ts';
import { lineOf, readLedger } from './ledger-lines.ts';
import type { RecordingChange, StoredRecording } from './stored-recording.ts';
import { syncFolder } from './sync-folder.ts';

export const LEDGER_FILE_NAME = 'recordings.jsonl';
/** The file is written anew when it has more lines than twice the recordings, and these. */
const SPARE_LINES = 1000;
/** While the disk takes nothing, so many lines may wait; then the whole file is written anew when it does. */
const MAX_WAITING_LINES = 10_000;
const RETRY_MS = 1000;
const LINES_PER_WRITE = 1000;

/** The file of a ledger: lines are appended to it, in order, and it is written anew when most of it is history. */
export class LedgerFile {
  readonly #path: string;
  readonly #folder: string;
  readonly #parts: LedgerParts;
  readonly #recordings: ReadonlyMap<string, StoredRecording>;
  #waiting: string[] = [];
  #mustSync = false;
  #handle: FileHandle | undefined;
  /** Length up to which the file has whole lines. */
  #bytes = 0;
  #lines = 0;
  #mustCompact = false;
  #ended = false;
  #isBroken = false;
  #running: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;
  #retry: NodeJS.Timeout | undefined;

  private constructor(dataDir: string, recordings: ReadonlyMap<string, StoredRecording>, parts: LedgerParts) {
    this.#folder = dataDir;
    this.#path = join(dataDir, LEDGER_FILE_NAME);
    this.#recordings = recordings;
    this.#parts = parts;
  }

  /** Fills `recordings`, oldest first; it is what the file is written anew from. */
  static async open(
    dataDir: string,
    recordings: Map<string, StoredRecording>,
    parts: LedgerParts,
  ): Promise<LedgerFile> {
    const file = new LedgerFile(dataDir, recordings, parts);
    await rm(`${file.#path}.new`, { force: true }).catch(() => undefined);
    await file.#read(recordings);
    return file;
  }

  put(recording: StoredRecording): void {
    this.#append(lineOf({ put: recording }), true);
  }

  change(id: string, change: RecordingChange): void {
    this.#append(lineOf({ id, change }), false);
  }

  remove(id: string): void {
    this.#append(lineOf({ remove: id }), true);
  }

  /** True when all that was told until now is on disk, false when the disk did not take it. */
  async flushed(): Promise<boolean> {
    this.#mustSync = true;
    return this.#write();
  }

  async close(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#retry);
    await this.flushed();
    await this.#closeHandle();
  }

  async #read(recordings: Map<string, StoredRecording>): Promise<void> {
    try {
      const { lines, badLines, bytes, lacksLineFeed } = await readLedger(this.#path, recordings);
      this.#lines = lines;
      this.#bytes = bytes;
      if (lacksLineFeed) this.#waiting.push('\n');
      if (badLines > 0) {
        this.#parts.log.warn(
          { path: this.#path, badLines },
          'lines of the list of recordings could not be read: left out',
        );
      }
    } catch (error) {
      this.#parts.log.error(
        { err: error, path: this.#path },
        'the list of recordings could not be read: it begins empty',
      );
      await rename(this.#path, `${this.#path}.unreadable`).catch(() => undefined);
      this.#mustCompact = true;
    }
  }

  #append(line: string, isStateChange: boolean): void {
    this.#lines++;
    if (isStateChange) this.#mustSync = true;
    if (this.#waiting.length < MAX_WAITING_LINES) this.#waiting.push(line);
    else this.#mustCompact = true;
    if (this.#retry === undefined || this.#ended) void this.#write();
  }

  /** One run at a time. What comes after a run took its lines is written by the next one, of which there is one. */
  #write(): Promise<boolean> {
    if (this.#running === undefined) {
      this.#running = this.#writeWaiting().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#write();
    });
    return this.#next;
  }

  async #writeWaiting(): Promise<boolean> {
    if (this.#waiting.length === 0 && !this.#mustSync && !this.#mustCompact) return true;
    try {
      if (this.#mustCompact || this.#lines > 2 * this.#recordings.size + SPARE_LINES) await this.#compact();
      else await this.#writeLines();
      if (this.#isBroken) this.#parts.log.info({ path: this.#path }, 'the list of recordings is written again');
      this.#isBroken = false;
      return true;
    } catch (error) {
      await this.#fail(error);
      return false;
    }
  }

  async #writeLines(): Promise<void> {
    const handle = await this.#opened();
    const sync = this.#mustSync;
    while (this.#waiting.length > 0) {
      const count = Math.min(this.#waiting.length, LINES_PER_WRITE);
      const bytes = Buffer.from(this.#waiting.slice(0, count).join(''));
      await writeAt(handle, bytes, this.#bytes);
      this.#bytes += bytes.length;
      this.#waiting.splice(0, count);
    }
    this.#mustSync = false;
    if (!sync) return;
    // Lost again when it fails: whatever was to be safe is written anew then.
    await handle.datasync().catch((error: unknown) => {
      this.#mustCompact = true;
      throw error;
    });
  }

  /** The file at its known length: what an earlier write left half done is cut off. */
  async #opened(): Promise<FileHandle> {
    if (this.#handle !== undefined) return this.#handle;
    const handle = await open(this.#path, this.#bytes === 0 ? 'a' : 'r+').then(async (made) => {
      if (this.#bytes > 0) return made;
      // Made by now; appending handles can't write at a place.
      await made.close();
      await syncFolder(this.#folder);
      return open(this.#path, 'r+');
    });
    this.#handle = handle;
    const { size } = await handle.stat();
    if (size < this.#bytes) {
      this.#mustCompact = true;
      throw new Error(`${this.#path} is shorter than what was written to it`);
    }
    await handle.truncate(this.#bytes);
    return handle;
  }

  async #compact(): Promise<void> {
    const covered = this.#waiting.length;
    const recordings = [...this.#recordings.values()];
    const path = `${this.#path}.new`;
    const handle = await open(path, 'w', 0o640);
    let bytes = 0;
    try {
      for (let at = 0; at < recordings.length; at += LINES_PER_WRITE) {
        const lines = recordings.slice(at, at + LINES_PER_WRITE).map((recording) => lineOf({ put: recording }));
        const chunk = Buffer.from(lines.join(''));
        await writeAt(handle, chunk, bytes);
        bytes += chunk.length;
      }
      await handle.sync();
      await rename(path, this.#path);
    } catch (error) {
      await handle.close();
      await rm(path, { force: true }).catch(() => undefined);
      throw error;
    }
    await this.#closeHandle();
    this.#handle = handle;
    this.#bytes = bytes;
    this.#lines = recordings.length + this.#waiting.length - covered;
    this.#waiting.splice(0, covered);
    this.#mustCompact = false;
    await syncFolder(this.#folder);
    await this.#writeLines();
  }

  async #fail(error: unknown): Promise<void> {
    if (!this.#isBroken) {
      this.#parts.log.error(
        { err: error, path: this.#path },
        'the list of recordings can not be written: it is kept in memory',
      );
    }
    this.#isBroken = true;
    await this.#closeHandle();
    if (this.#ended || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.#write();
    }, this.#parts.retryMs ?? RETRY_MS);
    this.#retry.unref();
  }

  async #closeHandle(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => undefined);
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
