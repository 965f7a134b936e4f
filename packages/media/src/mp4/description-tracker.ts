import type { ByteSource } from '../file-plan.ts';
import { ProtocolError, type Track } from '../packet.ts';
import type { CollectedTrack } from './collected-track.ts';
import type { Movie } from './movie.ts';
import type { RawSample } from './raw-sample.ts';
import { ReadAhead } from './read-ahead.ts';
import type { SampleDescription } from './sample-entry.ts';
import { trackOfHead } from './sample-packet.ts';

/** Of a key sample, to see whether it has parameter sets; more when they are longer. */
const HEAD_BYTES = 64;
const MAX_HEAD_BYTES = 64 * 1024;
/** Codecs whose key samples can carry a configuration that differs from the sample description. */
const CHANGES_IN_BAND: ReadonlySet<string> = new Set(['h264', 'h265', 'av1']);

interface Current {
  /** With the parameters that came last. */
  description: SampleDescription;
  /** Index of the description that the file gives, -1 before the first sample. */
  fileIndex: number;
  /** Index of the description in the new file. */
  index: number;
}

/**
 * Finds out which sample description each sample needs: in files with fragments, key samples may bring parameters that
 * no description has; those get one of their own.
 */
export class DescriptionTracker {
  readonly #movie: Movie;
  readonly #tracks: readonly CollectedTrack[];
  readonly #heads: ReadAhead;
  readonly #current: Current[];

  /** @param tracks those of `movie`, which get the descriptions. */
  constructor(source: ByteSource, movie: Movie, tracks: readonly CollectedTrack[]) {
    this.#movie = movie;
    this.#tracks = tracks;
    this.#heads = new ReadAhead(source, HEAD_BYTES);
    this.#current = movie.tracks.map(({ main }) => ({ description: main, fileIndex: -1, index: 0 }));
  }

  /**
   * Index of the description of the next sample of a track; undefined when the hub can't carry it.
   * @param known what has been read already, and may have the sample's head by chance
   */
  descriptionOf(trackIndex: number, sample: RawSample, known: ReadAhead): number | undefined | Promise<number> {
    const current = this.#current[trackIndex];
    const inFile = this.#movie.tracks[trackIndex]?.descriptions[sample.description];
    if (current === undefined || inFile === undefined) return undefined;
    if (current.fileIndex !== sample.description) {
      current.description = inFile;
      current.fileIndex = sample.description;
      current.index = sample.description;
    }
    const canChange = this.#movie.isFragmented && sample.key && CHANGES_IN_BAND.has(inFile.track.codec);
    return canChange ? this.#read(trackIndex, sample, known) : current.index;
  }

  async #read(trackIndex: number, { offset, size }: RawSample, known: ReadAhead): Promise<number> {
    const current = this.#current[trackIndex];
    const collected = this.#tracks[trackIndex];
    if (current === undefined || collected === undefined) return 0;
    for (let length = Math.min(size, HEAD_BYTES); ; length = Math.min(size, length * 8)) {
      const head = known.peek(offset, length) ?? (await this.#heads.read(offset, length));
      const track = trackIn(current.description, head);
      if (track !== undefined && track !== current.description.track) {
        current.index = indexOf(collected, track) ?? current.index;
        current.description = { ...current.description, track };
      }
      if (track !== undefined || length === size || length >= MAX_HEAD_BYTES) return current.index;
    }
  }
}

/** Broken parameters do not make a description: they stay in the sample, as they were. */
function trackIn(description: SampleDescription, head: Uint8Array): Track | undefined {
  return unlessBroken(() => trackOfHead(description, head), description.track);
}

function indexOf(collected: CollectedTrack, track: Track): number | undefined {
  return unlessBroken(() => collected.descriptionOf(track), undefined);
}

function unlessBroken<Result>(attempt: () => Result, otherwise: Result): Result {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof ProtocolError) return otherwise;
    throw error;
  }
}
