const SLAB_BYTES = 32 * 1024;

/**
 * Copies payloads into larger pieces of memory, several into one: an allocation for each would cost more than all
 * other work for its packet. A piece lives as long as one of its payloads; those of a track live about equally long.
 */
export class PayloadStore {
  #slab = new Uint8Array(0);
  #used = 0;

  /** A copy that nothing else will write to. Hot path: allocates a view, and now and then a piece. */
  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (length > SLAB_BYTES / 4) return new Uint8Array(bytes);
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    this.#slab.set(bytes, this.#used);
    this.#used += length;
    return this.#slab.subarray(this.#used - length, this.#used);
  }
}
