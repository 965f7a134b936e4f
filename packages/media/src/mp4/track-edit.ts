import type { CollectedTrack } from './collected-track.ts';

/** Units per second of a movie whose tracks have no empty edits, as most writers use it. */
const USUAL_TIMESCALE = 1000;
/** A larger common multiple of the tracks' timescales would make the durations needlessly long. */
const MAX_TIMESCALE = 100_000_000;

/** The edit list of a track (ISO 14496-12 §8.6.6): maybe nothing for a while, then the media from a time on. */
export interface TrackEdit {
  /** False when the media is shown from its first sample on, from time zero. */
  readonly isNeeded: boolean;
  /** Of nothing at the start, in units of the movie's timescale. */
  readonly emptyDuration: number;
  /** Of what is shown, in units of the movie's timescale. */
  readonly duration: number;
  /** Media time, counted from the first sample's decoding, that is shown first; in units of the track's timescale. */
  readonly mediaStart: number;
  /** Time from zero to the end of the track, in units of the movie's timescale. */
  readonly totalDuration: number;
}

/** Where a track begins on the new timeline, exactly: in units of its own timescale. */
interface Placement {
  /** Nothing for so long. */
  readonly empty: number;
  readonly mediaStart: number;
}

/**
 * The movie's timescale and the edits of its tracks, so that each sample is shown when the source showed it, counted
 * from `startUs`. The timescale is chosen so that delays are exact.
 */
export function planEdits(
  tracks: readonly CollectedTrack[],
  startUs: number,
): { timescale: number; edits: TrackEdit[] } {
  const placements = tracks.map((track) => placementOf(track, startUs));
  const timescale = chooseTimescale(tracks, placements);
  const edits = tracks.map((track, index) => {
    const { empty, mediaStart } = placements[index] ?? { empty: 0, mediaStart: 0 };
    const scale = timescale / track.source.time.timescale;
    const emptyDuration = Math.round(empty * scale);
    const duration = Math.ceil(Math.max(0, track.presentationEnd - mediaStart) * scale);
    const isNeeded = emptyDuration > 0 || mediaStart > 0;
    return { isNeeded, emptyDuration, duration, mediaStart, totalDuration: emptyDuration + duration };
  });
  return { timescale, edits };
}

function placementOf(track: CollectedTrack, startUs: number): Placement {
  const { empty, mediaStart } = exactPlacement(track, startUs);
  // Media whose first picture is shown late gets an edit that begins with it. Otherwise FFmpeg moves the whole track to
  // the start of the edit, and GStreamer, for want of an edit, leaves out the pictures after the end of decoding.
  const late = Math.max(0, track.presentationStart - mediaStart);
  return { empty: empty + late, mediaStart: mediaStart + late };
}

function exactPlacement({ source, firstDts }: CollectedTrack, startUs: number): Placement {
  const { timescale, mediaStart, delayUs } = source.time;
  const startsAt = ((delayUs - startUs) * timescale) / 1e6 + Math.max(0, firstDts - mediaStart);
  const hidden = Math.max(0, mediaStart - firstDts);
  // Whole units: source times are multiples of them, and what is left is rounding.
  const empty = Math.round(startsAt);
  return empty >= 0 ? { empty, mediaStart: hidden } : { empty: 0, mediaStart: hidden - empty };
}

/** The smallest usual timescale that tells all delays exactly, else the least common multiple of the tracks' own. */
function chooseTimescale(tracks: readonly CollectedTrack[], placements: readonly Placement[]): number {
  const own = tracks.map(({ source }) => source.time.timescale);
  const multiple = own.reduce((product, scale) => (product > MAX_TIMESCALE ? product : lcm(product, scale)), 1);
  const isExact = (timescale: number): boolean =>
    placements.every(({ empty }, index) => (empty * timescale) % (own[index] ?? 1) === 0);
  const exact = [USUAL_TIMESCALE, ...own].find(isExact);
  return exact ?? (multiple <= MAX_TIMESCALE ? multiple : Math.max(...own));
}

function lcm(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
