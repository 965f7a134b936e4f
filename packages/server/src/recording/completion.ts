import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Counters, type Log, type RecordedTrack, TypedEvents } from '../core/index.ts';
import { FinishError } from './finish/finish-error.ts';
import type { FinishedFile } from './finish/finish-job.ts';
import type { Finisher } from './finish/finisher.ts';
import type { Ledger } from './ledger.ts';
import { lstatOf, NameClaims } from './name-claims.ts';
import { type NameFacts, recordingFileName } from './names/template.ts';
import type { StoredRecording } from './stored-recording.ts';

export interface CompletionOptions {
  /** Absolute folder of recordings. */
  readonly recordDir: string;
  /** MP4 files have their index at the front by a copy (`mp4_container_moov_first` without reserved room). */
  readonly indexFirst: boolean;
  /** What becomes of a file whose name a new one takes (`record_existing_file`). */
  readonly existingFile: 'keep' | 'overwrite';
  /** Room that copies leave on the disk for recordings that run, bytes; 64 MiB when left out. */
  readonly reserveBytes?: number | undefined;
}

export interface CompletionParts {
  readonly options: CompletionOptions;
  readonly ledger: Ledger;
  readonly finisher: Pick<Finisher, 'finish' | 'join'>;
  readonly scripts: ScriptRunner;
  readonly log: Log;
  readonly counters: Counters;
}

/** Runs the programs of `on_record_hook_script` and `on_multiple_record_hook_script`. */
export interface ScriptRunner {
  /** True when there is a program for that recording: it is remembered as due until that has run. */
  wants(recording: StoredRecording): boolean;
  /** Told once for each file that has its final name. Must not throw. */
  recorded(recording: StoredRecording): void;
}

/** What is known of a file when its writing ends. */
export interface RecordingEnd {
  readonly endedAtMs: number;
  /** Facts for its name that only the end tells: `endTime`, `endTimeMillis`. */
  readonly names?: Partial<NameFacts> | undefined;
  /** Why its writing failed; it ends in the state `failed`. */
  readonly failure?: string | undefined;
  /** What was wrong with it, although it is complete. */
  readonly remark?: string | undefined;
}

export interface CompletionEvents {
  /** It has its final name; its state is `complete`, or `failed` for one that was not written to its end. */
  completed: [recording: StoredRecording];
  /** Nothing is left of it, or it could not be given its name. */
  failed: [recording: StoredRecording];
}

/** Folder of files in work, in the folder of recordings. */
export const WORK_FOLDER = '.recording';
const PROGRESS_MS = 1000;

/**
 * Brings a file of a recording from its last byte to its final name, its scripts and those who wait for it. Each step is
 * in the ledger before it is done, so that {@link complete} goes on after a crash wherever it was.
 */
export class Completion {
  readonly events = new TypedEvents<CompletionEvents>();
  readonly #parts: CompletionParts;
  readonly #claims: NameClaims;
  readonly #running = new Map<string, Promise<string | undefined>>();

  constructor(parts: CompletionParts) {
    this.#parts = parts;
    this.#claims = new NameClaims({ ...parts.options, ledger: parts.ledger, log: parts.log });
  }

  /** Files that are being completed. */
  get count(): number {
    return this.#running.size;
  }

  /**
   * Completes the file of an entry of the ledger, which is closed: resolves with its final name below the folder of
   * recordings; undefined when it has none (the ledger tells why, or the server ends). Never rejects. May be called
   * again, also after a crash: it goes on where it was.
   */
  complete(id: string, end: RecordingEnd): Promise<string | undefined> {
    const running = this.#running.get(id);
    if (running !== undefined) return running;
    const run = this.#complete(id, end).finally(() => this.#running.delete(id));
    this.#running.set(id, run);
    return run;
  }

