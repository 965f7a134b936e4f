import type { RecordingEntry } from '../core/index.ts';
import type { NameFacts, Naming } from './names/template.ts';

/** One of several files that become one: a member of a recording of several streams. */
export interface StoredMember {
  /** Absolute path of what was written of it. */
  readonly tempPath: string;
  /** When it begins, on the clock of the whole recording, microseconds. */
  readonly offsetUs: number;
  readonly mediaSessionId: string;
}

/** A file of a recording with what the server must remember of it, beyond what REST and the console show. */
export interface StoredRecording {
  readonly entry: RecordingEntry;
  /** Absolute path of the file that is or was being written; it is gone when the recording is complete. */
  readonly tempPath: string;
  /** How its file is named. */
  readonly naming: Naming;
  /** What its name is made of, as far as it is known. */
  readonly names: NameFacts;
  /** Absolute path of what finishing made of it, while that has no final name. */
  readonly finishedPath?: string | undefined;
  /** Absolute final path: claimed, or about to be. */
  readonly path?: string | undefined;
  /** Why its writing failed. It is finished all the same, as far as that can be. */
  readonly failure?: string | undefined;
  /** Address of the recorder of several streams (`multi-recorder://…`). */
  readonly multipleUri?: string | undefined;
  /** Files that are joined when it ends; then {@link tempPath} is where they are joined to. */
  readonly members?: readonly StoredMember[] | undefined;
  /** The program that is wanted after it has not run to its end yet. */
  readonly scriptDue?: boolean | undefined;
  /** How an upload goes on after a restart, a text of the object store. */
  readonly uploadState?: string | undefined;
}

/** What changes of a recording; fields that are `undefined` are forgotten, absent ones stay. */
export type RecordingChange = Partial<Omit<StoredRecording, 'entry'>> & {
  readonly entry?: Partial<Omit<RecordingEntry, 'id'>> | undefined;
};

/** A recording after a change. */
export function changed(recording: StoredRecording, { entry, ...internal }: RecordingChange): StoredRecording {
  return { ...recording, ...internal, entry: { ...recording.entry, ...entry } };
}
