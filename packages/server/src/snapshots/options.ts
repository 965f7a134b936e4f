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
