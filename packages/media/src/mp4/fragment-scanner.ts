import { ProtocolError } from '../packet.ts';
import { type BoxRange, boxAt, contentOf } from './box-range.ts';
import { badFile, FieldReader } from './box-reader.ts';
import type { Movie } from './movie.ts';
import { parseMovieFragment, type TrackFragment } from './movie-fragment.ts';
import type { ReadAhead } from './read-ahead.ts';

const MAX_MOOF_BYTES = 32 * 1024 * 1024;
/** Boxes between two fragments; an honest file has a handful. */
const MAX_OTHER_BOXES = 10_000;

/** A `moof` and what follows it. */
export interface Fragment {
  /** Position of the `moof`. */
  readonly start: number;
  /** End of the `mdat` behind it, or of the `moof` itself when there is none. */
  readonly end: number;
  /** The bytes between, without headers; undefined when there is no `mdat`. */
  readonly data: { readonly start: number; readonly end: number } | undefined;
  readonly tracks: readonly TrackFragment[];
}

/** Choices for {@link FragmentScanner}. */
export interface FragmentScannerOptions {
  /**
   * Pass over fragments that can't be read instead of throwing, and take only those whose `mdat` is whole and holds
   * all their samples: for files that were cut off anywhere. Default false.
   */
  readonly onlyWhole?: boolean;
}

/**
 * Finds the fragments of a file by their heads, one after the other, without reading media. A box that is cut off or no
 * box at all ends the file: such is the end of one that is being written, or whose writer was stopped.
 */
export class FragmentScanner {
  readonly #source: ReadAhead;
  readonly #movie: Movie;
  readonly #onlyWhole: boolean;
  readonly #nextDts: number[];
  /** Bytes of fragments that were passed over because of their damage, with whole ones behind them. */
  damagedBytes = 0;
  #passedBytes = 0;
  #position: number;
  #bytes = 0;

  constructor(source: ReadAhead, movie: Movie, options: FragmentScannerOptions = {}) {
    this.#source = source;
    this.#movie = movie;
    this.#onlyWhole = options.onlyWhole ?? false;
    this.#position = movie.head.at(-1)?.end ?? 0;
    this.#nextDts = movie.tracks.map(() => 0);
  }

  /** Goes to the `moof` at a position, or before one. Fragments that do not tell their time are refused then. */
  seek(position: number): void {
    this.#position = position;
    this.#bytes = 0;
    const isStart = position === this.#movie.head.at(-1)?.end;
    this.#nextDts.fill(isStart ? 0 : Number.NaN);
  }

  /**
   * The next fragment, or undefined at the end.
   * @throws ProtocolError MP4_BAD_FILE for a damaged one
   */
  async next(): Promise<Fragment | undefined> {
    for (let others = 0; others < MAX_OTHER_BOXES; others++) {
      const box = await this.#box(this.#position);
      if (box === undefined) return undefined;
      this.#position = box.end;
      if (box.type !== 'moof') continue;
      const fragment = await this.#fragment(box);
      if (fragment === undefined) continue;
      this.damagedBytes += this.#passedBytes;
      this.#passedBytes = 0;
      return fragment;
    }
    throw badFile('too many boxes between fragments');
  }

  async #fragment(moof: BoxRange): Promise<Fragment | undefined> {
    const mdat = await this.#box(moof.end);
    // The media did not get as far as its head.
    if (mdat === undefined) this.#position = this.#source.size;
    if (mdat === undefined) return undefined;
    const data = mdat.type === 'mdat' ? { start: mdat.contentStart, end: mdat.end } : undefined;
    const end = data?.end ?? moof.end;
    if (data !== undefined) this.#position = end;
    if (!this.#onlyWhole) return { start: moof.start, end, data, tracks: await this.#parse(moof) };
    try {
      const tracks = data && (await this.#parse(moof));
      if (tracks?.every((track) => isWithin(track, data))) return { start: moof.start, end, data, tracks };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
    this.#passedBytes += end - moof.start;
    return undefined;
  }

  async #parse(moof: BoxRange): Promise<TrackFragment[]> {
    const content = await contentOf(this.#source, moof, MAX_MOOF_BYTES);
    const nextDts = this.#nextDts;
    const { size: fileSize } = this.#source;
    const tracks = parseMovieFragment(content, { movie: this.#movie, start: moof.start, fileSize, nextDts });
    for (const { samples } of tracks) for (const { size } of samples) this.#bytes += size;
    // Samples never share bytes, so this also keeps a small file from asking for endless reads of the same bytes.
    if (this.#bytes > fileSize) throw badFile('the samples are larger than the file');
    return tracks;
  }

  /** A box that is whole and has a name, or undefined: the file ends here. */
  async #box(position: number): Promise<BoxRange | undefined> {
    const available = this.#source.size - position;
    if (available < 8) return undefined;
    const length = Math.min(16, available);
    const fields = new FieldReader(this.#source.peek(position, length) ?? (await this.#source.read(position, length)));
    const size = fields.u32();
    const name = fields.u32();
    if (size === 0 || (size > 1 && size > available) || name === 0) return undefined;
    if (size === 1 && (fields.remaining < 8 || fields.u32() * 0x1_0000_0000 + fields.u32() > available)) {
      return undefined;
    }
    return boxAt(this.#source, position, this.#source.size);
  }
}

function isWithin({ samples }: TrackFragment, data: Fragment['data']): boolean {
  return data !== undefined && samples.every(({ offset, size }) => offset >= data.start && offset + size <= data.end);
}
