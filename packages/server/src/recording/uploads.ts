import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import type { Counters, Log, ObjectStore, UploadFacts } from '../core/index.ts';
import { contentType } from './downloads/content.ts';
import type { Ledger } from './ledger.ts';
import type { StoredRecording } from './stored-recording.ts';
import { keyOf, readMemory, type UploadMemory, writeMemory } from './upload-memory.ts';
import { UploadQueue } from './upload-queue.ts';

export interface UploadsDeps {
  readonly ledger: Ledger;
  readonly store: ObjectStore;
  /** True while somebody else needs the file here: it is not deleted then. */
  uses(path: string): boolean;
  readonly log: Log;
  readonly counters: Counters;
}

export interface UploadsOptions {
  /** Files at the same time. */
  readonly concurrency: number;
  /** An upload that fails is tried again for this long after its first try, milliseconds. */
  readonly retryTimeMs: number;
  /** Delete files here that are uploaded. */
  readonly deleteLocal: boolean;
  /** An object that has the name of a recording is kept: the recording gets another one, `NAME~1.mp4`. */
  readonly keepExisting: boolean;
  /** Pauses between tries: doubled each time, up to the second number; milliseconds. */
  readonly retryPauseMs?: readonly [first: number, most: number] | undefined;
}

const RETRY_PAUSE_MS = [5000, 15 * 60_000] as const;
const PROGRESS_MS = 1000;
/** A program that works on a file is asked about again after this. */
const DELETE_AGAIN_MS = 5000;
const MAX_SUFFIX = 100_000;
/** Names that are tried one after the other; the others have pauses before them. */
const MAX_QUICK_SUFFIX = 20;
const TAKEN_PAUSE_MS = 1000;
const CLOSE_TIMEOUT_MS = 5000;

interface Running {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/**
 * Uploads each file of a recording when it is complete, and goes on with those that were not uploaded yet after a
 * restart. What is to be done is in the ledger alone; an object store that is away costs nothing but the waiting.
 */
export class Uploads {
  readonly #deps: UploadsDeps;
  readonly #options: UploadsOptions;
  readonly #queue: UploadQueue;
  readonly #running = new Map<string, Running>();
  readonly #deleting = new Map<string, NodeJS.Timeout>();
  #listeners: readonly Disposable[] = [];
  #closed = false;

  constructor(deps: UploadsDeps, options: UploadsOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#queue = new UploadQueue(() => this.#work());
  }

  /** Uploads of this moment, and files that wait. */
  get load(): { readonly uploading: number; readonly waiting: number } {
    return { uploading: this.#running.size, waiting: this.#queue.size };
  }

  /**
   * Begins with what an earlier run of the server has left: uploads that were waiting or under way, and those that failed
   * or were not begun although their files are not older than the time for trying.
   */
  start(): void {
    const { ledger } = this.#deps;
    this.#listeners = [
      ledger.events.on('added', (recording) => this.#look(recording)),
      ledger.events.on('updated', (recording, before) => {
        if (recording.entry.state !== before.entry.state) this.#look(recording);
      }),
      ledger.events.on('removed', (recording) => this.#forget(recording)),
    ];
    const nowMs = Date.now();
    for (const recording of [...ledger.all()]) {
      const { upload, endedAtMs = 0 } = recording.entry;
      const isRecent = nowMs - endedAtMs <= this.#options.retryTimeMs;
      if (upload?.state === 'done') this.#deleteLater(recording);
      else if (isRecent || upload?.state === 'waiting' || upload?.state === 'uploading') this.#look(recording);
    }
  }

  /** Stops within seconds; what was under way goes on with the next start. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    this.#queue.clear();
    for (const timer of this.#deleting.values()) clearTimeout(timer);
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort(new Error('the server stops'));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    });
    await Promise.race([Promise.all(running.map(({ done }) => done)), late]);
    clearTimeout(timer);
  }

  /** Takes a recording in when its file is to be uploaded. */
  #look({ entry, path }: StoredRecording): void {
    const { id, state, upload, localDeleted } = entry;
    const hasFile = state === 'complete' || (state === 'failed' && path !== undefined && entry.sha256 !== undefined);
    if (!hasFile || upload?.state === 'done' || localDeleted === true || this.#closed) return;
    if (this.#queue.has(id) || this.#running.has(id)) return;
    this.#queue.add(id);
    const memory = this.#memoryOf(id);
    if (memory === undefined) return;
    // A later turn, so that all listeners hear of the change before in its order.
    queueMicrotask(() => {
      this.#tell(id, { state: 'waiting', error: upload?.error }, memory);
      this.#work();
    });
  }

  #forget({ entry, uploadState }: StoredRecording): void {
    this.#queue.delete(entry.id);
    this.#running.get(entry.id)?.abort.abort(new Error('the recording was deleted'));
    if (entry.upload?.state !== 'done') this.#abandon(readMemory(uploadState));
  }

  #work(): void {
    while (!this.#closed && this.#running.size < this.#options.concurrency) {
      const id = this.#queue.take();
      if (id === undefined) break;
      const abort = new AbortController();
      const done = this.#upload(id, abort.signal).finally(() => {
        this.#running.delete(id);
        this.#work();
      });
      this.#running.set(id, { abort, done });
    }
    if (!this.#closed) this.#queue.schedule();
  }

