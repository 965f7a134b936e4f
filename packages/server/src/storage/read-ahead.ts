/** Gives a range of a file, exactly. */
export type FetchRange = (offset: number, length: number) => Promise<Uint8Array>;

export interface ReadAheadOptions {
  readonly size: number;
  /** How much is read ahead of who reads, milliseconds of the pace at which he does. */
  readonly aheadMs: number;
  readonly nowMs?: (() => number) | undefined;
}

interface Chunk {
  readonly bytes: Promise<Uint8Array>;
}

/** What one request brings. */
export const CHUNK_BYTES = 1024 * 1024;
/** Chunks that are asked for before they are wanted. */
const MAX_AHEAD = 4;
/** Chunks in memory: those ahead, the one that is being read, and one more place for sound that lies elsewhere. */
const MAX_CHUNKS = MAX_AHEAD + 3;

/**
 * Keeps a few pieces of a file that is far away, and asks for those that will be wanted next: as many as are played in
 * the time that it is to be ahead. Holds {@link CHUNK_BYTES} times {@link MAX_CHUNKS} at most.
 */
export class ReadAhead {
  readonly #fetch: FetchRange;
  readonly #options: ReadAheadOptions;
  readonly #nowMs: () => number;
  /** By index, the one that was used last at the end. */
  readonly #chunks = new Map<number, Chunk>();
  #newest = -1;
  #newestMs: number;
  /** Time in which a chunk is read through, milliseconds; smoothed. */
  #chunkMs = 0;

  constructor(fetch: FetchRange, options: ReadAheadOptions) {
    this.#fetch = fetch;
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#newestMs = this.#nowMs();
  }

  /** Bytes that are kept or on their way. */
  get heldBytes(): number {
    return this.#chunks.size * CHUNK_BYTES;
  }

  /** Puts the first chunk there, which opening the file has read. */
  begin(head: Uint8Array): void {
    if (head.byteLength === this.#lengthOf(0)) this.#chunks.set(0, { bytes: Promise.resolve(head) });
  }

  /** Reads exactly that range, which lies within the file. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array(0);
    // More than fits (a huge table) would only drive out what is kept.
    if (length > CHUNK_BYTES * 2) return this.#fetch(offset, length);
    const first = Math.floor(offset / CHUNK_BYTES);
    const last = Math.floor((offset + length - 1) / CHUNK_BYTES);
    const wanted = [];
    for (let index = first; index <= last; index++) wanted.push(this.#take(index).bytes);
    this.#follow(last);
    const parts = await Promise.all(wanted);
    const [only] = parts;
    const from = offset - first * CHUNK_BYTES;
    // Copied, so that who keeps a packet does not keep the megabyte around it.
    if (parts.length === 1 && only !== undefined) return only.slice(from, from + length);
    return Uint8Array.from(Buffer.concat(parts).subarray(from, from + length));
  }

  /** Forgets all. */
  clear(): void {
    this.#chunks.clear();
  }

  /** Asks for what will be wanted next, when it goes straight on. */
  #follow(index: number): void {
    if (index === this.#newest) return;
    const nowMs = this.#nowMs();
    const straightOn = index === this.#newest + 1 && this.#newest >= 0;
    if (straightOn) {
      const tookMs = nowMs - this.#newestMs;
      this.#chunkMs = this.#chunkMs === 0 ? tookMs : (this.#chunkMs + tookMs) / 2;
    }
    this.#newest = index;
    this.#newestMs = nowMs;
    if (!straightOn) return;
    const end = Math.min(index + this.#ahead, Math.ceil(this.#options.size / CHUNK_BYTES) - 1);
    // Those that are on their way already too, so that they don't seem to be used the longest ago.
    for (let next = index + 1; next <= end; next++) this.#take(next);
  }

  get #ahead(): number {
    const chunks = Math.ceil(this.#options.aheadMs / Math.max(this.#chunkMs, 1));
    return Math.min(Math.max(chunks, 1), MAX_AHEAD);
  }

  #take(index: number): Chunk {
    const present = this.#chunks.get(index);
    if (present !== undefined) {
      this.#chunks.delete(index);
      this.#chunks.set(index, present);
      return present;
    }
    const chunk = { bytes: this.#fetch(index * CHUNK_BYTES, this.#lengthOf(index)) };
    this.#chunks.set(index, chunk);
    // One that failed is asked for anew by who really wants it.
    chunk.bytes.catch(() => {
      if (this.#chunks.get(index) === chunk) this.#chunks.delete(index);
    });
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= MAX_CHUNKS) break;
      this.#chunks.delete(oldest);
    }
    return chunk;
  }

  #lengthOf(index: number): number {
    return Math.min(CHUNK_BYTES, this.#options.size - index * CHUNK_BYTES);
  }
}
