import { joinedBytes, writeAvcc } from '../codec/h264-nal.ts';
import { ProtocolError } from '../packet.ts';

/**
 * Body of a video tag. `data` are views into the body.
 * - config: an AVCDecoderConfigurationRecord.
 * - frame: an access unit with lengths before its NAL units; it is shown `compositionMs` after the tag's timestamp.
 * - end: AVC end of sequence.
 * - other: a codec that is not handled, or (frame type 5) a command to the player. `name` is meant for messages;
 *   `codecId` is the legacy number, or for enhanced RTMP the FourCC as a 32-bit number; `data` is what follows the
 *   codec's identification.
 */
export type FlvVideo =
  | { kind: 'config'; data: Uint8Array }
  | { kind: 'frame'; key: boolean; compositionMs: number; data: Uint8Array }
  | { kind: 'end' }
  | { kind: 'other'; codecId: number; name: string; frameType: number; data: Uint8Array };

/**
 * Body of an audio tag. `data` are views into the body.
 * - config: an AudioSpecificConfig.
 * - frame: one raw AAC frame.
 * - other: a codec that is not handled, described as in {@link FlvVideo}.
 */
export type FlvAudio =
  | { kind: 'config'; data: Uint8Array }
  | { kind: 'frame'; data: Uint8Array }
  | { kind: 'other'; codecId: number; name: string; data: Uint8Array };

const VIDEO_AVC = 7;
const AUDIO_AAC = 10;
const AUDIO_ENHANCED = 9;
const FRAME_KEY = 1;
const FRAME_COMMAND = 5;

/** AVCPacketType, E.4.3.1; AACPacketType, E.4.2.1, has the first two values only. */
const PACKET_CONFIG = 0;
const PACKET_FRAME = 1;
const PACKET_END = 2;

/** Bytes before the data of an AVC tag: frame type and codec, packet type, composition time. */
const AVC_HEADER_BYTES = 5;

const VIDEO_NAMES: Readonly<Record<number, string>> = {
  1: 'JPEG',
  2: 'Sorenson H.263',
  3: 'Screen video',
  4: 'VP6',
  5: 'VP6 with alpha',
  6: 'Screen video 2',
  7: 'H.264',
  8: 'H.263',
  9: 'MPEG-4 part 2',
  12: 'H.265 (legacy id)',
  13: 'AV1 (legacy id)',
};

const AUDIO_NAMES: Readonly<Record<number, string>> = {
  0: 'PCM',
  1: 'ADPCM',
  2: 'MP3',
  3: 'PCM little endian',
  4: 'Nellymoser 16 kHz',
  5: 'Nellymoser 8 kHz',
  6: 'Nellymoser',
  7: 'G.711 A-law',
  8: 'G.711 mu-law',
  10: 'AAC',
  11: 'Speex',
  13: 'Opus (legacy id)',
  14: 'MP3 8 kHz',
  15: 'Device-specific sound',
};

/**
 * Parses the body of a video tag or RTMP video message: Adobe FLV 10.1 §E.4.3; enhanced RTMP is only identified.
 * @throws ProtocolError FLV_BAD_TAG for an empty or cut body and for an unknown AVC packet type.
 */
export function parseVideoTag(body: Uint8Array): FlvVideo {
  const [first, packetType = 0] = body;
  if (first === undefined) throw badTag('empty video tag');
  if ((first & 0x80) !== 0) {
    return { kind: 'other', ...readFourCc(body), frameType: (first >> 4) & 7 };
  }
  const frameType = first >> 4;
  const codecId = first & 15;
  if (frameType === FRAME_COMMAND || codecId !== VIDEO_AVC) {
    const name = frameType === FRAME_COMMAND ? 'Command frame' : (VIDEO_NAMES[codecId] ?? `Video codec ${codecId}`);
    return { kind: 'other', codecId, name, frameType, data: body.subarray(1) };
  }
  // The composition time is meaningless here and some writers leave it out.
  if (packetType === PACKET_END && body.length >= 2) return { kind: 'end' };
  if (body.length < AVC_HEADER_BYTES) throw badTag(`AVC tag of ${body.length} bytes`);
  const data = body.subarray(AVC_HEADER_BYTES);
  if (packetType === PACKET_CONFIG) return { kind: 'config', data };
  if (packetType !== PACKET_FRAME) throw badTag(`AVC packet type ${packetType}`);
  // The shifts extend the sign of the 24-bit number.
  const compositionMs = (((body[2] ?? 0) << 24) | ((body[3] ?? 0) << 16) | ((body[4] ?? 0) << 8)) >> 8;
  return { kind: 'frame', key: frameType === FRAME_KEY, compositionMs, data };
}

/**
 * Parses the body of an audio tag or RTMP audio message: Adobe FLV 10.1 §E.4.2; enhanced RTMP is only identified.
 * @throws ProtocolError FLV_BAD_TAG for an empty or cut body and for an unknown AAC packet type.
 */
export function parseAudioTag(body: Uint8Array): FlvAudio {
  const [first, packetType] = body;
  if (first === undefined) throw badTag('empty audio tag');
  const codecId = first >> 4;
  if (codecId === AUDIO_ENHANCED) return { kind: 'other', ...readFourCc(body) };
  if (codecId !== AUDIO_AAC) {
    return { kind: 'other', codecId, name: AUDIO_NAMES[codecId] ?? `Audio codec ${codecId}`, data: body.subarray(1) };
  }
  const data = body.subarray(2);
  if (packetType === PACKET_CONFIG) return { kind: 'config', data };
  if (packetType === PACKET_FRAME) return { kind: 'frame', data };
  throw badTag(`AAC packet type ${packetType}`);
}

/** The FourCC after the first byte of an enhanced RTMP body (Enhanced RTMP v2, "ExVideoTagHeader"). */
function readFourCc(body: Uint8Array): { codecId: number; name: string; data: Uint8Array } {
  if (body.length < 5) throw badTag(`enhanced tag of ${body.length} bytes`);
  let codecId = 0;
  let name = '';
  for (const byte of body.subarray(1, 5)) {
    codecId = codecId * 256 + byte;
    // The name goes into log lines, so nothing unprintable may come through.
    name += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
  }
  return { codecId, name, data: body.subarray(5) };
}

/** Writes the video tag body with an AVC sequence header, Adobe FLV 10.1 §E.4.3.1. */
export function writeAvcConfigTag(record: Uint8Array): Uint8Array {
  const body = new Uint8Array(AVC_HEADER_BYTES + record.length);
  body[0] = (FRAME_KEY << 4) | VIDEO_AVC;
  body.set(record, AVC_HEADER_BYTES);
  return body;
}

/** Bytes of the body that {@link writeAvcFrameTag} makes of these units. */
export function avcFrameTagBytes(units: readonly Uint8Array[]): number {
  return AVC_HEADER_BYTES + joinedBytes(units);
}

/**
 * Writes the video tag body with one access unit, Adobe FLV 10.1 §E.4.3.1, each NAL unit after a 4-byte length.
 * @param compositionMs Presentation minus decoding time in milliseconds, rounded and limited to signed 24 bits.
 */
export function writeAvcFrameTag(units: readonly Uint8Array[], key: boolean, compositionMs: number): Uint8Array {
  const body = new Uint8Array(avcFrameTagBytes(units));
  const composition = Math.max(-0x800000, Math.min(0x7fffff, Math.round(compositionMs)));
  body[0] = ((key ? FRAME_KEY : 2) << 4) | VIDEO_AVC;
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

function badTag(reason: string): ProtocolError {
  return new ProtocolError('FLV_BAD_TAG', `bad FLV tag: ${reason}`);
}
