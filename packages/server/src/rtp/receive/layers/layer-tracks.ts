import type { NegotiatedTrack } from '../options.ts';

/** More encodings of one picture than this are not received; browsers send three. */
const MAX_LAYERS = 4;

/** A track that is received by itself: one that is sent once, or one encoding of a picture that is sent in several. */
export interface LayerTrack extends NegotiatedTrack {
  /** Name of the encoding; undefined for a track that is sent once. */
  readonly rid?: string | undefined;
}

/** The tracks with their encodings each as one of its own, in the order of the offer; of them no more than four. */
export function layerTracks(tracks: readonly NegotiatedTrack[]): readonly LayerTrack[] {
  return tracks.flatMap((track) => {
    const { layers, ...common } = track;
    const [only] = layers ?? [];
    if (layers === undefined || only === undefined) return [track];
    if (layers.length === 1) return [{ ...common, ssrc: only.ssrc, rtxSsrc: only.rtxSsrc }];
    return layers.slice(0, MAX_LAYERS).map(({ rid, ssrc, rtxSsrc }) => ({ ...common, rid, ssrc, rtxSsrc }));
  });
}