  /** Tries once. Never rejects. */
  async #upload(id: string, signal: AbortSignal): Promise<void> {
    const { ledger, log, counters } = this.#deps;
    const path = ledger.get(id)?.path;
    const before = this.#memoryOf(id);
    if (path === undefined || before === undefined) return;
    const attempts = (ledger.entry(id)?.upload?.attempts ?? 0) + 1;
    if (attempts > 1) counters.count('upload_retries');
    const isFirst = before.sinceMs === 0;
    const memory = isFirst ? this.#withFreeKey(id, { ...before, sinceMs: Date.now() }) : before;
    this.#tell(id, { state: 'uploading', attempts, error: undefined }, memory);
    const startMs = performance.now();
    try {
      const file = await lstat(path);
      const { etag } = await this.#send(id, path, signal);
      counters.count('uploads_done');
      const tookMs = Math.round(performance.now() - startMs);
      const location = ledger.entry(id)?.upload?.location;
      log.info({ id, path, location, bytes: file.size, tookMs }, 'a recording is uploaded');
      const kept = this.#options.deleteLocal ? { ...memory, resume: undefined, deleting: true } : undefined;
      this.#tell(id, { state: 'done', progress: 1, etag, error: undefined }, kept);
      await ledger.flushed();
      this.#deleteLater(ledger.get(id), file);
    } catch (error) {
      if (ledger.entry(id) === undefined) return;
      if (signal.aborted) this.#tell(id, { state: 'waiting', attempts: attempts - 1 });
      else this.#failed(id, error, attempts);
    }
  }

