/** Settings of the HLS server; resolved once by {@link resolveHlsOptions}. */
export interface HlsOptions {
  /** Address to listen on. Default `0.0.0.0`. */
  readonly host: string;
  /** TCP port to listen on; 0 takes a free one. Default 8082 (`hls.port`). */
  readonly port: number;
  /** Segments in a media playlist (`hls_list_size`). Default 8. */
  readonly listSize: number;
  /** A segment ends at the first key frame after this time, milliseconds (`hls_time_min`). Default 2000. */
  readonly segmentMinMs: number;
  /** A segment without a further key frame is cut after this time all the same, milliseconds. Default 20000. */
  readonly maxSegmentMs: number;
  /** Fragmented MP4 or MPEG-2 transport stream. Default `fmp4`. */
  readonly container: 'fmp4' | 'ts';
  /** Cut segments of every published stream, not only of those that are asked for (`hls_auto_start`). Default false. */
  readonly autoStart: boolean;
  /** Cutting stops this long after the last request, milliseconds (`hls_manager_provider_timeout`). Default 300000. */
  readonly providerTimeoutMs: number;
  /** Bytes of segments kept in memory for one stream. Default 64 MiB. */
  readonly maxBytes: number;
  /** Headers added to every answer; they replace ours of the same name (`hls_access_control_headers`). Default none. */
  readonly extraHeaders: readonly (readonly [name: string, value: string])[];
  /** How long a playlist request waits for the first segment of its stream, milliseconds. Default 15000. */
  readonly startWaitMs: number;
  /** Requests that may wait for a first segment at the same time; others are answered with 503. Default 2000. */
  readonly maxHeldRequests: number;
  /** The final playlist of a stream is served this long after the stream ended, milliseconds. Default 30000. */
  readonly endedKeepMs: number;
  /** Viewers that are told apart; further ones are served but not counted. Default 10000. */
  readonly maxViewers: number;
}
export declare const DEFAULT_HLS_OPTIONS: HlsOptions;
/** Fills in the defaults. */
export declare function resolveHlsOptions(options: Partial<HlsOptions>): HlsOptions;
//# sourceMappingURL=options.d.ts.map
