import { badFile } from './box-reader.ts';
import type { PagedTable } from './paged-table.ts';

/** A place in the chunks of a track: `stsc` (ISO 14496-12 §8.7.4) over `stco` or `co64` (§8.7.5). */
export class ChunkCursor {
  /** First sample after the chunk. */
  end = 0;
  /** Where the next sample is in the file; the user moves it on within the chunk. */
  position = 0;
  /** Index of the sample description of the chunk, from 0. */
  description = 0;
  readonly #runs: PagedTable;
  readonly #chunks: PagedTable;
  readonly #isWide: boolean;
  /** Chunk and run that come next; chunks are numbered from 1. */
  #nextChunk = 1;
  #nextRun = 0;
  #nextRunChunk = 1;
  #samplesPerChunk = 0;

  /** @param chunks with entries of 4 bytes, or of 8. */
  constructor(runs: PagedTable, chunks: PagedTable, isWide: boolean) {
    this.#runs = runs;
    this.#chunks = chunks;
    this.#isWide = isWide;
  }

  /** Goes to the next chunk, which may be empty. */
  async advance(): Promise<void> {
    if (this.#nextChunk > this.#chunks.count) throw badFile('there are fewer chunks than samples need');
    if (this.#nextChunk === this.#nextRunChunk) await this.#readRun();
    const index = this.#nextChunk - 1;
    if (!this.#chunks.has(index)) await this.#chunks.load(index);
    this.position = this.#isWide ? wideAt(this.#chunks, index) : this.#chunks.u32(index);
    this.end += this.#samplesPerChunk;
    this.#nextChunk += 1;
  }

  /** Goes to the chunk with a sample; the answer is the first sample of that chunk, where the position is. */
  async toSample(sample: number): Promise<number> {
    this.#nextRun = 0;
    this.#nextRunChunk = 1;
    this.#nextChunk = 1;
    this.end = 0;
    while (true) {
      if (this.#nextChunk > this.#chunks.count) throw badFile('there are fewer chunks than samples need');
      await this.#readRun();
      const lastChunk = Math.min(this.#nextRunChunk - 1, this.#chunks.count);
      const runEnd = this.end + (lastChunk - this.#nextChunk + 1) * this.#samplesPerChunk;
      if (sample < runEnd) break;
      this.end = runEnd;
      this.#nextChunk = lastChunk + 1;
    }
    const skipped = Math.floor((sample - this.end) / this.#samplesPerChunk);
    this.#nextChunk += skipped;
    const first = this.end + skipped * this.#samplesPerChunk;
    this.end = first;
    await this.advance();
    return first;
  }

  async #readRun(): Promise<void> {
    const runs = this.#runs;
    const run = this.#nextRun;
    if (run >= runs.count) throw badFile('stsc is empty');
    if (!runs.has(run) || (run + 1 < runs.count && !runs.has(run + 1))) await runs.load(run);
    if (run === 0 && runs.u32(0) !== 1) throw badFile('stsc does not begin with chunk 1');
    this.#samplesPerChunk = runs.u32(run, 4);
    this.description = Math.max(0, runs.u32(run, 8) - 1);
    this.#nextRun = run + 1;
    this.#nextRunChunk = run + 1 < runs.count ? runs.u32(run + 1) : Number.POSITIVE_INFINITY;
    if (this.#nextRunChunk <= this.#nextChunk) throw badFile('stsc is not in ascending order');
  }
}

function wideAt(table: PagedTable, index: number): number {
  const position = table.u32(index) * 0x1_0000_0000 + table.u32(index, 4);
  if (!Number.isSafeInteger(position)) throw badFile('a 64-bit field is out of range');
  return position;
}
