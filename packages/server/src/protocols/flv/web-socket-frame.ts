/** First byte of a final frame with binary data (RFC 6455 §5.2). */
const FINAL_BINARY = 0x82;

/**
 * Writes bytes as one WebSocket message from a server: a single binary frame, not masked (RFC 6455 §5.2).
 */
export function binaryFrame(payload: Uint8Array): Buffer {
  const { length } = payload;
  const headerBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafeSlow(headerBytes + length);
  frame[0] = FINAL_BINARY;
  if (headerBytes === 2) {
    frame[1] = length;
  } else if (headerBytes === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.set(payload, headerBytes);
  return frame;
}

/** Frames each buffer once although it goes to many viewers one after the other. Keeps the last one. */
export class FrameCache {
  #payload: Buffer | undefined;
  #frame: Buffer | undefined;

  /** The frame with these bytes, which must not change. */
  frameOf(payload: Buffer): Buffer {
    if (this.#frame === undefined || this.#payload !== payload) {
      this.#payload = payload;
      this.#frame = binaryFrame(payload);
    }
    return this.#frame;
  }

  /** Lets go of the last buffer. */
  clear(): void {
    this.#payload = undefined;
    this.#frame = undefined;
  }
}
