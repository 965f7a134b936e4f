import { pictureSize, type Track, TsMuxer, writeInitSegment, writeMediaSegment } from '@sluice/media';
import { type Cut, type CutTracks, isSameTrack } from './cut.ts';
import type { HlsOptions } from './options.ts';
import type { HlsForm, HlsTrack } from './position.ts';

/** Bytes for each track of a form; a track that has none at that time is not there. */
export type TrackBytes = Readonly<Partial<Record<HlsTrack, Uint8Array>>>;

/** Writes parts of segments as long as it accepts their tracks; then another one has to be made. */
export interface SegmentMuxer {
  /** The Media Initialization Sections (RFC 8216 §3.3), or undefined when the container has none. */
  readonly init: TrackBytes | undefined;
  /**
   * True when it can go on with these tracks. Over a discontinuity too, which then needs neither another init nor
   * lets the continuity counters of a transport stream jump, which FFmpeg takes for damage.
   */
  accepts(tracks: CutTracks): boolean;
  /** Muxes one part, or a segment that is one part; the result owns its memory and is the only copy made of the media. */
  part(sequence: number, cut: Cut): TrackBytes;
}

/** What kind of muxer is wanted. */
export interface MuxerKind {
  readonly container: HlsOptions['container'];
  readonly form: HlsForm;
  /** The stream time that becomes zero, microseconds; not after the first packet. */
  readonly baseUs: number;
}

/** Makes the muxer of a container for the tracks of `cut`, which is the first part that it will write. */
export function createMuxer(kind: MuxerKind, cut: Cut): SegmentMuxer {
  if (kind.container === 'ts') return createTsMuxer(cut.tracks);
  return kind.form === 'split' ? createSplitMuxer(cut, kind.baseUs) : createFmp4Muxer(cut, kind.baseUs);
}

function createFmp4Muxer(first: Cut, baseUs: number): SegmentMuxer {
  const { tracks } = first;
  const list = listOf(tracks);
  return {
    init: { main: writeInitSegment(list, { pictureSize: pictureSizeOf(first) }) },
    accepts: (next) => isSameTrack(next.video, tracks.video) && isSameTrack(next.audio, tracks.audio),
    part: (sequence, cut) => ({
      main: writeMediaSegment(
        sequence,
        list.map((track) => ({ track, samples: track.kind === 'video' ? cut.video : cut.audio })),
        { styp: cut.opens, baseUs },
      ),
    }),
  };
}

/** Picture and sound as CMAF tracks of their own (ISO 23000-19 §7.3.3). */
function createSplitMuxer(first: Cut, baseUs: number): SegmentMuxer {
  const { tracks } = first;
  const list = listOf(tracks);
  const size = pictureSizeOf(first);
  return {
    init: Object.fromEntries(list.map((track) => [track.kind, writeInitSegment([track], { pictureSize: size })])),
    accepts: (next) => isSameTrack(next.video, tracks.video) && isSameTrack(next.audio, tracks.audio),
    part: (sequence, cut) => {
      const parts: Partial<Record<HlsTrack, Uint8Array>> = {};
      for (const track of list) {
        const samples = track.kind === 'video' ? cut.video : cut.audio;
        if (samples.length === 0) continue;
        parts[track.kind] = writeMediaSegment(sequence, [{ track, samples }], { styp: cut.opens, baseUs });
      }
      return parts;
    },
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
    part: (_sequence, cut) => ({ main: muxer.segment(cut.packets) }),
  };
}

function listOf(tracks: CutTracks): readonly Track[] {
  return [tracks.video, tracks.audio].filter((t): t is Track => t !== undefined);
}
