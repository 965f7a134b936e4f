import { ProtocolError } from '@sluice/media';
import { HEADER_BYTES } from '../../wire/stun/constants.ts';
import { CHANNEL_HEADER_BYTES, MAX_FRAME_BYTES } from './constants.ts';

/**
 * Cuts a TCP stream into messages of STUN and frames of channels (RFC 8656 §12.5): both tell their length, and frames
 * of channels are padded to four bytes there. Holds less than one frame.
 */
export class StreamFrames {
  #rest: Buffer = Buffer.alloc(0);

  /** A frame has begun and is not whole yet. */
  get isWithin(): boolean {
    return this.#rest.length > 0;
  }

  /**
   * The frames that are whole now: views of what came, without padding.
   * @throws ProtocolError TURN_BAD_FRAME when what comes is neither, or longer than any datagram; the stream is lost then
   */
  push(chunk: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    while (bytes.length - at >= CHANNEL_HEADER_BYTES) {
      const length = frameBytes(bytes, at);
      const padded = (length + 3) & ~3;
      if (bytes.length - at < padded) break;
      frames.push(bytes.subarray(at, at + length));
      at += padded;
    }
    // A copy, so that a few bytes do not keep all that came with them.
    this.#rest = Buffer.from(bytes.subarray(at));
    return frames;
  }
}

function frameBytes(bytes: Buffer, at: number): number {
  const kind = (bytes[at] ?? 0) >> 6;
  if (kind > 1) throw new ProtocolError('TURN_BAD_FRAME', `neither STUN nor a channel: ${bytes[at]}`);
  const length = bytes.readUInt16BE(at + 2) + (kind === 0 ? HEADER_BYTES : CHANNEL_HEADER_BYTES);
  if (length > MAX_FRAME_BYTES || (kind === 0 && length % 4 !== 0))
    throw new ProtocolError('TURN_BAD_FRAME', `a frame of ${length} bytes`);
  return length;
}
