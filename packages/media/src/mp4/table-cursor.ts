import type { ByteSource } from '../file-plan.ts';
import { badFile } from './box-reader.ts';
import { ChunkCursor } from './chunk-cursor.ts';
import type { PagedTable } from './paged-table.ts';
import { checkSize, type RawSample } from './raw-sample.ts';
import { RunCursor } from './run-cursor.ts';
import { pagedTable, type SampleTables, type SizesRef } from './sample-tables.ts';

/** Runs of `ctts` that are looked at for negative offsets in a version that should not have them: one window. */
const PROBED_RUNS = 8192;

/**
 * A place in the samples of a track whose index is in `moov`. The tables stay in the file: some 64 KiB of each are in
 * memory. All methods reject with ProtocolError MP4_BAD_FILE for tables that lie, and with what the source rejects with.
 */
export class TableCursor {
  /** Number of samples. */
  readonly count: number;
  readonly #sizes: SizeCursor;
  readonly #durations: RunCursor;
  readonly #compositions: RunCursor | undefined;
  readonly #keys: PagedTable | undefined;
  readonly #chunks: ChunkCursor;
  readonly #hasSignedOffsets: boolean;
  readonly #fileSize: number;
  #index = 0;
  #nextKey = 0;
  #bytes = 0;

  constructor(source: ByteSource, tables: SampleTables) {
    this.count = tables.sizes.count;
    this.#fileSize = source.size;
    this.#sizes = new SizeCursor(source, tables.sizes);
    this.#durations = new RunCursor(pagedTable(source, tables.durations), false);
    // Signed in version 0 too, because QuickTime writes negative offsets there.
    this.#compositions = tables.compositions && new RunCursor(pagedTable(source, tables.compositions), true);
    this.#hasSignedOffsets = tables.compositions?.version === 1;
    this.#keys = tables.keys && pagedTable(source, tables.keys);
    const isWide = tables.chunks.entryBytes === 8;
    this.#chunks = new ChunkCursor(pagedTable(source, tables.chunkRuns), pagedTable(source, tables.chunks), isWide);
  }

  /** The next samples, at most `max`; none at the end. */
  async read(max: number): Promise<RawSample[]> {
    const samples: RawSample[] = [];
    const end = Math.min(this.count, this.#index + max);
    while (this.#index < end) {
      const index = this.#index;
      if (index >= this.#durations.end) await this.#durations.toSample(index);
      if (this.#compositions && index >= this.#compositions.end) await this.#compositions.toSample(index);
      if (index >= this.#chunks.end) await this.#chunks.advance();
      if (index >= this.#chunks.end) continue;
      const size = this.#sizes.has(index) ? this.#sizes.at(index) : await this.#sizes.load(index);
      samples.push(this.#sample(size, await this.#isKey(index)));
      this.#index += 1;
    }
    return samples;
  }

  /** Makes a sample the next one. */
  async seek(sample: number): Promise<void> {
    await this.#durations.toSample(sample);
    await this.#compositions?.toSample(sample);
    const first = await this.#chunks.toSample(sample);
    for (let index = first; index < sample; index++) {
      this.#chunks.position += this.#sizes.has(index) ? this.#sizes.at(index) : await this.#sizes.load(index);
    }
    this.#nextKey = await this.#keysUpTo(sample);
    this.#index = sample;
    this.#bytes = 0;
  }

  /** Goes to the end. */
  skipAll(): void {
    this.#index = this.count;
  }

  /** The last sample that is decoded at or before a time, in units of the media timescale. */
  async sampleAt(time: number): Promise<number> {
    return Math.max(0, Math.min(await this.#durations.toTime(time), this.count - 1));
  }

  /** The last sync sample at or before a sample; undefined when there is none. */
  async keyAtOrBefore(sample: number): Promise<number | undefined> {
    if (this.#keys === undefined) return sample;
    const position = (await this.#keysUpTo(sample + 1)) - 1;
    if (position < 0) return undefined;
    if (!this.#keys.has(position)) await this.#keys.load(position);
    const key = this.#keys.u32(position) - 1;
    return key >= 0 && key < this.count ? key : undefined;
  }

  /**
   * The most negative composition offset, as a positive number, or 0. Reads the whole table when its version says that
   * there are such offsets, otherwise a part of it.
   */
  async compositionLead(): Promise<number> {
    const table = this.#compositions;
    const maxRuns = this.#hasSignedOffsets ? Number.POSITIVE_INFINITY : PROBED_RUNS;
    let lead = 0;
    let sample = 0;
    for (let run = 0; table && sample < this.count && run < maxRuns; run++) {
      await table.toSample(sample);
      lead = Math.max(lead, -table.value);
      sample = table.end;
    }
    await table?.toSample(0);
    return lead;
  }

  #sample(size: number, key: boolean): RawSample {
    const index = this.#index;
    const durations = this.#durations;
    const compositions = this.#compositions;
    const offset = this.#chunks.position;
    this.#bytes += size;
    checkSize(size, offset + size, this.#fileSize);
    // Samples never share bytes, so this also keeps a small file from asking for endless reads of the same bytes.
    if (this.#bytes > this.#fileSize) throw badFile('the samples are larger than the file');
    this.#chunks.position += size;
    const covers = compositions !== undefined && compositions.end !== Number.POSITIVE_INFINITY;
    return {
      offset,
      size,
      dts: durations.startTime + (index - durations.start) * durations.value,
      composition: covers ? compositions.value : 0,
      duration: durations.value,
      key,
      description: this.#chunks.description,
    };
  }

  async #isKey(index: number): Promise<boolean> {
    const keys = this.#keys;
    if (keys === undefined) return true;
    for (; this.#nextKey < keys.count; this.#nextKey++) {
      if (!keys.has(this.#nextKey)) await keys.load(this.#nextKey);
      const number = keys.u32(this.#nextKey);
      if (number >= index + 1) return number === index + 1;
    }
    return false;
  }

  /** How many of the sync samples have a number (from 1) of at most `number`. */
  async #keysUpTo(number: number): Promise<number> {
    const keys = this.#keys;
    let low = 0;
    let high = keys?.count ?? 0;
    while (keys && low < high) {
      const middle = (low + high) >>> 1;
      // One window with all that is left, as soon as it fits.
      if (!keys.has(middle)) await keys.load(high - low <= keys.windowEntries ? low : middle);
      if (keys.u32(middle) <= number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The sizes of samples, constant or from their table. */
class SizeCursor {
  readonly #sizes: SizesRef;
  readonly #table: PagedTable;

  constructor(source: ByteSource, sizes: SizesRef) {
    this.#sizes = sizes;
    this.#table = pagedTable(source, sizes.table);
  }

  has(sample: number): boolean {
    return this.#sizes.constant !== 0 || this.#table.has(this.#entryOf(sample));
  }

  async load(sample: number): Promise<number> {
    await this.#table.load(this.#entryOf(sample));
    return this.at(sample);
  }

  /** Size of a sample whose entry is in memory. */
  at(sample: number): number {
    const { constant, bits } = this.#sizes;
    if (constant !== 0) return constant;
    if (bits === 32) return this.#table.u32(sample);
    if (bits === 16) return this.#table.u16(sample);
    if (bits === 8) return this.#table.u8(sample);
    const pair = this.#table.u8(sample >> 1);
    return sample % 2 === 0 ? pair >> 4 : pair & 15;
  }

  /** Two sizes of four bits share a byte. */
  #entryOf(sample: number): number {
    return this.#sizes.bits === 4 ? sample >> 1 : sample;
  }
}
