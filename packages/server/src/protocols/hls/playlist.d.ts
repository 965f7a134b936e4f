import type { Segment } from './segment-window.ts';
export interface MediaPlaylist {
  readonly streamName: string;
  readonly container: 'fmp4' | 'ts';
  readonly segments: readonly Segment[];
  readonly targetSeconds: number;
  /** True when no segment will ever follow (EXT-X-ENDLIST, RFC 8216 §4.3.3.4). */
  readonly ended: boolean;
  /** `?…` or empty: repeated on every URI; see {@link safeQuery}. */
  readonly query: string;
}
export interface MasterPlaylist {
  readonly streamName: string;
  /** RFC 6381 codec strings. */
  readonly codecs: readonly string[];
  /** Bits a second of the segment with the most. */
  readonly peakBandwidth: number;
  /** Bits a second over all segments. */
  readonly averageBandwidth: number;
  readonly size:
    | {
        readonly width: number;
        readonly height: number;
        readonly fps: number | undefined;
      }
    | undefined;
  readonly query: string;
}
/** Name of a segment, ready for a URI. */
export declare function segmentUri(streamName: string, sequence: number, container: 'fmp4' | 'ts'): string;
/** Renders a live media playlist (RFC 8216 §4.3.2 and §4.3.3). */
export declare function renderMediaPlaylist(playlist: MediaPlaylist): string;
/** Renders a master playlist with one variant (RFC 8216 §4.3.4). */
export declare function renderMasterPlaylist(playlist: MasterPlaylist): string;
/** The query of a request as `?…`, with nothing in it that could end a line or a quoted attribute; empty without one. */
export declare function safeQuery(raw: string): string;
//# sourceMappingURL=playlist.d.ts.map
