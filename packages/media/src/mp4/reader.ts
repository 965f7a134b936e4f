import type { ByteSource, MediaFileReader } from '../file-plan.ts';
import { type MediaPacket, ProtocolError } from '../packet.ts';
import { asBadFile, badFile, childBoxes, readBoxHeader, requireBox } from './box-reader.ts';
import { type Mp4Sample, type Mp4Track, parseTimescale, parseTrack } from './mp4-track.ts';
import { makePacket } from './sample-packet.ts';

export type { Mp4Sample, Mp4Track } from './mp4-track.ts';

const MAX_MOOV_BYTES = 64 * 1024 * 1024;
const MAX_SAMPLES = 20_000_000;
const MAX_TRACKS = 64;
const MAX_TOP_LEVEL_BOXES = 10_000;
/** Bytes that one read may span, unless a single sample is larger. */
const MAX_READ_BYTES = 1024 * 1024;
/** Bytes between two samples that are cheaper to read along than to start another read for. */
const MAX_GAP_BYTES = 16 * 1024;
/** Samples looked ahead at once, which bounds the index objects of tiny samples. */
const MAX_BATCH_SAMPLES = 2048;

/** A sample with the track it belongs to, in the order of decoding. */
interface PlannedSample {
  /** Index in `Mp4Reader.tracks`. */
  readonly trackIndex: number;
  readonly sample: Mp4Sample;
  /** Stored bytes; set when the batch has been read. */
  data: Uint8Array;
}

/**
 * Reads MP4 files (ISO 14496-12, 14496-14, 14496-15) with the index in one `moov` box, wherever that box is. Only
 * the index is kept in memory: about 12 bytes per sample.
 */
export class Mp4Reader implements MediaFileReader {
  /** Tracks that the hub can carry; `track.id` is the index here. */
  readonly tracks: readonly Mp4Track[];
  /** Time from zero to the end of the longest track, in microseconds. */
  readonly durationUs: number;
  /** What was left out, by sample entry type such as `ac-3` or `mp4a.6b`. */
  readonly skipped: readonly string[];
  readonly #source: ByteSource;

  private constructor(source: ByteSource, tracks: readonly Mp4Track[], skipped: readonly string[]) {
    this.#source = source;
    this.tracks = tracks;
    this.skipped = skipped;
    this.durationUs = tracks.reduce((longest, track) => Math.max(longest, track.durationUs), 0);
  }

  /**
   * Reads the index of a file.
   *
   * @throws ProtocolError `MP4_BAD_FILE` when it breaks the format or exceeds a limit (`moov` 64 MiB, 20 million
   *   samples, 64 tracks, 64 MiB per sample), `MP4_FRAGMENTED` when its samples are in movie fragments.
   */
  static async open(source: ByteSource): Promise<Mp4Reader> {
    const moov = await readMoov(source);
    const boxes = childBoxes(moov);
    if (boxes.some((box) => box.type === 'mvex')) throw fragmented();
    const traks = boxes.filter((box) => box.type === 'trak');
    if (traks.length > MAX_TRACKS) throw badFile(`${traks.length} tracks are too many`);

    const movieTimescale = parseTimescale(requireBox(moov, 'mvhd'));
    const tracks: Mp4Track[] = [];
    const skipped: string[] = [];
    let maxSamples = MAX_SAMPLES;
    for (const trak of traks) {
      const parsed = parseTrack(trak.content, tracks.length, movieTimescale, { fileSize: source.size, maxSamples });
      if (typeof parsed === 'string') {
        skipped.push(parsed);
      } else {
        tracks.push(parsed);
        maxSamples -= parsed.sampleCount;
      }
    }
    return new Mp4Reader(source, tracks, skipped);
  }

