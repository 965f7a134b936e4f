import { pictureSize, type Track, TsMuxer, writeInitSegment, writeMediaSegment } from '@sluice/media';
import { type Cut, type CutTracks, isSameTrack } from './cut.ts';
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

/**
 * Makes the muxer of a container for the tracks of `cut`, which is the first segment that it will write. `baseUs` is
 * the stream time that becomes zero; not after the first packet.
 */
export function createMuxer(container: HlsOptions['container'], cut: Cut, baseUs: number): SegmentMuxer {
  return container === 'ts' ? createTsMuxer(cut.tracks) : createFmp4Muxer(cut, baseUs);
}

function createFmp4Muxer(first: Cut, baseUs: number): SegmentMuxer {
  const { tracks } = first;
  const list = listOf(tracks);
  return {
    init: writeInitSegment(list, { pictureSize: pictureSizeOf(first) }),
    accepts: (next) => isSameTrack(next.video, tracks.video) && isSameTrack(next.audio, tracks.audio),
    segment: (sequence, cut) =>
      writeMediaSegment(
        sequence,
        list.map((track) => ({ track, samples: track.kind === 'video' ? cut.video : cut.audio })),
        { styp: true, baseUs },
      ),
  };
}

/** Size in pixels of a segment's pictures, from its first key frame; undefined when it has none that tells it. */
export function pictureSizeOf({ video }: Cut): { width: number; height: number } | undefined {
  const first = video.find(({ packet }) => packet.key);
  return first && pictureSize(first.packet);
}

function createTsMuxer(tracks: CutTracks): SegmentMuxer {
  const muxer = new TsMuxer(listOf(tracks));
  return {
    init: undefined,
    // Parameter sets are in the segments themselves; only the programme map must stay the same.
    accepts: (next) => next.video?.id === tracks.video?.id && next.audio?.id === tracks.audio?.id,
    segment: (_sequence, cut) => muxer.segment(cut.packets),
  };
}

function listOf(tracks: CutTracks): readonly Track[] {
  return [tracks.video, tracks.audio].filter((t): t is Track => t !== undefined);
}