  #send(id: string, path: string, signal: AbortSignal): Promise<{ readonly etag: string }> {
    const { ledger, store } = this.#deps;
    const memory = this.#memoryOf(id) as UploadMemory;
    const tracks = ledger.entry(id)?.tracks ?? [];
    let toldMs = performance.now();
    return store.upload({
      path,
      key: keyOf(memory),
      contentType: contentType(path, tracks.length > 0 && tracks.every(({ kind }) => kind === 'audio')),
      resume: memory.resume,
      keepExisting: this.#options.keepExisting,
      signal,
      onResumable: (resume) => this.#tell(id, {}, { ...memory, resume }),
      onProgress: (progress) => {
        if (performance.now() - toldMs < PROGRESS_MS) return;
        toldMs = performance.now();
        this.#tell(id, { progress });
      },
    });
  }

  #failed(id: string, error: unknown, attempts: number): void {
    const { log, counters } = this.#deps;
    const { code, permanent } = error as { readonly code?: unknown; readonly permanent?: unknown };
    const why = (error instanceof Error ? error.message : String(error)).slice(0, 500);
    const memory = this.#memoryOf(id) as UploadMemory;
    const isOver = Date.now() - memory.sinceMs >= this.#options.retryTimeMs;
    if (code === 'EXISTS' && memory.suffix < MAX_SUFFIX && !isOver) {
      this.#abandon(memory);
      const other = this.#withFreeKey(id, { ...memory, suffix: memory.suffix + 1, resume: undefined });
      this.#tell(id, { state: 'waiting' }, other);
      // What says that it has whatever it is asked for may be no S3 server at all: it is not to be stormed.
      this.#queue.add(id, other.suffix > MAX_QUICK_SUFFIX ? TAKEN_PAUSE_MS : 0);
      return;
    }
    // A file that somebody has deleted does not come back by waiting.
    if (permanent === true || code === 'ENOENT' || isOver) {
      counters.count('uploads_failed');
      log.error({ id, key: keyOf(memory), attempts, reason: why }, 'a recording could not be uploaded');
      this.#abandon(memory);
      this.#tell(id, { state: 'failed', error: why }, { ...memory, resume: undefined });
      return;
    }
    const pauseMs = this.#pauseMs(attempts);
    const inS = Math.round(pauseMs / 1000);
    log.warn({ id, key: keyOf(memory), attempts, reason: why, inS }, 'uploading a recording is tried again later');
    this.#tell(id, { state: 'waiting', error: why });
    this.#queue.add(id, pauseMs);
  }

  #pauseMs(attempts: number): number {
    const [first, most] = this.#options.retryPauseMs ?? RETRY_PAUSE_MS;
    const pauseMs = Math.min(most, first * 2 ** Math.min(attempts - 1, 30));
    return pauseMs / 2 + Math.random() * (pauseMs / 2);
  }

  /** Has the store forget what it got of an upload that does not go on. */
  #abandon(memory: UploadMemory | undefined): void {
    if (memory?.resume === undefined || this.#closed) return;
    this.#deps.store.abandon(keyOf(memory), memory.resume).catch((error: unknown) => {
      this.#deps.log.warn({ reason: String(error) }, 'parts of an upload that was given up could not be freed');
    });
  }

  /** Deletes the file here, if it is to be deleted, as soon as nobody needs it. `file`: what was uploaded. */
  #deleteLater(recording: StoredRecording | undefined, file?: Stats): void {
    if (recording === undefined || this.#closed) return;
    const { entry, path } = recording;
    this.#deleting.delete(entry.id);
    if (path === undefined || readMemory(recording.uploadState)?.deleting !== true) return;
    if (this.#deps.uses(path)) {
      const again = (): void => this.#deleteLater(this.#deps.ledger.get(entry.id), file);
      this.#deleting.set(entry.id, setTimeout(again, DELETE_AGAIN_MS).unref());
      return;
    }
    try {
      // In one go, because another recording may be about to get the name.
      const found = lstatSync(path);
      const isIt = file === undefined ? found.size === entry.bytes : found.ino === file.ino && found.size === file.size;
      if (isIt) unlinkSync(path);
      else this.#deps.log.warn({ path }, 'a file is not deleted after its upload: it is another one by now');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#deps.log.warn({ path, reason: String(error) }, 'a file could not be deleted after its upload');
        return;
      }
    }
    this.#deps.ledger.update(entry.id, { uploadState: undefined, entry: { localDeleted: true } });
  }

  /** Gives it a key that no other recording has, as far as the ledger knows. */
  #withFreeKey(id: string, memory: UploadMemory): UploadMemory {
    if (!this.#options.keepExisting) return memory;
    const { ledger, store } = this.#deps;
    const taken = new Set<string>();
    for (const { entry } of ledger.all()) {
      if (entry.id !== id && entry.upload !== undefined) taken.add(entry.upload.location);
    }
    let free = memory;
    while (taken.has(store.locationOf(keyOf(free)))) free = { ...free, suffix: free.suffix + 1 };
    return free;
  }

  /** What is known of an upload, or a new one; undefined for a recording that is gone. */
  #memoryOf(id: string): UploadMemory | undefined {
    const recording = this.#deps.ledger.get(id);
    if (recording === undefined) return undefined;
    return readMemory(recording.uploadState) ?? { sinceMs: 0, suffix: 0, name: recording.entry.fileName };
  }

  #tell(id: string, facts: Partial<UploadFacts>, memory?: UploadMemory): void {
    const { ledger, store } = this.#deps;
    const known = this.#memoryOf(id);
    if (known === undefined) return;
    const before: UploadFacts = { state: 'waiting', progress: 0, attempts: 0, location: '' };
    const location = store.locationOf(keyOf(memory ?? known));
    const upload = { ...before, ...ledger.entry(id)?.upload, location, ...facts };
    const uploadState = facts.state === 'done' && memory === undefined ? undefined : memory && writeMemory(memory);
    const keeps = memory === undefined && facts.state !== 'done';
    ledger.update(id, { entry: { upload }, ...(keeps ? {} : { uploadState }) });
  }
}
