import { type Cut, type CutTracks } from './cut.ts';
import type { HlsOptions } from './options.ts';
/** Writes segments as long as it accepts their tracks; then another one has to be made. */
export interface SegmentMuxer {
  /** The Media Initialization Section (RFC 8216 §3.3), or undefined when the container has none. */
  readonly init: Uint8Array | undefined;
  /**
   * True when it can go on with these tracks. Over a discontinuity too, which then needs neither another init nor
   * lets the continuity counters of a transport stream jump, which FFmpeg takes for damage.
   */
  accepts(tracks: CutTracks): boolean;
  /** Muxes one segment; the result owns its memory and is the only copy made of the media. */
  segment(sequence: number, cut: Cut): Uint8Array;
}
/** Makes the muxer of a container. `baseUs` is the stream time that becomes zero; not after the first packet. */
export declare function createMuxer(
  container: HlsOptions['container'],
  tracks: CutTracks,
  baseUs: number,
): SegmentMuxer;
//# sourceMappingURL=segment-muxer.d.ts.map
