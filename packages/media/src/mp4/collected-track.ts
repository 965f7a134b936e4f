import type { Track } from '../packet.ts';
import { badFile } from './box-reader.ts';
import { BoxWriter } from './box-writer.ts';
import { haveSameParameters } from './fmp4.ts';
import { float64Column, int32Column, uint32Column } from './growing-column.ts';
import type { MovieTrack } from './movie.ts';
import type { RawSample } from './raw-sample.ts';
import { pictureShape, writeSampleEntry } from './sample-entry-writer.ts';

/** Bounds of a chunk, so that a file with one track has some to seek by. */
const MAX_CHUNK_SAMPLES = 2000;
const MAX_CHUNK_BYTES = 4 * 1024 * 1024;
/** Sample descriptions of a track; what changes more often goes on in-band alone. */
const MAX_DESCRIPTIONS = 1000;
/** Of {@link MovieTrack.geometry}: nine numbers of a matrix, then width and height in 16.16. */
const WIDTH_AT = 36;
const GEOMETRY_BYTES = WIDTH_AT + 8;
/** Pictures between which the order of showing may differ from that of decoding; H.264 allows 16 (A.3.1). */
const REORDER_DEPTH = 32;

/**
 * The samples of one track for a new index: 12 bytes each, and some for each chunk, that is for samples that lie
 * together. Times are in units of the track's timescale.
 */
export class CollectedTrack {
  readonly source: MovieTrack;
  /** The decoder configurations, in the order of the sample descriptions. */
  readonly tracks: Track[];
  /** The boxes for `stsd`. */
  readonly entries: Uint8Array[];
  readonly durations = uint32Column();
  readonly compositions = int32Column();
  readonly sizes = uint32Column();
  /** Numbers of the sync samples, from 1. */
  readonly keys = uint32Column();
  readonly chunkOffsets = float64Column();
  readonly chunkBytes = float64Column();
  readonly chunkSamples = uint32Column();
  /** Indices in {@link entries}. */
  readonly chunkDescriptions = uint32Column();
  /** Decoding time of the first sample. */
  firstDts = 0;
  #lastDts = 0;
  #total = 0;
  #bytes = 0;

  constructor(source: MovieTrack) {
    this.source = source;
    this.tracks = source.descriptions.map((description) => (description ?? source.main).track);
    this.entries = [...source.entries];
  }

  /** Number of samples. */
  get count(): number {
    return this.sizes.length;
  }

  /** Bytes of all samples. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Time from the first sample's decoding to the end of the last one. */
  get totalDuration(): number {
    return this.count === 0 ? 0 : this.#total + this.durations.at(this.count - 1);
  }

  /** When the first sample is shown, counted from the first sample's decoding. */
  get presentationStart(): number {
    let start = Number.POSITIVE_INFINITY;
    let dts = 0;
    for (let index = 0; index < Math.min(this.count, REORDER_DEPTH); index++) {
      start = Math.min(start, dts + this.compositions.at(index));
      dts += this.durations.at(index);
    }
    return start;
  }

  /** The end of the presentation, counted from the first sample's decoding. */
  get presentationEnd(): number {
    let end = 0;
    let dts = this.#total;
    for (let index = this.count - 1; index >= Math.max(0, this.count - REORDER_DEPTH); index--) {
      end = Math.max(end, dts + this.compositions.at(index) + this.durations.at(index));
      if (index > 0) dts -= this.durations.at(index - 1);
    }
    return end;
  }

  /**
   * Adds the next sample. The duration of the one before becomes what lies between them, whatever it said.
   * @param description index in {@link entries}
   * @throws ProtocolError MP4_BAD_FILE when that is more than 32 bits can hold
   */
  add(sample: RawSample, description: number): void {
    const { offset, size, dts, composition, duration, key } = sample;
    if (this.count === 0) this.firstDts = dts;
    else this.#closeGap(dts);
    this.#lastDts = Math.max(dts, this.#lastDts);
    this.durations.push(duration);
    this.compositions.push(composition);
    this.sizes.push(size);
    if (key) this.keys.push(this.count);
    this.#bytes += size;
    this.#addToChunk(offset, size, description);
  }

  /**
   * The index of the description for a configuration that key samples carry in-band, a new one when there is none;
   * undefined when there are too many.
   * @throws ProtocolError of the codec
   */
  descriptionOf(track: Track): number | undefined {
    const index = this.tracks.findIndex((candidate) => haveSameParameters(candidate, track));
    if (index >= 0) return index;
    if (this.tracks.length >= MAX_DESCRIPTIONS) return undefined;
    const writer = new BoxWriter(512);
    writeSampleEntry(writer, track, pictureShape(track));
    this.tracks.push(track);
    this.entries.push(writer.finish());
    return this.tracks.length - 1;
  }

  /** Matrix, width and height for `tkhd`: those of the source, as large as the largest description needs. */
  geometry(): Uint8Array {
    const geometry = new Uint8Array(this.source.geometry);
    if (this.source.main.track.kind !== 'video' || geometry.length < GEOMETRY_BYTES) return geometry;
    const view = new DataView(geometry.buffer);
    for (const track of this.tracks.slice(this.source.entries.length)) {
      const { width, height, sarWidth, sarHeight } = pictureShape(track);
      const displayWidth = Math.min(Math.round((width * sarWidth * 0x1_0000) / sarHeight), 0xffff_ffff);
      view.setUint32(WIDTH_AT, Math.max(view.getUint32(WIDTH_AT), displayWidth));
      view.setUint32(WIDTH_AT + 4, Math.max(view.getUint32(WIDTH_AT + 4), height * 0x1_0000));
    }
    return geometry;
  }

  #closeGap(dts: number): void {
    // Decoding never goes back; a file that says so is read as if its samples came at once.
    const gap = Math.max(0, dts - this.#lastDts);
    if (gap > 0xffff_ffff) throw badFile('a gap between two samples is too long');
    this.durations.set(this.count - 1, gap);
    this.#total += gap;
  }

  #addToChunk(offset: number, size: number, description: number): void {
    const last = this.chunkOffsets.length - 1;
    const bytes = last < 0 ? 0 : this.chunkBytes.at(last);
    const goesOn =
      last >= 0 &&
      this.chunkOffsets.at(last) + bytes === offset &&
      this.chunkDescriptions.at(last) === description &&
      this.chunkSamples.at(last) < MAX_CHUNK_SAMPLES &&
      bytes + size <= MAX_CHUNK_BYTES;
    if (goesOn) {
      this.chunkBytes.set(last, bytes + size);
      this.chunkSamples.set(last, this.chunkSamples.at(last) + 1);
      return;
    }
    this.chunkOffsets.push(offset);
    this.chunkBytes.push(size);
    this.chunkSamples.push(1);
    this.chunkDescriptions.push(description);
  }
}
