import { type Track, TsMuxer, writeInitSegment, writeMediaSegment } from '@sluice/media';
import type { Cut, CutTracks } from './cut.ts';
import type { HlsOptions } from './options.ts';

/** Writes segments of one decoder configuration; a new one is made at each discontinuity. */
export interface SegmentMuxer {
  /** The Media Initialization Section (RFC 8216 §3.3), or undefined when the container has none. */
  readonly init: Uint8Array | undefined;
  /** Muxes one segment; the result owns its memory and is the only copy made of the media. */
  segment(sequence: number, cut: Cut): Uint8Array;
}

/** Makes the muxer of a container. `baseUs` is the stream time that becomes zero; not after the first packet. */
export function createMuxer(container: HlsOptions['container'], tracks: CutTracks, baseUs: number): SegmentMuxer {
  const list = [tracks.video, tracks.audio].filter((t): t is Track => t !== undefined);
  return container === 'ts' ? createTsMuxer(list) : createFmp4Muxer(list, baseUs);
}

function createFmp4Muxer(tracks: readonly Track[], baseUs: number): SegmentMuxer {
  return {
    init: writeInitSegment(tracks),
    segment: (sequence, cut) =>
      writeMediaSegment(
        sequence,
        tracks.map((track) => ({ track, samples: track.kind === 'video' ? cut.video : cut.audio })),
        { styp: true, baseUs },
      ),
  };
}

function createTsMuxer(tracks: readonly Track[]): SegmentMuxer {
  const muxer = new TsMuxer(tracks);
  return { init: undefined, segment: (_sequence, cut) => muxer.segment(cut.packets) };
}
