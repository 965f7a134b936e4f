import type { ByteSource } from '../file-plan.ts';
import { readExactly } from './read-ahead.ts';

/** Bytes of a table in memory at a time. */
const WINDOW_BYTES = 64 * 1024;

/** A table of a file whose entries are read in windows, as they are asked for. Only one window is in memory. */
export class PagedTable {
  readonly count: number;
  readonly #source: ByteSource;
  readonly #start: number;
  readonly #entryBytes: number;
  #first = 0;
  #end = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));

  /** @param start position of the first entry in the file; all entries are known to lie within it. */
  constructor(source: ByteSource, start: number, size: { readonly count: number; readonly entryBytes: number }) {
    this.#source = source;
    this.#start = start;
    this.count = size.count;
    this.#entryBytes = size.entryBytes;
  }

  /** Entries that are read at a time. */
  get windowEntries(): number {
    return Math.floor(WINDOW_BYTES / this.#entryBytes);
  }

  /** Whether an entry is in memory. */
  has(index: number): boolean {
    return index >= this.#first && index < this.#end;
  }

  /** Brings the window that begins with an entry into memory. */
  async load(index: number): Promise<void> {
    const end = Math.min(this.count, index + this.windowEntries);
    const offset = this.#start + index * this.#entryBytes;
    const bytes = await readExactly(this.#source, offset, Math.max(0, end - index) * this.#entryBytes);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#first = index;
    this.#end = end;
  }

  /** A field of an entry that is in memory: 8, 16 or 32 bits, `skip` bytes into it. */
  u8(index: number): number {
    return this.#view.getUint8((index - this.#first) * this.#entryBytes);
  }

  u16(index: number): number {
    return this.#view.getUint16((index - this.#first) * this.#entryBytes);
  }

  u32(index: number, skip = 0): number {
    return this.#view.getUint32((index - this.#first) * this.#entryBytes + skip);
  }

  i32(index: number, skip = 0): number {
    return this.#view.getInt32((index - this.#first) * this.#entryBytes + skip);
  }
}
