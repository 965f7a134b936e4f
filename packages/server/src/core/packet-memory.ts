const SMALLEST_SLAB = 16 * 1024;
const LARGEST_SLAB = 256 * 1024;
/** A slab should hold about this much time: what is kept of it keeps the rest of it too, no longer than that. */
const SLAB_MS = 1000;
/** What would take a larger part of a slab gets memory of its own, so that little is left over at a slab's end. */
const SHARED_PART = 1 / 4;
/** Slabs of all sources that are kept for the next ones, bytes. */
const MAX_SPARE_BYTES = 32 * 1024 * 1024;

/** A piece of memory in which packets of one source lie. Nobody gets a view into it: it is used again. */
export interface Slab {
  readonly bytes: Uint8Array;
  /** Packets in it that are kept. */
  packets: number;
}

/** By size: slabs in which no packet is kept. Whoever takes one writes it before anybody reads it. */
const spare = new Map<number, Slab[]>();
let spareBytes = 0;

/**
 * Memory for the packets of one source. Packets are kept for about the same time and let go in the order in which they came,
 * so many of them share one piece of memory, which is used again after them: with a piece for each, the garbage collector
 * has most of the work of a server with many publishers. How large the pieces are follows from the source's rate.
 */
export class PacketMemory {
  #slab: Slab | undefined;
  #size = SMALLEST_SLAB;
  #used = 0;
  #offset = 0;
  /** Bytes reserved since `#size` was looked at, and when that was. */
  #reserved = 0;
  #sinceMs: number;

  /** @param nowMs monotonic */
  constructor(nowMs: number = performance.now()) {
    this.#sinceMs = nowMs;
  }

  /** Hot path: memory for one packet of so many bytes, from `offset` on, with anything in it; to be freed once. */
  reserve(length: number): Slab {
    this.#reserved += length;
    if (this.#reserved > this.#size) this.#adapt(performance.now());
    if (length > this.#size * SHARED_PART) {
      this.#offset = 0;
      return { bytes: new Uint8Array(length), packets: 1 };
    }
    let slab = this.#slab;
    if (slab === undefined || this.#used + length > slab.bytes.length) {
      if (slab?.packets === 0) giveBack(slab);
      slab = take(this.#size);
      this.#slab = slab;
      this.#used = 0;
    }
    this.#offset = this.#used;
    this.#used += length;
    slab.packets++;
    return slab;
  }

  /** Where the memory that was reserved last begins in its slab. */
  get offset(): number {
    return this.#offset;
  }

  /** Hot path: a packet in that slab is kept no longer. */
  free(slab: Slab): void {
    if (--slab.packets === 0 && slab !== this.#slab) giveBack(slab);
  }

  /** All packets have been freed, and none may come for long. */
  clear(): void {
    if (this.#slab?.packets === 0) giveBack(this.#slab);
    this.#slab = undefined;
  }

  #adapt(nowMs: number): void {
    const elapsedMs = nowMs - this.#sinceMs;
    if (elapsedMs < SLAB_MS) this.#size = Math.min(LARGEST_SLAB, this.#size * 2);
    else if (elapsedMs > SLAB_MS * 4) this.#size = Math.max(SMALLEST_SLAB, this.#size / 2);
    this.#sinceMs = nowMs;
    this.#reserved = 0;
  }
}

/**
 * V8 marks all that is kept whenever so much memory was taken, as if it might be freed by that. What is shared it does not
 * count, and here it has nothing to free: it is used again.
 */
function take(size: number): Slab {
  const slab = spare.get(size)?.pop();
  if (slab === undefined) return { bytes: new Uint8Array(new SharedArrayBuffer(size)), packets: 0 };
  spareBytes -= size;
  return slab;
}

function giveBack(slab: Slab): void {
  const { length } = slab.bytes;
  // Others were made for one packet.
  const isShared = slab.bytes.buffer instanceof SharedArrayBuffer;
  if (!isShared || spareBytes + length > MAX_SPARE_BYTES) return;
  const list = spare.get(length) ?? [];
  spare.set(length, list);
  list.push(slab);
  spareBytes += length;
}

const COPIES_BYTES = 64 * 1024;

/** Memory for copies that are read for a short time: many share a piece, which the garbage collector frees after all of them. */
export class CopyMemory {
  #piece: ArrayBuffer | undefined;
  #used = 0;

  /** Hot path: a copy of a part of those bytes that nobody writes to again. */
  copy(bytes: Uint8Array, offset: number, length: number): Uint8Array {
    let piece = this.#piece;
    let at = this.#used;
    if (length > COPIES_BYTES * SHARED_PART) {
      piece = Buffer.allocUnsafeSlow(length).buffer;
      at = 0;
    } else {
      if (piece === undefined || at + length > COPIES_BYTES) {
        // Nobody sees a byte of it that was not written before.
        piece = Buffer.allocUnsafeSlow(COPIES_BYTES).buffer;
        this.#piece = piece;
        at = 0;
      }
      this.#used = at + length;
    }
    const own = new Uint8Array(piece, at, length);
    own.set(bytes.subarray(offset, offset + length));
    return own;
  }
}
