/** First bytes of final frames with binary data and with text (RFC 6455 §5.2). */
const FINAL_BINARY = 0x82;
const FINAL_TEXT = 0x81;

/**
 * Writes bytes as one WebSocket message from a server: a single binary frame, not masked (RFC 6455 §5.2).
 */
export function binaryFrame(payload: Uint8Array): Buffer {
  return frame(FINAL_BINARY, payload);
}

/** Writes a text as one WebSocket message from a server. */
export function textFrame(text: string): Buffer {
  return frame(FINAL_TEXT, Buffer.from(text));
}

function frame(first: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const headerBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafeSlow(headerBytes + length);
  bytes[0] = first;
  if (headerBytes === 2) {
    bytes[1] = length;
  } else if (headerBytes === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeBigUInt64BE(BigInt(length), 2);
  }
  bytes.set(payload, headerBytes);
  return bytes;
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
