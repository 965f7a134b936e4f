import { type FragmentSample, type MediaPacket, type Track } from '@sluice/media';
/** The tracks that one run of segments is made of; at least one is there. */
export interface CutTracks {
  readonly video: Track | undefined;
  readonly audio: Track | undefined;
}
/** The packets of one segment, with all that muxing and the playlist need. */
export interface Cut {
  readonly tracks: CutTracks;
  /** Packets in the order of their arrival. */
  readonly packets: readonly MediaPacket[];
  readonly video: readonly FragmentSample[];
  readonly audio: readonly FragmentSample[];
  /** Presentation time of the first packet on the stream's timeline, integer microseconds. */
  readonly startUs: number;
  /** Start of the next segment minus the own one; to the end of the content when nothing follows. Microseconds. */
  readonly durationUs: number;
  /** The epoch of the stream's state (see StreamState). */
  readonly epoch: number;
  /** True when the segment can not be decoded as a continuation of the one before. */
  readonly discontinuity: boolean;
  /** True when a decoder can start with this segment. */
  readonly independent: boolean;
}
/** True for a track that HLS players take (H.264 and AAC) and whose decoder configuration is known. */
export declare function isCarriable(track: Track | undefined): track is Track;
/** True when both need the same decoder configuration, also when a source has declared it anew. */
export declare function isSameTrack(a: Track | undefined, b: Track | undefined): boolean;
/**
 * Gives each packet of one track the time until its successor. `next` is the packet after the last one when it is
 * known; else the last duration is the mean of the others.
 */
export declare function withDurations(packets: readonly MediaPacket[], next: MediaPacket | undefined): FragmentSample[];
//# sourceMappingURL=cut.d.ts.map
