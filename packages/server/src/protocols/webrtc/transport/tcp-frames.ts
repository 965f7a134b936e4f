/** Octets of a frame's length (RFC 4571 §2). */
export const FRAME_HEADER_BYTES = 2;
/** The longest datagram that a frame can hold. */
export const MAX_FRAME_BYTES = 65_535;

/**
 * Takes datagrams out of the frames of a TCP connection (RFC 4571 §2): two bytes of length, then the datagram. Holds one
 * unfinished frame at most.
 */
export class FrameReader {
  /** The first byte of a length of which the second is not there yet; -1 for none. */
  #lengthByte = -1;
  #partial: Buffer | undefined;
  #filled = 0;

  /** Bytes that are held of a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#partial?.length ?? 0;
  }

  /**
   * Takes what came. `onFrame` gets each whole datagram, which is its to keep, and says whether to go on; a frame
   * without content is nothing (RFC 4571 §2). False when it was told to stop, or when a frame is longer than
   * `maxFrameBytes`: the connection can't be read any further then.
   */
  push(chunk: Buffer, maxFrameBytes: number, onFrame: (datagram: Buffer) => boolean): boolean {
    let at = this.#continue(chunk);
    for (;;) {
      const partial = this.#partial;
      if (partial !== undefined) {
        if (this.#filled < partial.length) return true;
        this.#partial = undefined;
        if (!onFrame(partial)) return false;
      }
      if (at >= chunk.length) return true;
      const high = this.#lengthByte >= 0 ? this.#lengthByte : (chunk[at++] ?? 0);
      if (at >= chunk.length) {
        this.#lengthByte = high;
        return true;
      }
      this.#lengthByte = -1;
      const length = (high << 8) | (chunk[at++] ?? 0);
      if (length > maxFrameBytes) return false;
      const end = at + length;
      if (end <= chunk.length) {
        if (length > 0 && !onFrame(chunk.subarray(at, end))) return false;
      } else {
        this.#partial = Buffer.allocUnsafeSlow(length);
        this.#filled = chunk.copy(this.#partial, 0, at);
      }
      at = Math.min(end, chunk.length);
    }
  }

  /** Fills the unfinished frame; gives where the rest of the chunk begins. */
  #continue(chunk: Buffer): number {
    if (this.#partial === undefined) return 0;
    const copied = chunk.copy(this.#partial, this.#filled);
    this.#filled += copied;
    return copied;
  }
}

/** Writes a datagram's frame to the start of `target`, which must be long enough; gives its length. Hot path. */
export function writeFrame(target: Buffer, datagram: Buffer): number {
  target.writeUInt16BE(datagram.length, 0);
  target.set(datagram, FRAME_HEADER_BYTES);
  return FRAME_HEADER_BYTES + datagram.length;
}
