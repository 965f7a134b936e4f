import { type Log, type RecordingEntry, TypedEvents } from '../core/index.ts';
import { LedgerFile } from './ledger-file.ts';
import { changed, type RecordingChange, type StoredRecording } from './stored-recording.ts';

export interface LedgerParts {
  readonly log: Log;
  /** The oldest finished entries beyond this are forgotten (`record_ledger_max_entries`). */
  readonly maxEntries: number;
  /** Pause before the file is tried again after an error, milliseconds; 1000 when left out. */
  readonly retryMs?: number | undefined;
}

/** Each is told after the ledger has changed. */
export interface LedgerEvents {
  added: [recording: StoredRecording];
  updated: [recording: StoredRecording, before: StoredRecording];
  removed: [recording: StoredRecording];
}

/**
 * All recordings that the server knows, in memory, and on disk in `recordings.jsonl` of the data folder. Changes are
 * made at once in memory and soon after on disk, in their order; a disk that takes nothing costs nothing but that.
 */
export class Ledger {
  readonly events = new TypedEvents<LedgerEvents>();
  readonly #recordings: Map<string, StoredRecording>;
  readonly #file: LedgerFile;
  readonly #maxEntries: number;
  /** Newest first, as it was when it was last asked for. */
  #list: readonly RecordingEntry[] | undefined;

  private constructor(recordings: Map<string, StoredRecording>, file: LedgerFile, maxEntries: number) {
    this.#recordings = recordings;
    this.#file = file;
    this.#maxEntries = maxEntries;
  }

  /**
   * Reads what is there. Lines that can't be read are left out, with one line in the log; so is a file that can't be
   * read at all.
   */
  static async open(dataDir: string, parts: LedgerParts): Promise<Ledger> {
    const recordings = new Map<string, StoredRecording>();
    const file = await LedgerFile.open(dataDir, recordings, parts);
    const ledger = new Ledger(recordings, file, parts.maxEntries);
    ledger.#forgetOldest();
    return ledger;
  }

  /** Newest first. */
  entries(): readonly RecordingEntry[] {
    this.#list ??= Array.from(this.#recordings.values(), ({ entry }) => entry).reverse();
    return this.#list;
  }

  entry(id: string): RecordingEntry | undefined {
    return this.#recordings.get(id)?.entry;
  }

  get(id: string): StoredRecording | undefined {
    return this.#recordings.get(id);
  }

  /** Oldest first. Must not be kept over a change of the ledger. */
  all(): Iterable<StoredRecording> {
    return this.#recordings.values();
  }

  /** Those whose file has that absolute path, or is about to have it. */
  withPath(path: string): StoredRecording[] {
    const found: StoredRecording[] = [];
    for (const recording of this.#recordings.values()) {
      if (recording.path === path && recording.entry.localDeleted !== true) found.push(recording);
    }
    return found;
  }

  /** Adds a recording, whose id is new, as the newest. */
  add(recording: StoredRecording): void {
    this.#recordings.set(recording.entry.id, recording);
    this.#list = undefined;
    this.#file.put(recording);
    this.events.emit('added', recording);
    this.#forgetOldest();
  }

  /**
   * Changes one; undefined when there is none of that id. How far it is (progress; length while it grows) is kept in
   * memory only, so it may be told every second.
   */
  update(id: string, change: RecordingChange): StoredRecording | undefined {
    const before = this.#recordings.get(id);
    if (before === undefined) return undefined;
    const after = changed(before, change);
    this.#recordings.set(id, after);
    this.#list = undefined;
    if (after.entry.state !== before.entry.state) this.#file.put(after);
    else if (isWorthKeeping(before.entry, change)) this.#file.change(id, change);
    this.events.emit('updated', after, before);
    return after;
  }

  /** Forgets one; its files are not touched. False when there is none of that id. */
  remove(id: string): boolean {
    const recording = this.#recordings.get(id);
    if (recording === undefined) return false;
    this.#recordings.delete(id);
    this.#list = undefined;
    this.#file.remove(id);
    this.events.emit('removed', recording);
    return true;
  }

  /** Resolves when all changes until now are on disk (true), or it turned out that the disk does not take them (false). */
  flushed(): Promise<boolean> {
    return this.#file.flushed();
  }

  /** Writes what is to be written, once more if it failed before. */
  close(): Promise<void> {
    return this.#file.close();
  }

  #forgetOldest(): void {
    let surplus = this.#recordings.size - this.#maxEntries;
    if (surplus <= 0) return;
    for (const { entry } of this.#recordings.values()) {
      if (surplus <= 0) return;
      if (isBusy(entry)) continue;
      this.remove(entry.id);
      surplus--;
    }
  }
}

/** What changes every second while a file grows; it is in the file itself. */
const GROWING: ReadonlySet<string> = new Set(['durationMs', 'bytes', 'tracks', 'lostPackets', 'gaps', 'fileName']);

function isWorthKeeping(before: RecordingEntry, { entry, ...internal }: RecordingChange): boolean {
  if (Object.keys(internal).length > 0) return true;
  return Object.entries(entry ?? {}).some(([name, value]) => {
    if (name === 'progress') return false;
    if (name === 'upload') return isOtherUpload(before.upload, value as RecordingEntry['upload']);
    return before.state !== 'recording' || !GROWING.has(name);
  });
}

function isOtherUpload(before: RecordingEntry['upload'], after: RecordingEntry['upload']): boolean {
  return JSON.stringify({ ...before, progress: 0 }) !== JSON.stringify({ ...after, progress: 0 });
}

/** Being written, finished or uploaded: not to be forgotten, nor to be deleted. */
export function isBusy({ state, upload }: RecordingEntry): boolean {
  return state === 'recording' || state === 'finalising' || upload?.state === 'uploading';
}
