import type { ByteSource } from '@sluice/media';

/** A file to be put into an object store. */
export interface UploadJob {
  /** Absolute path here. */
  readonly path: string;
  /** Name there, without the prefix of the settings. */
  readonly key: string;
  readonly contentType: string;
  /** What an earlier try told by `onResumable`: it goes on from there. */
  readonly resume: string | undefined;
  /** Another object of that name is not to be overwritten: fails with `code: 'EXISTS'` then. */
  readonly keepExisting?: boolean | undefined;
  /** Tells how to go on after a restart; a text to keep. */
  onResumable(state: string): void;
  /** 0 to 1. */
  onProgress(progress: number): void;
  readonly signal: AbortSignal;
}

/** Storage of files elsewhere, such as S3. */
export interface ObjectStore {
  /** What {@link upload} will answer as the place of that key: `s3://bucket/prefix/key`. */
  locationOf(key: string): string;
  /**
   * Uploads once, resuming what it can, and checks that what is there is what was sent. Throws when it did not succeed;
   * an error with `permanent: true` is not worth another try (no such bucket, no permission).
   */
  upload(job: UploadJob): Promise<{ readonly etag: string; readonly location: string }>;
  /** Frees what an upload that will not go on has left there; `resume` is what it told by `onResumable`. */
  abandon(key: string, resume: string): Promise<void>;
}

/** A file that is open for reading. */
export interface OpenFile extends ByteSource {
  /** Name for people and for judging the kind of file by its ending. */
  readonly name: string;
  close(): Promise<void>;
}

/** Somewhere that media files are played from: a folder, S3. */
export interface FileStore {
  /** True for a name of this store, without `vod://` or `vod-live://`. Cheap, without I/O. */
  accepts(name: string): boolean;
  /**
   * Opens a file; undefined when there is none. `signal` ends whatever it waits for.
   * @throws MediaServerError FILE_UNREADABLE
   */
  open(name: string, signal: AbortSignal): Promise<OpenFile | undefined>;
}
