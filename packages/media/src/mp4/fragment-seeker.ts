import type { ByteSource } from '../file-plan.ts';
import { type FragmentPlace, readFragmentIndex } from './fragment-index.ts';
import { FragmentScanner } from './fragment-scanner.ts';
import { type Movie, mainTrack } from './movie.ts';
import { ReadAhead } from './read-ahead.ts';
import { mediaTimeAt, microseconds, type TrackTime } from './track-time.ts';

/** Media between two places that are remembered of what has been searched. */
const PLACE_DISTANCE_SECONDS = 10;

/** A key frame in a fragmented file. */
export interface KeyPlace {
  /** Position of its `moof`. */
  readonly offset: number;
  readonly ptsUs: number;
}

/**
 * Finds key frames in a fragmented file: from the file's own index where it has one, else by the heads of the
 * fragments. What has been searched is remembered.
 */
export class FragmentSeeker {
  readonly #source: ByteSource;
  readonly #movie: Movie;
  #places: FragmentPlace[] | undefined;

  constructor(source: ByteSource, movie: Movie) {
    this.#source = source;
    this.#movie = movie;
  }

  /**
   * The last key frame of the main track that is shown at or before a time; undefined when there is none.
   * @throws ProtocolError MP4_BAD_FILE
   */
  async find(us: number): Promise<KeyPlace | undefined> {
    const main = mainTrack(this.#movie);
    const time = this.#movie.tracks[main]?.time;
    if (time === undefined) return undefined;
    const places = await this.#knownPlaces(main);
    const wanted = mediaTimeAt(time, us);
    let end = Number.POSITIVE_INFINITY;
    for (let index = places.findLastIndex((place) => place.time <= wanted); index >= 0; index--) {
      const { offset } = places[index] ?? { offset: 0 };
      const found = await this.#search(time, { from: offset, end, us });
      if (found !== undefined) return found;
      end = offset;
    }
    return undefined;
  }

  async #search(
    time: TrackTime,
    { from, end, us }: { from: number; end: number; us: number },
  ): Promise<KeyPlace | undefined> {
    const main = mainTrack(this.#movie);
    const scanner = new FragmentScanner(new ReadAhead(this.#source), this.#movie);
    scanner.seek(from);
    let found: KeyPlace | undefined;
    for (let fragment = await scanner.next(); fragment !== undefined; fragment = await scanner.next()) {
      if (fragment.start >= end) break;
      const samples = fragment.tracks.find(({ trackIndex }) => trackIndex === main)?.samples ?? [];
      const [first] = samples;
      if (first === undefined) continue;
      this.#remember({ offset: fragment.start, time: first.dts }, time);
      if (microseconds(time, first.dts) > us) break;
      for (const { key, dts, composition } of samples) {
        const ptsUs = microseconds(time, dts + composition);
        if (key && ptsUs <= us) found = { offset: fragment.start, ptsUs };
      }
    }
    return found;
  }

  async #knownPlaces(main: number): Promise<FragmentPlace[]> {
    if (this.#places !== undefined) return this.#places;
    const start = { offset: this.#movie.head.at(-1)?.end ?? 0, time: Number.NEGATIVE_INFINITY };
    this.#places = [start, ...(await readFragmentIndex(new ReadAhead(this.#source), this.#movie, main))];
    return this.#places;
  }

  #remember(place: FragmentPlace, time: TrackTime): void {
    const last = this.#places?.at(-1);
    if (last === undefined || place.offset <= last.offset) return;
    const enough = Math.max(last.time, time.mediaStart) + PLACE_DISTANCE_SECONDS * time.timescale;
    if (place.time >= enough) this.#places?.push(place);
  }
}
