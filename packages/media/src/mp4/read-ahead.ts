import type { ByteSource } from '../file-plan.ts';
import { badFile } from './box-reader.ts';

/** Enough for the heads of a few boxes, or of a fragment of a second. */
const DEFAULT_AHEAD_BYTES = 4096;

/** Small reads of a file in ascending order, with fewer and larger ones of the source. Keeps the newest one of them. */
export class ReadAhead {
  readonly source: ByteSource;
  readonly #aheadBytes: number;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array();

  /** @param aheadBytes what is read at least, as far as the file has it. */
  constructor(source: ByteSource, aheadBytes = DEFAULT_AHEAD_BYTES) {
    this.source = source;
    this.#aheadBytes = aheadBytes;
  }

  /** Length of the file in bytes. */
  get size(): number {
    return this.source.size;
  }

  /** The bytes if they have been read already. A view that stays valid. */
  peek(offset: number, length: number): Uint8Array | undefined {
    const from = offset - this.#start;
    return from >= 0 && from + length <= this.#bytes.length ? this.#bytes.subarray(from, from + length) : undefined;
  }

  /** @throws ProtocolError MP4_BAD_FILE when they do not lie within the file. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const known = this.peek(offset, length);
    if (known !== undefined) return known;
    const wanted = Math.min(Math.max(length, this.#aheadBytes), this.size - offset);
    this.#bytes = await readExactly(this.source, offset, Math.max(wanted, length));
    this.#start = offset;
    return this.#bytes.subarray(0, length);
  }
}

/** @throws ProtocolError MP4_BAD_FILE when the bytes do not lie within the file. */
export async function readExactly(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  if (offset + length > source.size) throw badFile(`the file ends before byte ${offset + length}`);
  if (length === 0) return new Uint8Array();
  const bytes = await source.read(offset, length);
  if (bytes.length !== length) throw badFile(`the file ends before byte ${offset + length}`);
  return bytes;
}