  /** Resolves when nothing is being completed; the finisher must have been closed, or it takes as long as it takes. */
  async close(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async #complete(id: string, end: RecordingEnd): Promise<string | undefined> {
    const { ledger, log } = this.#parts;
    const before = ledger.get(id);
    if (before === undefined) return undefined;
    const { endedAtMs, remark } = end;
    const failure = end.failure ?? before.failure;
    const reason = joined(failure, remark);
    const names = { ...before.names, endTimeMillis: endedAtMs, ...end.names };
    ledger.update(id, { failure, names, entry: { state: 'finalising', endedAtMs, reason, progress: 0 } });
    await ledger.flushed();
    try {
      return await this.#carryOn(id);
    } catch (error) {
      if (isClosing(error) || ledger.get(id) === undefined) return undefined;
      log.error({ err: error, id, path: before.tempPath }, 'a recording could not be completed');
      this.#fail(id, (error as Error).message);
      return undefined;
    }
  }

  /** Does what the ledger and the disk say is left to do. */
  async #carryOn(id: string): Promise<string | undefined> {
    const recording = this.#get(id);
    if (await this.#hasItsName(recording)) return this.#conclude(id);
    const isFinished = recording.finishedPath !== undefined && (await lstatOf(recording.finishedPath)) !== undefined;
    if (!isFinished && !(await this.#finish(recording))) return undefined;
    await this.#name(this.#get(id));
    return this.#conclude(id);
  }

  /** The server was killed between giving the file its name and telling the ledger. */
  async #hasItsName({ path, finishedPath, entry }: StoredRecording): Promise<boolean> {
    const named = path === undefined ? undefined : await lstatOf(path);
    if (named === undefined || named.size !== entry.bytes) return false;
    const finished = finishedPath === undefined ? undefined : await lstatOf(finishedPath);
    if (finished === undefined) return true;
    // Two names of one file: it had got the new one and not lost the old one.
    return finished.ino === named.ino && finished.dev === named.dev;
  }

  /** False when nothing is left of it. */
  async #finish(recording: StoredRecording): Promise<boolean> {
    const { id } = recording.entry;
    try {
      const file = await this.#finished(recording);
      this.#keep(this.#get(id), file);
    } catch (error) {
      if (isClosing(error)) throw error;
      const { code, message } = error as FinishError;
      const isMissing = code === 'ENOENT' && (await lstatOf(recording.tempPath)) === undefined;
      if (code === 'EMPTY' || isMissing) {
        if (code === 'EMPTY') await removeFiles(recording);
        this.#fail(id, isMissing ? 'its file is missing' : message);
        return false;
      }
      await this.#keepAsItIs(recording, message);
    }
    await this.#parts.ledger.flushed();
    return true;
  }

