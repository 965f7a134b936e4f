import type { Track } from '../packet.ts';
import { type FragmentTrack, haveSameParameters, writeMediaSegment } from './fmp4.ts';
import { type InitSegmentOptions, writeInitSegment } from './init-segment.ts';

/** Choices for {@link Mp4FragmentWriter}. */
export interface Mp4FragmentWriterOptions extends Omit<InitSegmentOptions, 'recording'> {
  /** Stream time that becomes zero in the file, microseconds; not later than the first `dtsUs`. Default 0. */
  readonly baseUs?: number | undefined;
}

/**
 * Writes an MP4 file that is playable after each fragment, and that `planMp4InPlace` can finish: {@link head} once,
 * then any number of {@link fragment}s. Keeps what the fragments must know of each other: their numbers, and which
 * tracks have changed their parameters since the head and so carry them in their key frames from then on.
 */
export class Mp4FragmentWriter {
  readonly #tracks: readonly Track[];
  readonly #options: Mp4FragmentWriterOptions;
  readonly #changed = new Set<number>();
  #sequence = 0;

  /** @param tracks each with another `id`; `track_ID` is `id + 1`. */
  constructor(tracks: readonly Track[], options: Mp4FragmentWriterOptions = {}) {
    this.#tracks = tracks;
    this.#options = options;
  }

  /** @throws ProtocolError as {@link writeInitSegment} does */
  head(): Uint8Array {
    return writeInitSegment(this.#tracks, { ...this.#options, recording: true });
  }

  /**
   * One fragment with the samples of any of the tracks; their `track` only names the one of the head by its id.
   * @throws RangeError as {@link writeMediaSegment} does, and for a track that the head does not have
   */
  fragment(entries: readonly FragmentTrack[]): Uint8Array {
    const known = entries.map((entry) => this.#entryOf(entry));
    this.#sequence += 1;
    return writeMediaSegment(this.#sequence, known, { baseUs: this.#options.baseUs ?? 0 });
  }

  #entryOf({ track: { id }, samples }: FragmentTrack): FragmentTrack {
    const track = this.#tracks.find((candidate) => candidate.id === id);
    if (track === undefined) throw new RangeError(`the file has no track ${id}`);
    if (samples.some(({ packet }) => !haveSameParameters(track, packet.track))) this.#changed.add(id);
    return { track, samples, inBandParameters: this.#changed.has(id) };
  }
}
