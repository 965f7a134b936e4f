import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Counters, Log, RecordingContainer, RecordingEntry } from '../core/index.ts';
import { type Completion, WORK_FOLDER } from './completion.ts';
import type { Ledger } from './ledger.ts';
import { lstatOf } from './name-claims.ts';
import type { StoredRecording } from './stored-recording.ts';

export interface RecoveryParts {
  /** Absolute folder of recordings. */
  readonly recordDir: string;
  /** Absolute folder of files that are being written. */
  readonly tempDir: string;
  readonly ledger: Ledger;
  readonly completion: Completion;
  readonly log: Log;
  readonly counters: Counters;
}

/** Files that are brought to an end at the same time; the finisher does not take more in any case. */
const AT_ONCE = 4;
/** Times of files come from a clock that is this much behind. */
const CLOCK_STEP_MS = 50;
const REMARK = 'recovered after a crash';
/** Files in work have names that begin so. */
const ID = /^\.?[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\./;
const CONTAINERS: ReadonlySet<string> = new Set<RecordingContainer>(['mp4', 'webm', 'mkv', 'ts']);

/** Brings to an end what an earlier run of the server left: files that were being written, finished or named. */
export class Recovery {
  readonly #parts: RecoveryParts;
  /** What was not brought to its end when this began; whatever is added later is being recorded. */
  readonly #left: readonly StoredRecording[];
  readonly #adopted: StoredRecording[] = [];
  readonly #beganMs = Date.now();
  #closed = false;

  /** To be made before anything is recorded. */
  constructor(parts: RecoveryParts) {
    this.#parts = parts;
    this.#left = Array.from(parts.ledger.all()).filter(isUnfinished);
  }

  /** Resolves when all is at its end, which can take long; progress is in the ledger. Never rejects. */
  async run(): Promise<void> {
    const { log } = this.#parts;
    const startMs = performance.now();
    try {
      await this.#deleteHalfMade();
      const files = this.#left.length + (await this.#adoptLeftovers());
      if (files === 0) return;
      log.info({ files }, 'recordings of an earlier run are being finished');
      await this.#completeAll();
      log.info({ files, tookMs: Math.round(performance.now() - startMs) }, 'recordings of an earlier run are finished');
    } catch (error) {
      log.error({ err: error }, 'recordings of an earlier run could not be looked for');
    }
  }

  /** Begins nothing more; what is in work ends with the finisher. */
  close(): void {
    this.#closed = true;
  }

  async #completeAll(): Promise<void> {
    const queue = [...this.#left, ...this.#adopted];
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined && !this.#closed; next = queue.shift())
        await this.#complete(next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async #complete({ entry, tempPath, path, finishedPath, members }: StoredRecording): Promise<void> {
    const { completion, counters } = this.#parts;
    const candidates = [tempPath, ...(members ?? []).map((member) => member.tempPath), finishedPath, path];
    const foundMs = await firstTimeOf(candidates);
    // It had failed, and there is still nothing that could be tried again.
    if (entry.state === 'failed' && foundMs === undefined) return;
    const endedAtMs = entry.endedAtMs ?? foundMs;
    // One that had ended before, and only was not finished, is as it should be.
    const remark = entry.state === 'recording' ? REMARK : entry.reason;
    const name = await completion.complete(entry.id, { endedAtMs: Math.round(endedAtMs ?? entry.startedAtMs), remark });
    if (name !== undefined) counters.count('recording_recovered');
  }

  /** New files whose making was interrupted; those that were made are in the ledger. */
  async #deleteHalfMade(): Promise<void> {
    const made = new Set(this.#left.map(({ finishedPath }) => finishedPath));
    for (const folder of this.#folders()) {
      for (const name of await namesIn(folder)) {
        const path = join(folder, name);
        if (!name.endsWith('.new') || made.has(path) || !this.#isOwn(folder, name)) continue;
        if (await this.#isOld(path)) await rm(path, { force: true });
      }
    }
  }

  /** Files that are in the ledger no more, or never were: its file was lost, say. Resolves with their number. */
  async #adoptLeftovers(): Promise<number> {
    const { ledger, log } = this.#parts;
    const known = new Set<string | undefined>();
    for (const { tempPath, finishedPath, path, members } of ledger.all()) {
      known.add(tempPath).add(finishedPath).add(path);
      for (const member of members ?? []) known.add(member.tempPath);
    }
    for (const folder of this.#folders()) {
      for (const name of await namesIn(folder)) {
        const path = join(folder, name);
        if (known.has(path) || !CONTAINERS.has(extname(name).slice(1)) || !this.#isOwn(folder, name)) continue;
        if (!(await this.#isOld(path))) continue;
        log.warn({ path }, 'a file of an unknown recording is finished');
        this.#adopted.push(await adopted(path, name));
      }
    }
    for (const recording of this.#adopted) ledger.add(recording);
    return this.#adopted.length;
  }

  #folders(): Set<string> {
    return new Set([this.#parts.tempDir, join(this.#parts.recordDir, WORK_FOLDER)]);
  }

  /** A folder that `record_tmp_dir` names may hold files of others too. */
  #isOwn(folder: string, name: string): boolean {
    return folder === join(this.#parts.recordDir, WORK_FOLDER) || ID.test(name);
  }

  async #isOld(path: string): Promise<boolean> {
    const found = await lstatOf(path);
    return found?.isFile() === true && found.mtimeMs < this.#beganMs - CLOCK_STEP_MS;
  }
}

/** Being worked on when the server ended; or its name could not be given, and its file is there still. */
function isUnfinished({ entry, path }: StoredRecording): boolean {
  const { state, localDeleted } = entry;
  if (state === 'recording' || state === 'finalising') return true;
  return state === 'failed' && path === undefined && localDeleted !== true && entry.bytes > 0;
}

/** When the first of these files that is there was changed last. */
async function firstTimeOf(paths: readonly (string | undefined)[]): Promise<number | undefined> {
  for (const path of paths) {
    const found = path === undefined ? undefined : await lstatOf(path);
    if (found !== undefined) return found.mtimeMs;
  }
  return undefined;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function adopted(path: string, name: string): Promise<StoredRecording> {
  const extension = extname(name).slice(1);
  const stem = name.slice(0, -extension.length - 1);
  const found = await lstatOf(path);
  const streamName = `recovered-${stem}`;
  const entry: RecordingEntry = {
    id: randomUUID(),
    streamName,
    mediaSessionId: '',
    appKey: '',
    login: '',
    part: 1,
    container: extension as RecordingContainer,
    state: 'recording',
    fileName: `${streamName}.${extension}`,
    startedAtMs: Math.round(found?.birthtimeMs ?? 0),
    durationMs: 0,
    bytes: found?.size ?? 0,
    tracks: [],
    lostPackets: 0,
    gaps: [],
  };
  return {
    entry,
    tempPath: path,
    naming: { template: '{streamName}', encoding: 'none', excludedCharacters: '', extension },
    names: { streamName, mediaSessionId: '', sessionId: '', login: '' },
  };
}