  async #finished({ entry, tempPath, members }: StoredRecording): Promise<FinishedFile> {
    const { finisher, options } = this.#parts;
    const { id, container } = entry;
    let shownMs = Number.NEGATIVE_INFINITY;
    const onProgress = (progress: number): void => {
      if (performance.now() - shownMs < PROGRESS_MS) return;
      shownMs = performance.now();
      this.#parts.ledger.update(id, { entry: { progress } });
    };
    if (members !== undefined) {
      const sources = members.map((member) => ({ source: member.tempPath, offsetUs: member.offsetUs }));
      const job = { members: sources, container, target: tempPath, createdAtMs: entry.startedAtMs };
      const { note } = await finisher.join(job, { onProgress });
      if (note !== undefined) this.#parts.ledger.update(id, { entry: { reason: joined(entry.reason, note) } });
    }
    const folder = join(options.recordDir, WORK_FOLDER);
    await mkdir(folder, { recursive: true });
    const target = join(folder, `${id}.new`);
    const { indexFirst, reserveBytes } = options;
    return finisher.finish({ source: tempPath, container, target, indexFirst, reserveBytes }, { onProgress });
  }

  #keep(recording: StoredRecording, file: FinishedFile): void {
    const { ledger, log } = this.#parts;
    const { entry, names } = recording;
    const durationMs = Math.round(file.durationUs / 1000);
    const tracks = file.tracks.map((track) => withSize(track, entry.tracks));
    const { note, bytes, sha256, form, tornBytes } = file;
    if (note !== undefined)
      log.warn({ id: entry.id, form, reason: note }, 'a recording could not be finished as wanted');
    ledger.update(entry.id, {
      finishedPath: file.path,
      names: {
        ...names,
        duration: durationMs,
        endTime: names.endTime ?? (names.startTime === undefined ? undefined : names.startTime + durationMs),
        audioCodec: codecOf(tracks, 'audio') ?? names.audioCodec ?? '',
        videoCodec: codecOf(tracks, 'video') ?? names.videoCodec ?? '',
      },
      entry: { durationMs, bytes, sha256, tracks, progress: 1, reason: joined(entry.reason, note) },
    });
    log.debug({ id: entry.id, form, bytes, durationMs, tornBytes }, 'a recording is finished');
  }

  /** Whatever is wrong with it, what was written is kept. */
  async #keepAsItIs({ entry, tempPath, failure }: StoredRecording, reason: string): Promise<void> {
    const { ledger, log } = this.#parts;
    log.error(
      { id: entry.id, path: tempPath, reason },
      'a recording can not be finished: it is kept as it was written',
    );
    const found = await lstatOf(tempPath);
    ledger.update(entry.id, {
      finishedPath: tempPath,
      failure: failure ?? reason,
      entry: { reason: joined(entry.reason, reason), bytes: found?.size ?? entry.bytes },
    });
  }

  async #name({ entry, naming, names, finishedPath }: StoredRecording): Promise<void> {
    const { ledger } = this.#parts;
    await this.#claims.claim({
      id: entry.id,
      finishedPath: finishedPath as string,
      fileName: recordingFileName(naming, names),
      onChosen: async (path, fileName) => {
        ledger.update(entry.id, { path, entry: { fileName } });
        await ledger.flushed();
      },
    });
  }

  async #conclude(id: string): Promise<string | undefined> {
    const { ledger, counters, log, scripts } = this.#parts;
    const before = this.#get(id);
    const { path, failure } = before;
    await removeFiles(before, path);
    const state = failure === undefined ? 'complete' : 'failed';
    const scriptDue = scripts.wants(before) || undefined;
    ledger.update(id, { finishedPath: undefined, scriptDue, entry: { state, progress: undefined } });
    await ledger.flushed();
    const recording = ledger.get(id);
    // Overwritten already by one of the same name.
    if (recording === undefined) return undefined;
    const { streamName, fileName, durationMs, bytes, reason } = recording.entry;
    if (state === 'complete') counters.count('recording_files');
    else counters.count('recording_failures');
    log.info({ id, streamName, fileName, durationMs, bytes, state, reason }, 'a recording has its file');
    scripts.recorded(recording);
    this.events.emit('completed', recording);
    return fileName;
  }

  #fail(id: string, reason: string): void {
    const { ledger, counters, log } = this.#parts;
    const before = ledger.get(id);
    const failed = ledger.update(id, {
      path: undefined,
      entry: { state: 'failed', reason: joined(before?.entry.reason, reason), progress: undefined },
    });
    counters.count('recording_failures');
    log.warn({ id, streamName: before?.entry.streamName, reason }, 'a recording has no file');
    if (failed !== undefined) this.events.emit('failed', failed);
  }

  #get(id: string): StoredRecording {
    const recording = this.#parts.ledger.get(id);
    if (recording === undefined) throw new Error('it was forgotten meanwhile');
    return recording;
  }
}

function isClosing(error: unknown): boolean {
  return error instanceof FinishError && error.code === 'CLOSED';
}

/** What was written on the way to a file, but not that. */
async function removeFiles({ tempPath, members, finishedPath }: StoredRecording, keep?: string): Promise<void> {
  const paths = [tempPath, finishedPath, ...(members ?? []).map((member) => member.tempPath)];
  for (const path of paths) if (path !== undefined && path !== keep) await rm(path, { force: true });
}

function joined(...reasons: (string | undefined)[]): string | undefined {
  const known = reasons.filter((reason) => reason !== undefined && reason !== '');
  return known.length === 0 ? undefined : [...new Set(known)].join('; ');
}

function codecOf(tracks: readonly RecordedTrack[], kind: RecordedTrack['kind']): string | undefined {
  return tracks.find((track) => track.kind === kind)?.codec;
}

/** Some codecs tell their size in pictures only, which whoever wrote the file has seen. */
function withSize(track: RecordedTrack, written: readonly RecordedTrack[]): RecordedTrack {
  if (track.kind === 'audio' || track.width !== undefined) return track;
  const { width, height } = written.find(({ kind, codec }) => kind === 'video' && codec === track.codec) ?? {};
  return width === undefined ? track : { ...track, width, height };
}
