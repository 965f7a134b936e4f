import type { ByteSource, FileTrack, MediaFileReader } from '../file-plan.ts';
import type { MediaPacket } from '../packet.ts';
import { asBadFile } from './box-reader.ts';
import { DecodeOrder, type OrderedSample } from './decode-order.ts';
import { FragmentSeeker } from './fragment-seeker.ts';
import { type Movie, readMovie } from './movie.ts';
import { ReadAhead, readExactly } from './read-ahead.ts';
import type { SampleDescription } from './sample-entry.ts';
import { makePacket } from './sample-packet.ts';

/** Bytes that one read may span, unless a single sample is larger. */
const MAX_READ_BYTES = 1024 * 1024;
/** Bytes between two samples that are cheaper to read along than to start another read for. */
const MAX_GAP_BYTES = 16 * 1024;
/** Samples looked ahead at once, which bounds the index objects of tiny samples. */
const MAX_BATCH_SAMPLES = 2048;

/** A sample that is about to be read. */
interface PlannedSample extends OrderedSample {
  /** Stored bytes; set when the batch has been read. */
  data: Uint8Array;
}

/** What is known of a track at a place in the file. */
interface TrackState {
  /** Index of the sample description that it goes by. */
  description: number | undefined;
  current: SampleDescription;
}

/**
 * Reads MP4 files (ISO 14496-12, 14496-14, 14496-15): with the index in one `moov` box, wherever that box is, and with
 * movie fragments, also while they are being written. The index stays in the file: a few windows of it are in memory.
 */
export class Mp4Reader implements MediaFileReader {
  /** Tracks that the hub can carry; `track.id` is the index here. */
  readonly tracks: readonly FileTrack[];
  /** Time from zero to the end of the longest track, microseconds; 0 where the file does not tell. */
  readonly durationUs: number;
  /** What was left out, by sample entry type such as `ac-3` or `mp4a.6b`. */
  readonly skipped: readonly string[];
  readonly #source: ByteSource;
  readonly #movie: Movie;
  readonly #seeker: FragmentSeeker;

  private constructor(source: ByteSource, movie: Movie) {
    this.#source = source;
    this.#movie = movie;
    this.#seeker = new FragmentSeeker(source, movie);
    const allUs = Math.round((movie.fragmentsDuration * 1e6) / movie.timescale);
    this.tracks = movie.tracks.map(({ main, time }) => ({
      track: main.track,
      durationUs: movie.isFragmented ? allUs : time.durationUs,
    }));
    this.skipped = movie.skipped;
    this.durationUs = this.tracks.reduce((longest, { durationUs }) => Math.max(longest, durationUs), 0);
  }

  /**
   * Reads what a file says of its tracks, some kilobytes.
   * @throws ProtocolError MP4_BAD_FILE when it breaks the format or exceeds a limit (20 million samples and 64 tracks)
   */
  static async open(source: ByteSource): Promise<Mp4Reader> {
    return new Mp4Reader(source, await readMovie(new ReadAhead(source)));
  }

  /**
   * See {@link MediaFileReader.readPackets}; at equal times in the order of the tracks. Holds about 1 MiB of the file
   * at a time. Samples without any picture or frame data are passed over. A file with fragments that ends in the middle
   * of one ends with the one before.
   * @throws ProtocolError MP4_BAD_FILE when an index lies or a sample breaks its format (at most 64 MiB); what the
   *   source rejects with, unchanged
   */
  async *readPackets(fromUs = 0): AsyncGenerator<MediaPacket> {
    const order = new DecodeOrder(this.#source, this.#movie);
    await order.start(fromUs, this.#seeker);
    const states = this.#movie.tracks.map(({ main }): TrackState => ({ description: undefined, current: main }));
    for (let batch = await nextBatch(order); batch.length > 0; batch = await nextBatch(order)) {
      await readBatch(this.#source, batch);
      for (const planned of batch) {
        const packet = this.#packet(planned, states);
        if (packet !== undefined && packet.byteLength > 0) yield packet;
      }
    }
  }

  #packet({ trackIndex, raw, dtsUs, ptsUs, data }: PlannedSample, states: TrackState[]): MediaPacket | undefined {
    const state = states[trackIndex];
    const description = this.#movie.tracks[trackIndex]?.descriptions[raw.description];
    if (state === undefined || description === undefined) return undefined;
    if (state.description !== raw.description) {
      state.description = raw.description;
      state.current = description;
    }
    const packet = asBadFile(() => makePacket(state.current, { dtsUs, ptsUs }, data));
    if (packet.track !== state.current.track) state.current = { ...state.current, track: packet.track };
    return packet;
  }
}

const NO_BYTES = new Uint8Array();

/** The next samples, about 1 MiB; none at the end. */
async function nextBatch(order: DecodeOrder): Promise<PlannedSample[]> {
  const batch: PlannedSample[] = [];
  let bytes = 0;
  while (bytes < MAX_READ_BYTES && batch.length < MAX_BATCH_SAMPLES) {
    const next = order.next();
    const sample = next instanceof Promise ? await next : next;
    if (sample === undefined) break;
    batch.push({ ...sample, data: NO_BYTES });
    bytes += sample.raw.size;
  }
  return batch;
}

/** Fills in the data of a batch with as few reads as its samples' positions allow. */
async function readBatch(source: ByteSource, batch: readonly PlannedSample[]): Promise<void> {
  const byOffset = batch.toSorted((a, b) => a.raw.offset - b.raw.offset);
  let first = 0;
  while (first < byOffset.length) {
    const start = byOffset[first]?.raw.offset ?? 0;
    let end = start;
    let next = first;
    for (; next < byOffset.length; next++) {
      const sample = byOffset[next]?.raw;
      if (sample === undefined) break;
      const sampleEnd = Math.max(end, sample.offset + sample.size);
      if (next > first && (sample.offset > end + MAX_GAP_BYTES || sampleEnd - start > MAX_READ_BYTES)) break;
      end = sampleEnd;
    }
    const bytes = await readExactly(source, start, end - start);
    for (const planned of byOffset.slice(first, next)) {
      const position = planned.raw.offset - start;
      planned.data = bytes.subarray(position, position + planned.raw.size);
    }
    first = next;
  }
}
