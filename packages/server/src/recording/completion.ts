import { type Counters, type Log, TypedEvents } from '../core/index.ts';
import type { Finisher } from './finish/finisher.ts';
import type { Ledger } from './ledger.ts';
import type { NameFacts } from './names/template.ts';
import type { StoredRecording } from './stored-recording.ts';

export interface CompletionOptions {
  /** Absolute folder of recordings. */
  readonly recordDir: string;
  /** MP4 files have their index at the front (`mp4_container_moov_first` without reserved room). */
  readonly indexFirst: boolean;
  /** What becomes of a file whose name a new one takes (`record_existing_file`). */
  readonly existingFile: 'keep' | 'overwrite';
}

export interface CompletionParts {
  readonly options: CompletionOptions;
  readonly ledger: Ledger;
  readonly finisher: Finisher;
  readonly scripts: ScriptRunner;
  readonly log: Log;
  readonly counters: Counters;
}

/** Runs the programs of `on_record_hook_script` and `on_multiple_record_hook_script`. */
export interface ScriptRunner {
  /** Told once for each complete file. Must not throw. */
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
  /** Nothing is left of it, or nothing that plays. */
  failed: [recording: StoredRecording];
}

/** Brings a file of a recording from its last byte to its final name, its scripts and those who wait for it. */
export class Completion {
  readonly events = new TypedEvents<CompletionEvents>();
  readonly #parts: CompletionParts;

  constructor(parts: CompletionParts) {
    this.#parts = parts;
  }

  /**
   * Completes the file of an entry of the ledger, whose file is closed: resolves with its final name below the folder of
   * recordings; undefined when nothing is left of it (the ledger tells why). Never rejects.
   */
  complete(id: string, end: RecordingEnd): Promise<string | undefined> {
    return this.#finish(id, end);
  }

  async #finish(id: string, end: RecordingEnd): Promise<string | undefined> {
    const { ledger } = this.#parts;
    ledger.update(id, { entry: { state: 'finalising', endedAtMs: end.endedAtMs } });
    await ledger.flushed();
    return undefined;
  }
}
