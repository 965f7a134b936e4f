import type { RecordedTrack, RecordingContainer } from '../../core/index.ts';

/** A file that was written piece by piece is to become a finished one. */
export interface FinishJob {
  readonly kind: 'finish';
  /** Absolute path of what was written. */
  readonly source: string;
  readonly container: RecordingContainer;
  /** Absolute path for a new file, on the disk of the final one; it is made when the file can't be finished where it is. */
  readonly target: string;
  /** The index is to be at the front, which takes a new file (MP4). */
  readonly indexFirst: boolean;
  /** Room that the disk must have beyond a new file, for recordings that run; 64 MiB when left out. */
  readonly reserveBytes?: number | undefined;
}

/** A part of a finished file is to become a file of its own. */
export interface CutJob {
  readonly kind: 'cut';
  readonly source: string;
  /** Absolute path of the new file; it appears there when it is whole, over what was there. */
  readonly target: string;
  readonly startUs: number;
  /** Undefined: to the end. */
  readonly endUs?: number | undefined;
}

/** Files that were written piece by piece are to become one more such file, with all their tracks. */
export interface JoinJob {
  readonly kind: 'join';
  readonly members: readonly { readonly source: string; readonly offsetUs: number }[];
  readonly container: RecordingContainer;
  readonly target: string;
  /** When the recording began, milliseconds since 1970. */
  readonly createdAtMs: number;
}

export type FinisherJob = FinishJob | CutJob | JoinJob;

/**
 * What became of a file. `rewritten`: a new file with its index first. `in place`: an index was put to what was written.
 * `as written`: neither was possible; it plays, but is not indexed.
 */
export type FinishedForm = 'rewritten' | 'in place' | 'as written';

export interface FinishedFile {
  /** Where it is now: the source, or the target. */
  readonly path: string;
  readonly form: FinishedForm;
  /** Why it is not in the form that was wanted. */
  readonly note?: string | undefined;
  readonly bytes: number;
  readonly sha256: string;
  readonly durationUs: number;
  readonly tracks: readonly RecordedTrack[];
  /** Bytes at the end that were no whole fragment, and were cut. */
  readonly tornBytes: number;
}

/** Several files in one; it is as it would have been written piece by piece, and is to be finished. */
export interface JoinedFile {
  readonly path: string;
  readonly bytes: number;
  /** What could not be read of the members. */
  readonly note?: string | undefined;
}