  /**
   * All packets of all tracks, by ascending `dtsUs`; at equal times in the order of the tracks. Holds about 1 MiB of
   * the file at a time. In-band parameter sets that differ from the current ones make a new `track` object. Samples
   * without any picture or frame data are passed over.
   *
   * @throws ProtocolError `MP4_BAD_FILE` when a sample breaks its format; what the source rejects with, unchanged.
   */
  async *readSamples(): AsyncGenerator<MediaPacket> {
    const current = this.tracks.map((entry) => entry.track);
    for (const batch of this.#batches()) {
      await readBatch(this.#source, batch);
      for (const { trackIndex, sample, data } of batch) {
        const entry = this.tracks[trackIndex];
        const track = current[trackIndex];
        if (entry === undefined || track === undefined) continue;
        const packet = asBadFile(() => makePacket(track, entry.lengthSize, sample, data));
        current[trackIndex] = packet.track;
        if (packet.byteLength > 0) yield packet;
      }
    }
  }

  /** See {@link MediaFileReader.readPackets}. */
  async *readPackets(fromUs = 0): AsyncGenerator<MediaPacket> {
    if (fromUs > 0) throw new Error('seeking is not there yet');
    yield* this.readSamples();
  }

  /** Cuts the decode order into batches of about 1 MiB. */
  *#batches(): Generator<PlannedSample[]> {
    let batch: PlannedSample[] = [];
    let bytes = 0;
    for (const planned of this.#decodeOrder()) {
      if (batch.length > 0 && (bytes + planned.sample.size > MAX_READ_BYTES || batch.length === MAX_BATCH_SAMPLES)) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(planned);
      bytes += planned.sample.size;
    }
    if (batch.length > 0) yield batch;
  }

  *#decodeOrder(): Generator<PlannedSample> {
    const cursors = this.tracks.map((entry, trackIndex) => ({
      entry,
      trackIndex,
      next: 0,
      sample: sampleAt(entry, 0),
    }));
    while (true) {
      let earliest: (typeof cursors)[number] | undefined;
      let found: Mp4Sample | undefined;
      for (const cursor of cursors) {
        if (cursor.sample === undefined || (found && found.dtsUs <= cursor.sample.dtsUs)) continue;
        earliest = cursor;
        found = cursor.sample;
      }
      if (earliest === undefined || found === undefined) return;
      earliest.sample = sampleAt(earliest.entry, ++earliest.next);
      yield { trackIndex: earliest.trackIndex, sample: found, data: NO_BYTES };
    }
  }
}

const NO_BYTES = new Uint8Array();

function sampleAt(entry: Mp4Track, index: number): Mp4Sample | undefined {
  return index < entry.sampleCount ? entry.sample(index) : undefined;
}

function fragmented(): ProtocolError {
  return new ProtocolError('MP4_FRAGMENTED', 'samples in movie fragments are not supported; remux the file');
}

/** Walks the boxes of the file and returns the content of `moov`. */
async function readMoov(source: ByteSource): Promise<Uint8Array> {
  let position = 0;
  let sawFragment = false;
  for (let i = 0; i < MAX_TOP_LEVEL_BOXES; i++) {
    const available = source.size - position;
    const bytes = await readExactly(source, position, Math.max(0, Math.min(16, available)));
    const header = readBoxHeader(bytes, available);
    if (header === undefined) break;
    if (header.type === 'moov') {
      const length = header.size - header.headerBytes;
      if (length > MAX_MOOV_BYTES) throw badFile(`moov has ${length} bytes`);
      return readExactly(source, position + header.headerBytes, length);
    }
    if (header.type === 'moof') sawFragment = true;
    position += header.size;
  }
  throw sawFragment ? fragmented() : badFile('box moov is missing');
}

async function readExactly(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  if (length === 0) return NO_BYTES;
  const bytes = await source.read(offset, length);
  if (bytes.length !== length) throw badFile(`the file ends before byte ${offset + length}`);
  return bytes;
}

/** Fills in the data of a batch with as few reads as its samples' positions allow. */
async function readBatch(source: ByteSource, batch: readonly PlannedSample[]): Promise<void> {
  const byOffset = batch.toSorted((a, b) => a.sample.offset - b.sample.offset);
  let first = 0;
  while (first < byOffset.length) {
    const start = byOffset[first]?.sample.offset ?? 0;
    let end = start;
    let next = first;
    for (; next < byOffset.length; next++) {
      const sample = byOffset[next]?.sample;
      if (sample === undefined) break;
      const sampleEnd = Math.max(end, sample.offset + sample.size);
      if (next > first && (sample.offset > end + MAX_GAP_BYTES || sampleEnd - start > MAX_READ_BYTES)) break;
      end = sampleEnd;
    }
    const bytes = await readExactly(source, start, end - start);
    for (const planned of byOffset.slice(first, next)) {
      const position = planned.sample.offset - start;
      planned.data = bytes.subarray(position, position + planned.sample.size);
    }
    first = next;
  }
}
