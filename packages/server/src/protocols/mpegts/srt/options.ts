/** How callers of the common SRT port are served. */
export interface SrtServerOptions {
  /** Address of this machine to listen at. */
  readonly address: string;
  /** UDP port; 0 takes a free one. */
  readonly port: number;
  /** Callers need it, 10 to 79 characters; empty: none. */
  readonly passphrase: string;
  /** Time for lost packets to come again; the greater of both sides counts, milliseconds. */
  readonly latencyMs: number;
  /** Callers at once. */
  readonly maxCallers: number;
  /** Application of callers that name none. */
  readonly appKey: string;
  /** How long a player waits for a stream that is not there yet; callers give up after 3 s, milliseconds. */
  readonly playWaitMs: number;
  /** A player of a stream without any media is let go after this, milliseconds. */
  readonly mediaWaitMs: number;
  /** How long a stream that shows one track is given to show the other, milliseconds. */
  readonly trackWaitMs: number;
  /** A player that takes nothing for this long is dropped, milliseconds. */
  readonly stallTimeoutMs: number;
  /** A publisher of which nothing has come for this long is dropped, milliseconds. */
  readonly publishTimeoutMs: number;
  /** Times of a publisher that jump by more than this begin anew, seconds. */
  readonly maxTimestampDiffS: number;
  /** Frames are collected into one write for this long when many watch, milliseconds. */
  readonly flushIntervalMs: number;
  /** Most bytes that a player that is behind gets in one write. */
  readonly writeBytes: number;
}

export const DEFAULT_SRT_SERVER_OPTIONS: SrtServerOptions = {
  address: '0.0.0.0',
  port: 8890,
  passphrase: '',
  latencyMs: 120,
  maxCallers: 500,
  appKey: 'defaultApp',
  playWaitMs: 2000,
  mediaWaitMs: 10_000,
  trackWaitMs: 1000,
  stallTimeoutMs: 10_000,
  publishTimeoutMs: 90_000,
  maxTimestampDiffS: 1,
  flushIntervalMs: 30,
  writeBytes: 16 * 1024,
};
