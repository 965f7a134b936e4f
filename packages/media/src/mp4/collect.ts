import type { ByteSource } from '../file-plan.ts';
import { badFile } from './box-reader.ts';
import { CollectedTrack } from './collected-track.ts';
import { DescriptionTracker } from './description-tracker.ts';
import { FragmentScanner } from './fragment-scanner.ts';
import { type Movie, readMovie } from './movie.ts';
import type { RawSample } from './raw-sample.ts';
import { ReadAhead } from './read-ahead.ts';
import { TableCursor } from './table-cursor.ts';

const TABLE_BATCH = 4096;
const MAX_SAMPLES = 20_000_000;

/** Samples of a file that are to be in another one. */
export interface CollectedMovie {
  readonly movie: Movie;
  /** Only tracks with samples; at least one. */
  readonly tracks: readonly CollectedTrack[];
  /** Where the last whole fragment ends; the length of the file when it has none. */
  readonly end: number;
  /** Bytes of what is no whole fragment. */
  readonly tornBytes: number;
}

/** Puts samples into tracks, and counts. */
export class Collector {
  /** In the order of the movie's tracks. */
  readonly tracks: readonly CollectedTrack[];
  readonly #source: ByteSource;
  readonly #descriptions: DescriptionTracker;
  #samples = 0;
  #bytes = 0;

  constructor(source: ByteSource, movie: Movie) {
    this.#source = source;
    this.tracks = movie.tracks.map((track) => new CollectedTrack(track));
    this.#descriptions = new DescriptionTracker(source, movie, this.tracks);
  }

  /**
   * Adds the next sample of a track.
   * @param known what has been read already, and may have the sample's head by chance
   * @throws ProtocolError MP4_BAD_FILE when there are more than 20 million, or more bytes than the file has
   */
  async add(trackIndex: number, sample: RawSample, known: ReadAhead): Promise<void> {
    const pending = this.#descriptions.descriptionOf(trackIndex, sample, known);
    const description = pending instanceof Promise ? await pending : pending;
    if (description === undefined) return;
    this.#samples += 1;
    this.#bytes += sample.size;
    if (this.#samples > MAX_SAMPLES) throw badFile('there are too many samples');
    // Samples never share bytes: a plan must not make a file larger than its source.
    if (this.#bytes > this.#source.size) throw badFile('the samples are larger than the file');
    this.tracks[trackIndex]?.add(sample, description);
  }
}

/**
 * Collects all samples of a file with fragments, whole or cut off anywhere, or without. Reads the index, the heads of
 * the fragments, and those of key pictures in fragments, where new parameters may be.
 *
 * @throws ProtocolError MP4_BAD_FILE when there is no sample, and for a damaged file; damaged fragments are passed over
 */
export async function collectMovie(source: ByteSource): Promise<CollectedMovie> {
  const heads = new ReadAhead(source);
  const movie = await readMovie(heads);
  const collector = new Collector(source, movie);
  for (const [trackIndex, { tables }] of movie.tracks.entries()) {
    const cursor = new TableCursor(source, tables);
    for (let batch = await cursor.read(TABLE_BATCH); batch.length > 0; batch = await cursor.read(TABLE_BATCH)) {
      for (const sample of batch) await collector.add(trackIndex, sample, heads);
    }
  }
  const torn = movie.isFragmented
    ? await collectFragments(collector, new FragmentScanner(heads, movie, { onlyWhole: true }), heads)
    : { end: source.size, tornBytes: 0 };
  const tracks = collector.tracks.filter(({ count }) => count > 0);
  if (tracks.length === 0) throw badFile('there are no samples');
  return { movie, tracks, ...torn };
}

async function collectFragments(
  collector: Collector,
  scanner: FragmentScanner,
  heads: ReadAhead,
): Promise<{ end: number; tornBytes: number }> {
  let end = 0;
  for (let fragment = await scanner.next(); fragment !== undefined; fragment = await scanner.next()) {
    end = fragment.end;
    for (const { trackIndex, samples } of fragment.tracks) {
      for (const sample of samples) await collector.add(trackIndex, sample, heads);
    }
  }
  return { end: end || heads.size, tornBytes: end === 0 ? 0 : heads.size - end + scanner.damagedBytes };
}
