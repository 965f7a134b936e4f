/** How pictures of streams are taken. */
export interface SnapshotOptions {
  /** A first picture of a stream is waited for this long, milliseconds, … */
  readonly takingIntervalMs: number;
  /** … so many times. */
  readonly takingAttempts: number;
  /** Pictures that may be waited for at the same time. */
  readonly maxPending: number;
}

export const DEFAULT_SNAPSHOT_OPTIONS: SnapshotOptions = {
  takingIntervalMs: 3000,
  takingAttempts: 30,
  maxPending: 200,
};

/** How pictures are given to pages. */
export interface SnapshotMountOptions {
  /** A picture is given to others for this long, milliseconds, and longer while there is no newer key frame. */
  readonly cacheMs: number;
  /** What is kept for that, in bytes. */
  readonly maxCacheBytes: number;
  /** Further headers of all answers, for pages of other origins. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Whether pages of that origin are answered; undefined for what is no page of another origin. */
  allowsOrigin(origin: string | undefined): boolean;
}

export const DEFAULT_SNAPSHOT_MOUNT_OPTIONS: SnapshotMountOptions = {
  cacheMs: 1000,
  maxCacheBytes: 64 * 1024 * 1024,
  headers: [['Access-Control-Allow-Origin', '*']],
  allowsOrigin: () => true,
};

/** How pictures are kept in files. */
export interface AutoSnapshotOptions {
  /** Folder, with one for each stream in it. */
  readonly dir: string;
  /** Time between two pictures of a stream, milliseconds. */
  readonly rateMs: number;
  /** 1, 2, 3, … or milliseconds since 1970. */
  readonly naming: 'number' | 'timestamp';
  readonly format: 'png' | 'jpeg';
  /** Files that are kept for each stream. */
  readonly retention: number;
  /** Folders that are kept; those of streams that are gone for the longest are deleted. */
  readonly maxFolders: number;
}
