import type { TlsIdentity } from '../../io/index.ts';

/** The second door of the HLS server: the same by TLS, with HTTP/2 and HTTP/1.1. */
export interface HlsSecureOptions {
  /** TCP port to listen on; 0 takes a free one (`hls.https.port`, where 0 turns it off: give no options then). */
  readonly port: number;
  readonly identity: TlsIdentity;
}

/** The clip that viewers see until a stream has its first segment. */
export interface HlsPreloaderOptions {
  /**
   * Folder of the clips: `16x9.mp4`, `4x3.mp4` and `2x1.mp4` (`ll_hls_preloader_dir`), or of the transport stream
   * `16x9/index0.ts`, `16x9/index1.ts`, … (`hls_preloader_dir`). The clips that come with the server are of the first kind,
   * and are cut for the transport stream too.
   */
  readonly dir: string;
  /** Least duration of a segment of the clip, milliseconds (`hls_preloader_time_min`). Default 2000. */
  readonly segmentMinMs: number;
}

/** Where segments lie that viewers can go back to. */
export interface HlsArchiveOptions {
  /** Folder of their files, emptied at the start (`hls_dir`). */
  readonly dir: string;
  /** Bytes on disk that the segments of all streams take; the oldest go first (`hls_dvr_disk_limit`). */
  readonly maxBytes: number;
}

/** Settings of the HLS server; resolved once by {@link resolveHlsOptions}. */
export interface HlsOptions {
  /** Address to listen on. Default `0.0.0.0`. */
  readonly host: string;
  /** TCP port to listen on; 0 takes a free one, undefined turns the door without TLS off. Default 8082 (`hls.port`). */
  readonly port: number | undefined;
  /** The door with TLS; undefined turns it off. Default off. */
  readonly secure: HlsSecureOptions | undefined;
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
  /** Make all qualities of every published stream, not only of those that are asked for (`hls_abr_auto_start`). Default false. */
  readonly autoStartLadders: boolean;
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
  /** Playlists have parts and can be waited for, where the container is `fmp4` (`ll_hls_enabled`). Default true. */
  readonly lowLatency: boolean;
  /** Duration of a part, milliseconds (`ll_hls_part_time`). Default 500. */
  readonly partMs: number;
  /** Segments in a media playlist with parts (`ll_hls_list_size`). Default 12. */
  readonly lowLatencyListSize: number;
  /**
   * Requests that may wait for a playlist, a part or the rest of a segment at the same time (`ll_hls_max_waiting`); others
   * are answered with 503. Default 20000.
   */
  readonly maxWaiting: number;
  /** How far viewers can go back, milliseconds; 0: as far as the playlist is long (`hls_dvr_window`). Default 0. */
  readonly dvrWindowMs: number;
  /** Where the segments of that window lie; undefined keeps them in memory only. Default undefined. */
  readonly archive: HlsArchiveOptions | undefined;
  /** The clip before the first segment; undefined holds requests until there is one. Default undefined. */
  readonly preloader: HlsPreloaderOptions | undefined;
  /** Streams can be played by DASH too, where the container is `fmp4` (`dash_enabled`). Default true. */
  readonly dash: boolean;
  /** Viewers that are told apart; further ones are served but not counted. Default 10000. */
  readonly maxViewers: number;
}

export const DEFAULT_HLS_OPTIONS: HlsOptions = Object.freeze({
  host: '0.0.0.0',
  port: 8082,
  secure: undefined,
  listSize: 8,
  segmentMinMs: 2000,
  maxSegmentMs: 20_000,
  container: 'fmp4',
  autoStart: false,
  autoStartLadders: false,
  providerTimeoutMs: 300_000,
  maxBytes: 64 * 1024 * 1024,
  extraHeaders: [],
  startWaitMs: 15_000,
  maxHeldRequests: 2000,
  endedKeepMs: 30_000,
  lowLatency: true,
  partMs: 500,
  lowLatencyListSize: 12,
  maxWaiting: 20_000,
  dvrWindowMs: 0,
  archive: undefined,
  preloader: undefined,
  dash: true,
  maxViewers: 10_000,
});

/** Fills in the defaults. */
export function resolveHlsOptions(options: Partial<HlsOptions>): HlsOptions {
  return Object.freeze({ ...DEFAULT_HLS_OPTIONS, ...options });
}
