import type { Counters, Log, StreamRegistry, StreamResolver } from '../../core/index.ts';
import type { HlsOptions } from './options.ts';
import { HlsPackager } from './packager.ts';
export interface HlsChannelsDeps {
  readonly streams: StreamRegistry;
  readonly resolvers: readonly StreamResolver[];
  readonly log: Log;
  readonly counters: Counters;
}
/** The packagers by stream name: started on demand, stopped when nobody asks any more or some time after the end. */
export declare class HlsChannels {
  #private;
  constructor(deps: HlsChannelsDeps, options: HlsOptions);
  get size(): number;
  /** Begins to follow the streams that are published. */
  start(): void;
  /** The packager of that name if there is one; nothing is started. */
  find(streamName: string, nowMs: number): HlsPackager | undefined;
  /**
   * The packager of that name, started if need be; undefined when there is no such stream.
   * @throws what a resolver throws, such as MediaServerError FILE_NOT_FOUND
   */
  open(streamName: string): Promise<HlsPackager | undefined>;
  /** Stops what nobody asks for any more and drops what has ended. */
  sweep(nowMs: number): void;
  /** Stops all packagers. Idempotent. */
  close(): void;
}
//# sourceMappingURL=channels.d.ts.map
