import { TsMuxer, writeInitSegment, writeMediaSegment } from '@sluice/media';
import { isSameTrack } from './cut.js';
/** Makes the muxer of a container. `baseUs` is the stream time that becomes zero; not after the first packet. */
export function createMuxer(container, tracks, baseUs) {
  return container === 'ts' ? createTsMuxer(tracks) : createFmp4Muxer(tracks, baseUs);
}
function createFmp4Muxer(tracks, baseUs) {
  const list = listOf(tracks);
  return {
    init: writeInitSegment(list),
    accepts: (next) => isSameTrack(next.video, tracks.video) && isSameTrack(next.audio, tracks.audio),
    segment: (sequence, cut) =>
      writeMediaSegment(
        sequence,
        list.map((track) => ({ track, samples: track.kind === 'video' ? cut.video : cut.audio })),
        { styp: true, baseUs },
      ),
  };
}
function createTsMuxer(tracks) {
  const muxer = new TsMuxer(listOf(tracks));
  return {
    init: undefined,
    // Parameter sets are in the segments themselves; only the programme map must stay the same.
    accepts: (next) => next.video?.id === tracks.video?.id && next.audio?.id === tracks.audio?.id,
    segment: (_sequence, cut) => muxer.segment(cut.packets),
  };
}
function listOf(tracks) {
  return [tracks.video, tracks.audio].filter((t) => t !== undefined);
}
//# sourceMappingURL=segment-muxer.js.map
