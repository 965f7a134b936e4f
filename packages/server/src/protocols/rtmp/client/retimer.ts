import { MESSAGE } from '../wire/chunk-writer.ts';

const EXTENDED = 0xffffff;
const HEADER_BYTES = 12;
const EXTENDED_BYTES = 4;

/**
 * Rewrites messages of {@link RtmpFormat}, which all pushes of a stream share, for one server: their times begin with 0,
 * and they go over the message stream that this server gave. What is earlier than the first message is left out, but for
 * configurations.
 */
export class Retimer {
  readonly #streamId: number;
  readonly #chunkSize: number;
  #baseMs: number | undefined;

  constructor(streamId: number, chunkSize: number) {
    this.#streamId = streamId;
    this.#chunkSize = chunkSize;
  }

  /**
   * Hot path: once per write; one allocation, and the copy that is needed anyway as the bytes are shared.
   * @param messages whole ones, as `writeMessage` writes them with this chunk size
   */
  rewrite(messages: Buffer): Buffer {
    const out = Buffer.allocUnsafe(messages.length);
    let to = 0;
    for (let at = 0; at + HEADER_BYTES <= messages.length; ) {
      const extended = messages.readUIntBE(at + 1, 3) === EXTENDED;
      const extra = extended ? EXTENDED_BYTES : 0;
      const length = messages.readUIntBE(at + 4, 3);
      const type = messages[at + 7];
      const time = extended ? messages.readUInt32BE(at + HEADER_BYTES) : messages.readUIntBE(at + 1, 3);
      const chunks = Math.max(1, Math.ceil(length / this.#chunkSize));
      const end = at + HEADER_BYTES + extra + length + (chunks - 1) * (1 + extra);
      const message = messages.subarray(at, end);
      at = end;
      // Metadata has no time.
      const shiftedMs = type === MESSAGE.data ? 0 : (time - this.#base(time)) | 0;
      if (shiftedMs < 0 && !isConfiguration(type, message, HEADER_BYTES + extra)) continue;
      to += this.#copy(message, Math.max(0, shiftedMs), out.subarray(to));
    }
    return out.subarray(0, to);
  }

  #base(timeMs: number): number {
    this.#baseMs ??= timeMs;
    return this.#baseMs;
  }

  /** Copies one message with another time; gives the bytes that it takes, which are never more than before. */
  #copy(message: Buffer, timeMs: number, out: Buffer): number {
    const wasExtended = message.readUIntBE(1, 3) === EXTENDED;
    const extended = timeMs >= EXTENDED;
    if (wasExtended === extended) {
      message.copy(out);
      if (extended) this.#extend(message, timeMs, out);
      else out.writeUIntBE(timeMs, 1, 3);
      out.writeUInt32LE(this.#streamId, 8);
      return message.length;
    }
    // The stream is older than what is told of its time: every chunk's extended time goes.
    message.copy(out, 0, 0, HEADER_BYTES);
    out.writeUIntBE(timeMs, 1, 3);
    out.writeUInt32LE(this.#streamId, 8);
    let from = HEADER_BYTES + EXTENDED_BYTES;
    let to = HEADER_BYTES;
    while (from < message.length) {
      const end = Math.min(message.length, from + this.#chunkSize);
      to += message.copy(out, to, from, end);
      from = end;
      if (from >= message.length) break;
      out[to++] = message[from] ?? 0;
      from += 1 + EXTENDED_BYTES;
    }
    return to;
  }

  /** Puts the time before each chunk. */
  #extend(message: Buffer, timeMs: number, out: Buffer): void {
    const step = this.#chunkSize + 1 + EXTENDED_BYTES;
    for (let at = HEADER_BYTES; at + EXTENDED_BYTES <= message.length; at += step) out.writeUInt32BE(timeMs, at);
  }
}

/** True for what a decoder needs before its first frame: original form of H.264 and AAC, and the enhanced form. */
function isConfiguration(type: number | undefined, message: Buffer, at: number): boolean {
  const first = message[at] ?? 0;
  const legacy = message[at + 1] === 0;
  if (type === MESSAGE.audio) return first >> 4 === 10 ? legacy : (first & 0xff) === 0x90;
  return (first & 0x80) !== 0 ? (first & 15) === 0 : (first & 15) === 7 && legacy;
}
