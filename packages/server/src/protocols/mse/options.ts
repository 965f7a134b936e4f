/** Settings of playing over WebSockets; resolved once by {@link resolveMseOptions}. */
export interface MseOptions {
  /** Viewers at a time, with those that wait for their stream, and Web SDK players. Default 10000. */
  readonly maxViewers: number;
  /** How long a viewer at `/mse/` waits for a stream that is not there, milliseconds. Default 3000. */
  readonly playWaitMs: number;
  /** How long a viewer waits for a stream that is published and sends nothing, milliseconds. Default 10000. */
  readonly mediaWaitMs: number;
  /** How long a stream that shows only one track is given to show another one, milliseconds. Default 1000. */
  readonly trackWaitMs: number;
  /** A viewer that takes nothing for this long is dropped, milliseconds. Default 10000. */
  readonly viewerStallTimeoutMs: number;
  /** Most bytes that a viewer who is behind gets in one write. Default 256 KiB. */
  readonly viewerWriteBytes: number;
  /** How long frames are collected into one write when many watch, milliseconds; 0 never. Default 36. */
  readonly flushIntervalMs: number;
  /** Streams are played at `/mse/`, and to Web SDK players with the provider MSE. Default true. */
  readonly enabled: boolean;
  /** Web SDK players with the provider WSPlayer are taken. Default false. */
  readonly wsPlayer: boolean;
  /** Ping viewers, so that those who vanished are noticed. Default true. */
  readonly keepAlive: boolean;
  /** Time between pings, and between messages that tell the time, milliseconds. Default 5000. */
  readonly keepAliveIntervalMs: number;
  /** A viewer that left this many pings in a row unanswered is dropped. Default 10. */
  readonly keepAliveProbes: number;
  /** Whether pages of that `Origin` may play; undefined is asked for viewers that are no pages. Default: all may. */
  readonly allowsOrigin: (origin: string | undefined) => boolean;
  /** Headers of answers that are no WebSocket, for pages of other origins. Default: any origin. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export const DEFAULT_MSE_OPTIONS: MseOptions = Object.freeze({
  maxViewers: 10_000,
  playWaitMs: 3000,
  mediaWaitMs: 10_000,
  trackWaitMs: 1000,
  viewerStallTimeoutMs: 10_000,
  viewerWriteBytes: 256 * 1024,
  flushIntervalMs: 36,
  enabled: true,
  wsPlayer: false,
  keepAlive: true,
  keepAliveIntervalMs: 5000,
  keepAliveProbes: 10,
  allowsOrigin: () => true,
  headers: [['Access-Control-Allow-Origin', '*'] as const],
});

/** Fills in the defaults. */
export function resolveMseOptions(options: Partial<MseOptions>): MseOptions {
  return Object.freeze({ ...DEFAULT_MSE_OPTIONS, ...options });
}
