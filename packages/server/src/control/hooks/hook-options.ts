import type { BackEndsOptions } from './delivery/back-ends.ts';

/** How hooks are sent, and when. */
export interface HookOptions extends BackEndsOptions {
  /** Clients of applications without a back end are refused; else all is allowed to them. */
  readonly backEndRequired: boolean;
  /** An event that could not be delivered is tried again for so long, with growing pauses; 0: sent once. */
  readonly eventRetryMs: number;
  /** Pause before the second try; each further one is twice as long, up to `maxRetryPauseMs`. */
  readonly firstRetryPauseMs: number;
  readonly maxRetryPauseMs: number;
  /** A question waits for earlier hooks of its session for at most so long; then it overtakes them. */
  readonly orderWaitMs: number;
  /** When the server stops, events have so long to be delivered. */
  readonly drainMs: number;
  readonly keepAlive: KeepAliveOptions;
  readonly hlsAuth: HlsAuthOptions;
  /** Players of RTSP are asked for, with each of their requests. */
  readonly rtspAuth: boolean;
}

/** Which streams are told of again and again. */
export interface KeepAliveOptions {
  readonly enabled: boolean;
  readonly intervalMs: number;
  readonly appKeys: ReadonlySet<string>;
}

/** Whether viewers of HLS are asked for. */
export interface HlsAuthOptions {
  readonly enabled: boolean;
  /** A yes counts for so long. */
  readonly cacheMs: number;
  /** A no counts for so long: players that were refused ask again at once. */
  readonly refusalCacheMs: number;
  /** Viewers that are remembered. */
  readonly maxCached: number;
}

export const DEFAULT_HOOK_OPTIONS: HookOptions = {
  disabled: false,
  backEndRequired: false,
  maxConnections: 200,
  timeoutMs: 15_000,
  maxAnswerBytes: 1024 * 1024,
  maxHeld: 10_000,
  maxHeldBytes: 32 * 1024 * 1024,
  tlsVerify: true,
  eventRetryMs: 60_000,
  firstRetryPauseMs: 500,
  maxRetryPauseMs: 10_000,
  orderWaitMs: 2000,
  drainMs: 2000,
  keepAlive: { enabled: false, intervalMs: 10_000, appKeys: new Set(['defaultApp']) },
  hlsAuth: { enabled: false, cacheMs: 30_000, refusalCacheMs: 1000, maxCached: 20_000 },
  rtspAuth: false,
};
