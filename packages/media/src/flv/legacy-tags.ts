import { joinedBytes, writeAvcc } from '../codec/h264-nal.ts';
import { VIDEO_AVC } from './tag-names.ts';

/** AVCPacketType, E.4.3.1, and AACPacketType, E.4.2.1. */
const PACKET_CONFIG = 0;
const PACKET_FRAME = 1;

/** Frame types, E.4.3.1. */
const FRAME_KEY = 1;
const FRAME_INTER = 2;

/** Bytes before the data of an AVC tag: frame type and codec, packet type, composition time. */
const AVC_HEADER_BYTES = 5;

/** Writes the video tag body with an AVC sequence header, Adobe FLV 10.1 §E.4.3.1. */
export function writeAvcConfigTag(record: Uint8Array): Uint8Array {
  const body = new Uint8Array(AVC_HEADER_BYTES + record.length);
  body[0] = (FRAME_KEY << 4) | VIDEO_AVC;
  body.set(record, AVC_HEADER_BYTES);
  return body;
}

/**
 * Writes the video tag body with one access unit, Adobe FLV 10.1 §E.4.3.1, each NAL unit after a 4-byte length.
 * @param compositionMs Presentation minus decoding time in milliseconds, rounded and limited to signed 24 bits.
 */
export function writeAvcFrameTag(units: readonly Uint8Array[], key: boolean, compositionMs: number): Uint8Array {
  const body = new Uint8Array(AVC_HEADER_BYTES + joinedBytes(units));
  const composition = Math.max(-0x800000, Math.min(0x7fffff, Math.round(compositionMs)));
  body[0] = ((key ? FRAME_KEY : FRAME_INTER) << 4) | VIDEO_AVC;
  body[1] = PACKET_FRAME;
  body[2] = composition >> 16;
  body[3] = composition >> 8;
  body[4] = composition;
  writeAvcc(body, AVC_HEADER_BYTES, units);
  return body;
}

/** Writes the audio tag body with an AAC sequence header, Adobe FLV 10.1 §E.4.2.1. */
export function writeAacConfigTag(asc: Uint8Array): Uint8Array {
  return writeAacTag(PACKET_CONFIG, asc);
}

/** Writes the audio tag body with one raw AAC frame, Adobe FLV 10.1 §E.4.2.1. */
export function writeAacFrameTag(frame: Uint8Array): Uint8Array {
  return writeAacTag(PACKET_FRAME, frame);
}

function writeAacTag(packetType: number, data: Uint8Array): Uint8Array {
  const body = new Uint8Array(2 + data.length);
  // The standard fixes rate, size and channels in this byte for AAC; the real ones are in the configuration.
  body[0] = 0xaf;
  body[1] = packetType;
  body.set(data, 2);
  return body;
}
