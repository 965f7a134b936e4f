import {
  type Counters,
  type Log,
  type SessionRegistry,
  type StreamRegistry,
  type StreamResolver,
} from '../../core/index.ts';
import type { Ticker } from '../../io/index.ts';
import { type HlsOptions } from './options.ts';
export interface HlsServerDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  /** Asked in order for names that are not live. */
  readonly resolvers: readonly StreamResolver[];
  readonly log: Log;
  readonly counters: Counters;
  readonly ticker: Ticker;
}
/** Serves live streams over HTTP Live Streaming (RFC 8216). Segments live in memory; nothing is written to disk. */
export declare class HlsServer {
  #private;
  constructor(deps: HlsServerDeps, options?: Partial<HlsOptions>);
  /** The port that is listened on; 0 before `start`. */
  get port(): number;
  /** Requests that wait for the first segment of their stream. */
  get heldRequests(): number;
  /**
   * Begins to listen.
   * @throws MediaServerError PORT_IN_USE, CONFIG_INVALID
   */
  start(): Promise<void>;
  /** Stops listening, ends all requests and packagers; resolves when the port is free. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
//# sourceMappingURL=server.d.ts.map
