import type { ByteSource } from '../file-plan.ts';
import { ProtocolError } from '../packet.ts';
import { badFile, type ElementHeader, MAX_HEADER_BYTES, readElementHeader } from './ebml-reader.ts';

/** Nothing that has to be in memory at once may be larger: one block, or the description of the tracks. */
export const MAX_PIECE_BYTES = 64 * 1024 * 1024;

/** Reads a file by few reads that are larger than what is asked for; holds one such piece at a time. */
export class ByteWindow {
  readonly #source: ByteSource;
  readonly #readBytes: number;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array();

  /** @param readBytes how much one read may bring, unless a single piece is larger. */
  constructor(source: ByteSource, readBytes: number) {
    this.#source = source;
    this.#readBytes = readBytes;
  }

  /** Length of the file. */
  get size(): number {
    return this.#source.size;
  }

  /**
   * A view of these bytes, valid until the next call.
   * @throws ProtocolError WEBM_BAD_FILE when they are too many or the file ends before; what the source rejects with
   */
  async bytes(offset: number, length: number): Promise<Uint8Array> {
    if (length > MAX_PIECE_BYTES) throw badFile(`${length} bytes in one piece are too many`);
    if (offset + length > this.size) throw badFile(`the file ends before byte ${offset + length}`);
    const inside = offset - this.#start;
    if (inside < 0 || inside + length > this.#bytes.length) {
      const wanted = Math.max(length, Math.min(this.#readBytes, this.size - offset));
      // Let go of the old piece before the new one is there.
      this.#bytes = new Uint8Array();
      const bytes = wanted === 0 ? this.#bytes : await this.#source.read(offset, wanted);
      if (bytes.length !== wanted) throw badFile(`the file ends before byte ${offset + wanted}`);
      this.#start = offset;
      this.#bytes = bytes;
      return bytes.subarray(0, length);
    }
    return this.#bytes.subarray(inside, inside + length);
  }

  /** What there is of `length` bytes. */
  async upTo(offset: number, length: number): Promise<Uint8Array> {
    return this.bytes(offset, Math.max(0, Math.min(length, this.size - offset)));
  }

  /** The header of the element at `offset`; undefined when the file ends inside it. */
  async header(offset: number): Promise<ElementHeader | undefined> {
    return readElementHeader(await this.upTo(offset, MAX_HEADER_BYTES), 0);
  }

  /** Like {@link header}; undefined also where there is no valid header. */
  async headerIfAny(offset: number): Promise<ElementHeader | undefined> {
    try {
      return await this.header(offset);
    } catch (error) {
      if (error instanceof ProtocolError) return undefined;
      throw error;
    }
  }
}
