import type { SessionProtocol } from '../core/index.ts';

/** How attempts follow each other. */
export interface RetryPolicy {
  /** False: a relay ends with its first connection, however that ends. */
  readonly enabled: boolean;
  /** Attempts in a row that may fail before a relay is given up; 0: it never is. */
  readonly maxAttempts: number;
  /** Pause before the first new attempt; it doubles each time, up to `maxMs`, and is shortened at random by up to a half. */
  readonly minMs: number;
  readonly maxMs: number;
}

export interface RelayOptions {
  /** Streams that may be pulled and pushed at once. */
  readonly maxRelays: number;
  /** An attempt without media after this has failed, milliseconds. */
  readonly connectTimeoutMs: number;
  /** A connection on which nothing moves for this long is made anew, milliseconds. */
  readonly stallTimeoutMs: number;
  readonly retry: RetryPolicy;
  /** Of pushes by RTMP. */
  readonly rtmpPushRetry: RetryPolicy;
  /** What a viewer asked for by its address is let go of this long after its last viewer, milliseconds. */
  readonly byNameIdleTimeoutMs: number;
  /** Protocols of which everything that is pulled is recorded. */
  readonly recorded: readonly SessionProtocol[];
  /** What addresses without scheme have. */
  readonly defaultScheme: 'ws' | 'wss';
}

const DEFAULT_RETRY: RetryPolicy = { enabled: true, maxAttempts: 0, minMs: 500, maxMs: 4000 };

export const DEFAULT_RELAY_OPTIONS: RelayOptions = {
  maxRelays: 1000,
  connectTimeoutMs: 10_000,
  stallTimeoutMs: 10_000,
  retry: DEFAULT_RETRY,
  rtmpPushRetry: DEFAULT_RETRY,
  byNameIdleTimeoutMs: 60_000,
  recorded: [],
  defaultScheme: 'ws',
};

/** After so much time with media a connection counts as one that works, and earlier failures as past. */
export const STEADY_MS = 3000;
