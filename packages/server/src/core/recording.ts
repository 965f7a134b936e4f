import type { Fields } from './access.ts';

/** Containers of recordings; also the endings of their file names. */
export type RecordingContainer = 'mp4' | 'webm' | 'mkv' | 'ts';

/** Wishes of who starts a recording (rest-api.md §4); absent ones follow the settings. */
export interface RecordingConfig {
  /** File name without ending, with elements such as `{streamName}`. */
  readonly fileTemplate?: string | undefined;
  /** `disabled`, seconds (`60`) or megabytes (`20M`). */
  readonly rotation?: string | undefined;
}

/** A recording that runs: one of a publication, or of several (`multi-recorder://`). */
export interface RunningRecording {
  /** Id of the entry in the ledger of the file that is being written; absent while nothing can be written. */
  readonly id: string | undefined;
  readonly mediaSessionId: string;
  readonly streamName: string;
  /** Name of the file with the elements that are known by now; others stand as they are, `{endTime}` say. */
  readonly fileName: string;
  readonly startedAtMs: number;
  /** Media written so far, of all its files. */
  readonly durationMs: number;
  readonly bytes: number;
  /** Why nothing is written at this moment although it should be; undefined when all is well. */
  readonly trouble: string | undefined;
}

/**
 * Where a file of a recording stands. `recording`: it grows. `finalising`: it is being made a finished file, see
 * `progress`. `complete`: it is whole and has its final name. `failed`: see `reason`; what was written before is kept.
 */
export type RecordingState = 'recording' | 'finalising' | 'complete' | 'failed';

export interface RecordedTrack {
  readonly kind: 'video' | 'audio';
  readonly codec: string;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly sampleRate?: number | undefined;
  readonly channels?: number | undefined;
  readonly samples: number;
  readonly durationMs: number;
}

/** Where the upload of a file stands. */
export interface UploadFacts {
  readonly state: 'waiting' | 'uploading' | 'done' | 'failed';
  /** 0 to 1. */
  readonly progress: number;
  readonly attempts: number;
  /** Where it lies, `s3://bucket/key`. */
  readonly location: string;
  readonly etag?: string | undefined;
  readonly error?: string | undefined;
}

/** A file of a recording, as the ledger knows it. */
export interface RecordingEntry {
  readonly id: string;
  readonly streamName: string;
  readonly mediaSessionId: string;
  readonly appKey: string;
  readonly login: string;
  /** Number of the file within the recording, from 1. */
  readonly part: number;
  readonly container: RecordingContainer;
  readonly state: RecordingState;
  /** Why it failed, or what was wrong with it when it was completed (`recovered after a crash`, …). */
  readonly reason?: string | undefined;
  /** Path below the folder of recordings: the final one when it is complete, else the one that it will have about. */
  readonly fileName: string;
  readonly startedAtMs: number;
  readonly endedAtMs?: number | undefined;
  readonly durationMs: number;
  readonly bytes: number;
  readonly tracks: readonly RecordedTrack[];
  /** Packets of the source that are missing in it, and the times where. */
  readonly lostPackets: number;
  readonly gaps: readonly { readonly atMs: number; readonly lostPackets: number }[];
  /** Of the finished file, hexadecimal. */
  readonly sha256?: string | undefined;
  /** Of the finalisation, 0 to 1. */
  readonly progress?: number | undefined;
  readonly upload?: UploadFacts | undefined;
  /** The file was deleted here after its upload. */
  readonly localDeleted?: boolean | undefined;
}

/** What a back end and the log are told of a recording. */
export interface RecordingEvent {
  readonly type: 'recordingStarted' | 'recordingStopped' | 'recordingFailed' | 'recordingCompleted';
  readonly fileName: string;
  /** Duration, bytes, reason, … as far as they are known. */
  readonly facts: Fields;
}

/** What the recorder must know of a publication besides its stream. Part of {@link Publisher}. */
export interface PublicationToRecord {
  readonly mediaSessionId: string;
  /** Names of WCS's templates. */
  readonly login: string;
  readonly appKey: string;
  /** It is to be recorded from its first packet on: the client, its back end or the settings say so. */
  readonly wanted: boolean;
  /** Its file is not to be rotated (rooms). */
  readonly rotation?: string | undefined;
  /** Told of its recording, for the hook `StreamEvent`. Must not throw. */
  onEvent?(event: RecordingEvent): void;
}

/** Several streams in one file (rest-api.md §5). */
export interface MultipleRecording {
  readonly uri: string;
  readonly mediaSessionIds: readonly string[];
  readonly fileName: string;
}

/** Records publications, and knows all that was recorded. The control side asks it. */
export interface Recorder {
  /**
   * Records a publication from its newest cached key frame on; one that is being recorded begins a new file.
   * @throws MediaServerError SESSION_NOT_FOUND when nothing is published with that id, RECORDING_DISABLED,
   * RECORDING_LIMIT, RECORDING_CONFIG_INVALID
   */
  start(mediaSessionId: string, config?: RecordingConfig): Promise<void>;
  /**
   * Stops; resolves when the file is complete, or after the time that the settings give it (it is completed all the same).
   * @throws MediaServerError RECORDING_NOT_FOUND
   */
  stop(mediaSessionId: string): Promise<void>;
  running(): readonly RunningRecording[];
  /** Room on the disk that recordings go to; undefined when the folder can't be read. */
  disk(): Promise<{ readonly freeBytes: number; readonly sizeBytes: number } | undefined>;
  /** False when the settings forbid to record. */
  readonly enabled: boolean;
  /** Bytes that wait in memory for disks, and files that wait to be uploaded: for metrics. */
  backlog(): { readonly unwrittenBytes: number; readonly finalising: number; readonly uploads: number };
  /** The running recording of a publication. */
  of(mediaSessionId: string): RunningRecording | undefined;
  /**
   * For a publication that has just ended: resolves with the name of its (last) file when that is complete, or after the
   * time that the settings give it. Undefined, at once, when it was not recorded.
   */
  settled(mediaSessionId: string): Promise<string> | undefined;
  /** Newest first. */
  entries(): readonly RecordingEntry[];
  entry(id: string): RecordingEntry | undefined;
  /**
   * Deletes a file and forgets it.
   * @throws MediaServerError RECORDING_NOT_FOUND, RECORDING_BUSY while it is written, finalised or uploaded
   */
  delete(id: string): Promise<void>;
  /** @throws MediaServerError RECORDING_BUSY when it exists, RECORDING_DISABLED, RECORDING_CONFIG_INVALID */
  startMultiple(uri: string): Promise<void>;
  /** @throws MediaServerError RECORDING_NOT_FOUND, SESSION_NOT_FOUND, RECORDING_BUSY when it is in there already */
  addToMultiple(uri: string, mediaSessionId: string): Promise<void>;
  /** @throws MediaServerError RECORDING_NOT_FOUND, SESSION_NOT_FOUND when it is not in there */
  removeFromMultiple(uri: string, mediaSessionId: string): Promise<void>;
  multiple(): readonly MultipleRecording[];
  /** @throws MediaServerError RECORDING_NOT_FOUND */
  stopMultiple(uri: string): Promise<void>;
}
