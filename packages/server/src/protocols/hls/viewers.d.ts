import type { IncomingMessage } from 'node:http';
import type { SessionRegistry, Stream } from '../../core/index.ts';
/** What a playlist request tells of its viewer. */
export interface Visit {
  readonly request: IncomingMessage;
  readonly stream: Stream;
  readonly targetSeconds: number;
  /** Query without `?`; becomes the session's custom parameters. */
  readonly query: string;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}
/**
 * Tells viewers of HLS apart, which has no connections: one viewer is an address with a user agent that has asked
 * for a stream's playlist within the last three target durations. Each is a session in the registry.
 */
export declare class HlsViewers {
  #private;
  constructor(sessions: SessionRegistry, maxViewers: number);
  get size(): number;
  /** True while the request's viewer is refused because its session was closed. */
  isBlocked(request: IncomingMessage, streamName: string, nowMs: number): boolean;
  /** Notes that a playlist is being sent; registers the viewer when it is a new one and there is room. */
  visit(visit: Visit): void;
  /** Adds sent bytes to the request's viewer, if it is known. */
  sent(request: IncomingMessage, streamName: string, bytes: number): void;
  /** Lets go of viewers that have been silent for too long. */
  sweep(nowMs: number): void;
  /** Lets go of all viewers. */
  close(): void;
}
//# sourceMappingURL=viewers.d.ts.map
