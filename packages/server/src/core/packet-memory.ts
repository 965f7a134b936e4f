const SMALLEST_SLAB = 16 * 1024;
const LARGEST_SLAB = 256 * 1024;
/** A slab should hold about this much time: what is kept of it keeps the rest of it too, no longer than that. */
const SLAB_MS = 1000;
/** What would take a larger part of a slab gets memory of its own, so that little is left over at a slab's end. */
const SHARED_PART = 1 / 4;

/**
 * Memory for the packets of one source. Packets are kept for about the same time and let go in the order in which they came,
 * so many of them share one piece of memory: with a piece for each, the garbage collector has most of the work of a server
 * with many publishers. How large the pieces are follows from the source's rate.
 */
export class PacketMemory {
  #slab: ArrayBuffer | undefined;
  #size = SMALLEST_SLAB;
  #used = 0;
  /** Length of the last copy when it lies in the slab, for taking it back. */
  #last = 0;
  /** Bytes copied since `#size` was looked at, and when that was. */
  #copied = 0;
  #sinceMs: number;

  /** @param nowMs monotonic */
  constructor(nowMs: number = performance.now()) {
    this.#sinceMs = nowMs;
  }

  /** Hot path: a copy that nobody writes to again. */
  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    this.#copied += length;
    if (this.#copied > this.#size) this.#adapt(performance.now());
    if (length > this.#size * SHARED_PART) {
      this.#last = 0;
      return new Uint8Array(bytes);
    }
    if (this.#slab === undefined || this.#used + length > this.#slab.byteLength) {
      // Nobody sees a byte of it that was not written before.
      this.#slab = Buffer.allocUnsafeSlow(this.#size).buffer;
      this.#used = 0;
    }
    const own = new Uint8Array(this.#slab, this.#used, length);
    own.set(bytes);
    this.#used += length;
    this.#last = length;
    return own;
  }

  /** Takes the last copy back: nobody will look at it. */
  undo(): void {
    this.#used -= this.#last;
    this.#last = 0;
  }

  #adapt(nowMs: number): void {
    const elapsedMs = nowMs - this.#sinceMs;
    if (elapsedMs < SLAB_MS) this.#size = Math.min(LARGEST_SLAB, this.#size * 2);
    else if (elapsedMs > SLAB_MS * 4) this.#size = Math.max(SMALLEST_SLAB, this.#size / 2);
    this.#sinceMs = nowMs;
    this.#copied = 0;
  }
}
