import { isVp8Key } from '../../codec/vp8.ts';
import { ProtocolError } from '../../packet.ts';
import { joinBytes } from '../bytes.ts';
import type { DepacketizedFrame, RtpDepacketizer, RtpPacketizer, RtpPayload } from './format.ts';
import { type FrameBuilder, FrameDepacketizer } from './frame-depacketizer.ts';
import { evenPieces, PictureIds } from './pieces.ts';

// RFC 7741 §4.2:
//    0 1 2 3 4 5 6 7
//   |X|R|N|S|R| PID |   required
//   |I|L|T|K| RSV   |   when X
//   |M| PictureID   |   when I; with M, 15 bits in two bytes
//   |   TL0PICIDX   |   when L
//   |TID|Y| KEYIDX  |   when T or K

const DESCRIPTOR_BYTES = 4;

/**
 * Puts VP8 frames together, RFC 7741. A frame needs all its packets: one with a loss is dropped. Broken descriptors are
 * refused with VP8_BAD_PAYLOAD.
 */
export function vp8Depacketizer(): RtpDepacketizer {
  return new FrameDepacketizer(new Vp8Frame());
}

class Vp8Frame implements FrameBuilder {
  #parts: Uint8Array[] = [];
  #broken = false;

  add(payload: Uint8Array, gap: boolean): void {
    const { start, isStart } = parseDescriptor(payload);
    // A gap before the start of a frame is none of it.
    if (this.#parts.length === 0 ? !isStart : gap || isStart) this.#broken = true;
    this.#parts.push(payload.subarray(start));
  }

  finish(timestamp: number, complete: boolean): DepacketizedFrame | undefined {
    const whole = complete && !this.#broken && this.#parts.length > 0;
    const parts = this.#parts;
    this.discard();
    if (!whole) return undefined;
    const frame = joinBytes(parts);
    return { units: [frame], key: isVp8Key(frame), timestamp, broken: false };
  }

  discard(): void {
    this.#parts = [];
    this.#broken = false;
  }
}

/** Where the data starts, and whether it is the start of a frame: of its first partition (S and PID 0). */
function parseDescriptor(payload: Uint8Array): { start: number; isStart: boolean } {
  const first = payload[0] ?? 0;
  const flags = payload[1] ?? 0;
  let start = 1;
  if ((first & 0x80) !== 0) {
    start += 1;
    if ((flags & 0x80) !== 0) start += ((payload[2] ?? 0) & 0x80) !== 0 ? 2 : 1;
    if ((flags & 0x40) !== 0) start += 1;
    if ((flags & 0x30) !== 0) start += 1;
  }
  if (start >= payload.length) {
    throw new ProtocolError('VP8_BAD_PAYLOAD', `bad VP8 payload: ${payload.length} bytes without data`);
  }
  return { start, isStart: (first & 0x1f & ~8) === 0x10 };
}

/**
 * Divides VP8 frames as RFC 7741 says, into pieces of about the same size, each with a 15-bit picture ID that counts
 * the frames from `firstPictureId` on.
 */
export function vp8Packetizer(firstPictureId = 0): RtpPacketizer {
  const pictureIds = new PictureIds(firstPictureId);
  return {
    packetize({ units, key }, maxPayloadBytes): RtpPayload[] {
      const [frame] = units;
      if (frame === undefined) return [];
      const pictureId = pictureIds.next();
      return evenPieces(frame, maxPayloadBytes - DESCRIPTOR_BYTES).map((data, index, { length }) => {
        const payload = new Uint8Array(DESCRIPTOR_BYTES + data.length);
        payload[0] = index === 0 ? 0x90 : 0x80;
        payload[1] = 0x80;
        payload[2] = 0x80 | (pictureId >> 8);
        payload[3] = pictureId;
        payload.set(data, DESCRIPTOR_BYTES);
        return { payload, marker: index === length - 1, startPoint: key && index === 0, timestampOffset: 0 };
      });
    },
  };
}

/** See `isRtpStartPoint`: the start of a frame whose header says that it is a key frame. */
export function isVp8StartPoint(payload: Uint8Array): boolean {
  try {
    const { start, isStart } = parseDescriptor(payload);
    return isStart && ((payload[start] ?? 1) & 1) === 0;
  } catch {
    return false;
  }
}
