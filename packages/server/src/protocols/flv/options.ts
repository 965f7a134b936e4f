/** Settings of FLV playback; resolved once by {@link resolveFlvOptions}. */
export interface FlvOptions {
  /** Viewers at a time, those that wait for their stream included; further ones get 503. Default 10000. */
  readonly maxViewers: number;
  /** How long a request waits for a stream that is not there, milliseconds. Default 3000. */
  readonly playWaitMs: number;
  /**
   * How long a stream that shows only one track is given to show another one, milliseconds of the stream. The FLV
   * header says what will come, and is sent once. Default 1000.
   */
  readonly trackWaitMs: number;
  /** How long a request waits for a stream that is published and sends nothing, milliseconds. Default 10000. */
  readonly mediaWaitMs: number;
  /** A viewer that takes nothing for this long is dropped, milliseconds. Default 10000. */
  readonly viewerStallTimeoutMs: number;
  /** Most bytes that a viewer who is behind gets in one write. Default 256 KiB. */
  readonly viewerWriteBytes: number;
  /** How long frames are collected into one write when many watch, milliseconds; 0 never. Default 36. */
  readonly flushIntervalMs: number;
  /** Ping WebSocket viewers, so that those who vanished are noticed. Default true. */
  readonly keepAlive: boolean;
  /** Time between pings, milliseconds. Default 5000. */
  readonly keepAliveIntervalMs: number;
  /** A WebSocket viewer that left this many pings in a row unanswered is dropped. Default 10. */
  readonly keepAliveProbes: number;
  /** Whether pages of that `Origin` may play; undefined is asked for viewers that are no pages. Default: all may. */
  readonly allowsOrigin: (origin: string | undefined) => boolean;
  /** Headers of every answer, for pages of other origins. Default: any origin may play. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export const DEFAULT_FLV_OPTIONS: FlvOptions = Object.freeze({
  maxViewers: 10_000,
  playWaitMs: 3000,
  trackWaitMs: 1000,
  mediaWaitMs: 10_000,
  viewerStallTimeoutMs: 10_000,
  viewerWriteBytes: 256 * 1024,
  flushIntervalMs: 36,
  keepAlive: true,
  keepAliveIntervalMs: 5000,
  keepAliveProbes: 10,
  allowsOrigin: () => true,
  headers: [['Access-Control-Allow-Origin', '*'] as const],
});

/** Fills in the defaults. */
export function resolveFlvOptions(options: Partial<FlvOptions>): FlvOptions {
  return Object.freeze({ ...DEFAULT_FLV_OPTIONS, ...options });
}
