import { badFile } from './box-reader.ts';
import type { PagedTable } from './paged-table.ts';

/** Runs between two places that can be returned to. */
const MARK_DISTANCE = 4096;

interface Mark {
  readonly run: number;
  readonly sample: number;
  readonly time: number;
}

/**
 * A place in a run-length table of a file: `stts` (ISO 14496-12 §8.6.1.2) or `ctts` (§8.6.1.3). The value holds for the
 * samples from {@link start} up to, not including, {@link end}. Where the table ends too early its last run goes on.
 */
export class RunCursor {
  value = 0;
  start = 0;
  end = 0;
  /** Sum of the values of all samples before {@link start}: the time where it begins. */
  startTime = 0;
  readonly #table: PagedTable;
  readonly #isSigned: boolean;
  /** Marks at multiples of {@link MARK_DISTANCE} runs, as far as the table has been read. */
  readonly #marks: Mark[] = [{ run: 0, sample: 0, time: 0 }];
  #next = 0;

  constructor(table: PagedTable, isSigned: boolean) {
    this.#table = table;
    this.#isSigned = isSigned;
  }

  /** Goes to the run with a sample. */
  async toSample(sample: number): Promise<void> {
    if (sample < this.start) this.#return((mark) => mark.sample <= sample);
    while (sample >= this.end) await this.#advance();
  }

  /** Goes to the run with a time; the answer is the last sample that begins at or before it, from 0. */
  async toTime(time: number): Promise<number> {
    if (time < this.startTime) this.#return((mark) => mark.time <= time);
    while (this.end !== Number.POSITIVE_INFINITY && this.startTime + (this.end - this.start) * this.value <= time) {
      await this.#advance();
    }
    if (this.value === 0) return this.start;
    return this.start + Math.max(0, Math.floor((time - this.startTime) / this.value));
  }

  #return(isBefore: (mark: Mark) => boolean): void {
    const mark = this.#marks.findLast(isBefore) ?? { run: 0, sample: 0, time: 0 };
    this.#next = mark.run;
    this.start = mark.sample;
    this.end = mark.sample;
    this.startTime = mark.time;
  }

  async #advance(): Promise<void> {
    const run = this.#next;
    const table = this.#table;
    if (run >= table.count) {
      this.end = Number.POSITIVE_INFINITY;
      return;
    }
    if (!table.has(run)) await table.load(run);
    const length = table.u32(run);
    this.startTime += (this.end - this.start) * this.value;
    if (!Number.isSafeInteger(this.startTime)) throw badFile('a table of times is out of range');
    this.start = this.end;
    this.end += length;
    this.value = this.#isSigned ? table.i32(run, 4) : table.u32(run, 4);
    this.#next = run + 1;
    if (run === this.#marks.length * MARK_DISTANCE) {
      this.#marks.push({ run, sample: this.start, time: this.startTime });
    }
  }
}
