import type { RtpFormat } from '../egress.ts';
import type { KeptPacket } from './lane.ts';

/** Fixed header and three extensions in either form. */
export const MAX_HEADER_BYTES = 36;
const SEND_TIME_TICKS_PER_MS = 262.144;
const MAX_SHORT_ID = 14;

/** The numbers of a packet that is written. */
export interface PacketValues {
  number: number;
  transportNumber: number;
  nowMs: number;
}

/** Seconds modulo 64 with 18 bits of fraction. */
export function writeSendTime(bytes: Uint8Array, at: number, nowMs: number): void {
  const time = Math.floor((nowMs % 64_000) * SEND_TIME_TICKS_PER_MS);
  bytes[at] = time >> 16;
  bytes[at + 1] = time >> 8;
  bytes[at + 2] = time;
}

/** Writes the header of a lane's packet for one peer and gives its length. Hot path: allocates nothing. */
export function writeHeader(target: Buffer, format: RtpFormat, packet: KeptPacket, values: PacketValues): number {
  const { transportSequenceId = 0, sendTimeId = 0 } = format;
  const orientationId = packet.orientation < 0 ? 0 : (format.orientationId ?? 0);
  target[0] = 0x80;
  target[1] = (packet.marker ? 0x80 : 0) | format.payloadType;
  target.writeUInt16BE(values.number & 0xffff, 2);
  target.writeInt32BE((packet.timestamp + format.timestampOffset) | 0, 4);
  target.writeUInt32BE(format.ssrc, 8);
  if (transportSequenceId === 0 && sendTimeId === 0 && orientationId === 0) return 12;
  target[0] = 0x90;
  const isLong = Math.max(transportSequenceId, sendTimeId, orientationId) > MAX_SHORT_ID;
  let at = 16;
  if (transportSequenceId !== 0) {
    at = writeElement(target, at, { id: transportSequenceId, bytes: 2, isLong });
    target.writeUInt16BE(values.transportNumber & 0xffff, at - 2);
  }
  if (sendTimeId !== 0) {
    at = writeElement(target, at, { id: sendTimeId, bytes: 3, isLong });
    writeSendTime(target, at - 3, values.nowMs);
  }
  if (orientationId !== 0) {
    at = writeElement(target, at, { id: orientationId, bytes: 1, isLong });
    target[at - 1] = packet.orientation;
  }
  while (at % 4 !== 0) target[at++] = 0;
  target.writeUInt16BE(isLong ? 0x1000 : 0xbede, 12);
  target.writeUInt16BE((at - 16) / 4, 14);
  return at;
}

/** Writes what goes before a value and gives where the value ends. */
function writeElement(target: Buffer, at: number, element: { id: number; bytes: number; isLong: boolean }): number {
  const { id, bytes, isLong } = element;
  if (!isLong) {
    target[at] = (id << 4) | (bytes - 1);
    return at + 1 + bytes;
  }
  target[at] = id;
  target[at + 1] = bytes;
  return at + 2 + bytes;
}

/** Moves PictureID and TL0PICIDX of the VP8 payload that begins there (RFC 7741 §4.2), where it has them. */
export function moveVp8Numbers(
  packet: Buffer,
  from: number,
  vp8: { readonly pictureIdOffset: number; readonly tl0Offset: number },
): void {
  const flags = packet[from + 1] ?? 0;
  if (((packet[from] ?? 0) & 0x80) === 0) return;
  let at = from + 2;
  if ((flags & 0x80) !== 0) {
    if (((packet[at] ?? 0) & 0x80) !== 0) {
      packet.writeUInt16BE(0x8000 | ((packet.readUInt16BE(at) + vp8.pictureIdOffset) & 0x7fff), at);
      at += 2;
    } else {
      packet[at] = ((packet[at] ?? 0) + vp8.pictureIdOffset) & 0x7f;
      at++;
    }
  }
  if ((flags & 0x40) !== 0) packet[at] = ((packet[at] ?? 0) + vp8.tl0Offset) & 0xff;
}
