import { type FileHandle, mkdir, open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Log, MediaServerError } from '../../core/index.ts';
import type { CutJob, FinishedFile } from '../finish/index.ts';
import { type CutTimes, cutName } from './cut-request.ts';
import type { RequestedFile } from './requested-file.ts';

/** Makes files of parts of others. The finisher of recordings does. */
export interface Cutter {
  cut(job: Omit<CutJob, 'kind'>): Promise<FinishedFile>;
}

export interface CutsOptions {
  /** Absolute folder of the parts (`record_fragments_dir`). */
  readonly folder: string;
  /** What they may take together; those that were not asked for the longest are deleted (`record_fragments_max_bytes`). */
  readonly maxBytes: number;
}

/** A part that is open for reading. */
export interface OpenCut {
  readonly handle: FileHandle;
  readonly name: string;
  /** To be called when it is sent, or not. Idempotent. */
  release(): Promise<void>;
}

interface Kept {
  bytes: number;
  usedMs: number;
  users: number;
}

/** Parts that wait for their turn; the finisher has recordings to complete besides. */
const MAX_WAITING = 64;
const MAX_KNOWN = 100_000;
const MAX_DEPTH = 16;

/** Parts of recordings, made when they are first asked for and kept for the next time. */
export class Cuts {
  readonly #cutter: Cutter;
  readonly #options: CutsOptions;
  readonly #log: Log;
  /** By path, the one that was used the longest ago first. */
  readonly #kept = new Map<string, Kept>();
  readonly #jobs = new Map<string, Promise<void>>();
  #last: Promise<unknown> = Promise.resolve();
  #scanned: Promise<void> | undefined;

  constructor(cutter: Cutter, options: CutsOptions, { log }: { readonly log: Log }) {
    this.#cutter = cutter;
    this.#options = options;
    this.#log = log;
  }

  /** Parts that are being made or wait for it. */
  get working(): number {
    return this.#jobs.size;
  }

  /** Parts that are known. */
  get size(): number {
    return this.#kept.size;
  }

  /** Bytes of the parts that are known. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#kept.values()) sum += bytes;
    return sum;
  }

  /**
   * Opens a part of a file; makes it before when it is not there.
   * @throws MediaServerError RECORDING_LIMIT when too many are being made; what the cutter throws
   */
  async open(file: RequestedFile, times: CutTimes): Promise<OpenCut> {
    this.#scanned ??= this.#scan(this.#options.folder, 0);
    await this.#scanned;
    const name = cutName(file.name, times);
    const path = join(this.#options.folder, name);
    const kept = this.#use(path);
    try {
      const source = await stat(file.path);
      const handle = (await openCut(path, source.mtimeMs)) ?? (await this.#make({ file, times, path }, source.mtimeMs));
      const { size, mtime } = await handle.stat();
      kept.bytes = size;
      // When it was used last, for the next start; its time of change is the source's and stays.
      await utimes(path, new Date(), mtime).catch(() => undefined);
      let released = false;
      const release = async (): Promise<void> => {
        if (released) return;
        released = true;
        await handle.close();
        this.#release(kept);
        await this.#evict();
      };
      await this.#evict();
      return { handle, name, release };
    } catch (error) {
      this.#release(kept);
      // A part that can not be had has no file: it would be kept in mind for ever.
      if (kept.users === 0 && kept.bytes === 0 && this.#kept.get(path) === kept) this.#kept.delete(path);
      throw error;
    }
  }

  #use(path: string): Kept {
    const kept = this.#kept.get(path) ?? { bytes: 0, usedMs: 0, users: 0 };
    kept.usedMs = Date.now();
    kept.users++;
    this.#kept.delete(path);
    this.#kept.set(path, kept);
    return kept;
  }

  #release(kept: Kept): void {
    kept.users--;
  }

  async #make(wanted: { file: RequestedFile; times: CutTimes; path: string }, mtimeMs: number): Promise<FileHandle> {
    const { file, times, path } = wanted;
    let job = this.#jobs.get(path);
    if (job === undefined) {
      if (this.#jobs.size >= MAX_WAITING)
        throw new MediaServerError('RECORDING_LIMIT', 'too many parts of recordings are being made, try again');
      // One after the other, so that recordings that end find a thread.
      job = this.#last.then(() => this.#cut(file.path, times, path)).finally(() => this.#jobs.delete(path));
      this.#last = job.catch(() => undefined);
      this.#jobs.set(path, job);
    }
    await job;
    const handle = await openCut(path, mtimeMs);
    if (handle === undefined) throw new Error(`${file.name} was replaced while a part of it was made`);
    return handle;
  }

  async #cut(source: string, { startUs, endUs }: CutTimes, target: string): Promise<void> {
    await mkdir(dirname(target), { recursive: true });
    const { mtime } = await stat(source);
    const began = performance.now();
    const { bytes } = await this.#cutter.cut({ source, target, startUs, endUs });
    // Tells of which file it is a part: of another one that had the same name it has another time.
    await utimes(target, new Date(), mtime);
    this.#log.info({ file: target, bytes, tookMs: Math.round(performance.now() - began) }, 'part of a recording made');
  }

  /** Deletes what is too much, but for what is being used. */
  async #evict(): Promise<void> {
    let surplus = this.bytes - this.#options.maxBytes;
    for (const [path, { bytes, users }] of this.#kept) {
      if (surplus <= 0 && this.#kept.size <= MAX_KNOWN) return;
      if (users > 0) continue;
      this.#kept.delete(path);
      surplus -= bytes;
      await rm(path, { force: true });
    }
  }

  /** Learns what earlier runs of the server have left. */
  async #scan(folder: string, depth: number): Promise<void> {
    const found: [path: string, kept: Kept][] = [];
    await this.#collect(folder, depth, found);
    found.sort(([, a], [, b]) => a.usedMs - b.usedMs);
    for (const [path, kept] of found) this.#kept.set(path, kept);
    await this.#evict();
  }

  async #collect(folder: string, depth: number, found: [string, Kept][]): Promise<void> {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && depth < MAX_DEPTH) await this.#collect(path, depth + 1, found);
      else if (entry.isFile() && /\.mp4\.new$/i.test(entry.name)) await rm(path, { force: true });
      else if (entry.isFile() && isCutName(entry.name)) {
        const facts = await stat(path).catch(() => undefined);
        if (facts !== undefined) found.push([path, { bytes: facts.size, usedMs: facts.atimeMs, users: 0 }]);
      }
    }
  }
}

/** Nothing else is ever deleted, whatever folder the settings name. */
function isCutName(name: string): boolean {
  return /(-s\d+(\.\d+)?)?(-e\d+(\.\d+)?)?\.(mp4|m4a|m4v)$/i.test(name) && /-[se]\d+(\.\d+)?\.\w+$/i.test(name);
}

/** Opens a part if it is one of the file that was changed at that time. */
async function openCut(path: string, sourceMtimeMs: number): Promise<FileHandle | undefined> {
  const handle = await open(path).catch(() => undefined);
  if (handle === undefined) return undefined;
  const { mtimeMs } = await handle.stat();
  if (Math.abs(mtimeMs - sourceMtimeMs) < 2) return handle;
  await handle.close();
  return undefined;
}
