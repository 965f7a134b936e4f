import { writeAv1Config } from '../codec/av1.ts';
import { writeAvcConfig } from '../codec/h264.ts';
import { joinedBytes, writeAvcc } from '../codec/h264-nal.ts';
import { writeHevcConfig } from '../codec/h265.ts';
import type { Codec, MediaPacket, Track } from '../packet.ts';
import { EX_CODED_FRAMES, EX_SEQUENCE_START } from './enhanced.ts';
import { writeAacConfigTag, writeAacFrameTag, writeAvcConfigTag, writeAvcFrameTag } from './legacy-tags.ts';

/** First byte of an enhanced video tag of a key frame, without the packet type; the same for other frames. */
const EX_VIDEO_KEY = 0x90;
const EX_VIDEO_INTER = 0xa0;
/** The same for audio: SoundFormat 9 is the extension. */
const EX_AUDIO = 0x90;
/** Coded frame whose composition time is zero and left out. */
const EX_CODED_FRAMES_X = 3;

/** Bytes before the data of an enhanced tag: type and packet type, FourCC. */
const EX_HEADER_BYTES = 5;
const COMPOSITION_BYTES = 3;

/** These have no place in FLV. */
type FlvCodec = Exclude<Codec, 'g722' | 'g726' | 'l16' | 'mjpeg' | 'mpeg1'>;

/** How the tags of a codec begin; a FourCC as the 32-bit number that it is on the wire. */
const FORMS = {
  h264: { fourCc: 0, first: 7 },
  flv1: { fourCc: 0, first: 2 },
  h265: { fourCc: 0x68766331, first: 0 },
  av1: { fourCc: 0x61763031, first: 0 },
  vp9: { fourCc: 0x76703039, first: 0 },
  vp8: { fourCc: 0x76703038, first: 0 },
  // Adobe FLV 10.1 §E.4.2.1 fixes rate, size and channels in this byte for AAC and Speex.
  aac: { fourCc: 0, first: 0xaf },
  speex: { fourCc: 0, first: 0xb2 },
  pcma: { fourCc: 0, first: 0x72 },
  pcmu: { fourCc: 0, first: 0x82 },
  opus: { fourCc: 0x4f707573, first: 0 },
} as const satisfies Record<FlvCodec, { fourCc: number; first: number }>;

const EMPTY = new Uint8Array(0);

/** VPCodecConfigurationRecord of every VP8 stream: profile 0, no level, 8 bits, 4:2:0, colours unspecified. */
const VP8_CONFIG = Uint8Array.of(0, 0, 0x82, 2, 2, 2, 0, 0);
/** Version and flags of the vpcC box, which belong to the record in FLV too. */
const VPCC_VERSION = Uint8Array.of(1, 0, 0, 0);

/** True for codecs that FLV and RTMP carry, in the legacy or the enhanced form. */
export function isFlvCarriable(codec: Codec): codec is FlvCodec {
  return codec in FORMS;
}

/** True for codecs that only players of Enhanced RTMP understand: those without a number in the legacy form. */
export function isEnhancedOnly(codec: Codec): boolean {
  return isFlvCarriable(codec) && FORMS[codec].fourCc !== 0;
}

/**
 * Writes the body of the tag that configures a decoder for this track: legacy for H.264 and AAC, enhanced for H.265,
 * AV1, VP9, VP8 and Opus. Undefined when the codec needs none, or the parameters are not known yet.
 * @throws ProtocolError of the codec's configuration when the parameters are broken.
 */
export function flvConfigTag(track: Track): Uint8Array | undefined {
  const { codec, parameters } = track;
  const [first] = parameters;
  if (codec === 'vp8') return enhancedConfig(codec, [VPCC_VERSION, VP8_CONFIG]);
  if (first === undefined) return undefined;
  switch (codec) {
    case 'h264':
      return writeAvcConfigTag(writeAvcConfig(parameters));
    case 'aac':
      return writeAacConfigTag(first);
    case 'h265':
      return enhancedConfig(codec, [writeHevcConfig(parameters)]);
    case 'av1':
      return enhancedConfig(codec, [writeAv1Config(parameters)]);
    case 'vp9':
      return enhancedConfig(codec, [VPCC_VERSION, first]);
    case 'opus':
      return enhancedConfig(codec, [first]);
    case 'flv1':
    case 'pcma':
    case 'pcmu':
    case 'mjpeg':
    case 'mpeg1':
    case 'g722':
    case 'g726':
    case 'l16':
    case 'speex':
      return undefined;
  }
}

function enhancedConfig(codec: FlvCodec, parts: readonly Uint8Array[]): Uint8Array {
  const body = new Uint8Array(EX_HEADER_BYTES + totalBytes(parts));
  // Key frame and audio happen to be the same bits.
  body[0] = EX_VIDEO_KEY | EX_SEQUENCE_START;
  writeUint32(body, 1, FORMS[codec].fourCc);
  copyUnits(body, EX_HEADER_BYTES, parts);
  return body;
}

/**
 * Writes the body of the tag with one packet. The composition time is the difference of the rounded milliseconds of
 * both times, so that the presentation times that players see do not jitter.
 *
 * Hot path: one allocation, the body.
 * @throws RangeError for a codec that is not `isFlvCarriable`.
 */
export function flvFrameTag(packet: MediaPacket): Uint8Array {
  const { track, units } = packet;
  switch (track.codec) {
    case 'h264':
      return writeAvcFrameTag(units, packet.key, compositionMs(packet));
    case 'h265':
      return hevcFrame(packet);
    case 'av1':
    case 'vp9':
    case 'vp8': {
      const body = new Uint8Array(EX_HEADER_BYTES + totalBytes(units));
      body[0] = (packet.key ? EX_VIDEO_KEY : EX_VIDEO_INTER) | EX_CODED_FRAMES;
      writeUint32(body, 1, FORMS[track.codec].fourCc);
      copyUnits(body, EX_HEADER_BYTES, units);
      return body;
    }
    case 'opus': {
      const body = new Uint8Array(EX_HEADER_BYTES + totalBytes(units));
      body[0] = EX_AUDIO | EX_CODED_FRAMES;
      writeUint32(body, 1, FORMS.opus.fourCc);
      copyUnits(body, EX_HEADER_BYTES, units);
      return body;
    }
    case 'aac':
      return writeAacFrameTag(units[0] ?? EMPTY);
    case 'flv1':
    case 'pcma':
    case 'pcmu':
    case 'speex': {
      const body = new Uint8Array(1 + totalBytes(units));
      const frameType = track.codec === 'flv1' ? legacyFrameType(packet.key) : 0;
      body[0] = frameType | FORMS[track.codec].first;
      copyUnits(body, 1, units);
      return body;
    }
    case 'mjpeg':
    case 'mpeg1':
    case 'g722':
    case 'g726':
    case 'l16':
      throw new RangeError(`FLV does not carry ${track.codec}`);
  }
}

function hevcFrame(packet: MediaPacket): Uint8Array {
  const composition = compositionMs(packet);
  const headerBytes = EX_HEADER_BYTES + (composition === 0 ? 0 : COMPOSITION_BYTES);
  const body = new Uint8Array(headerBytes + joinedBytes(packet.units));
  body[0] = (packet.key ? EX_VIDEO_KEY : EX_VIDEO_INTER) | (composition === 0 ? EX_CODED_FRAMES_X : EX_CODED_FRAMES);
  writeUint32(body, 1, FORMS.h265.fourCc);
  if (composition !== 0) writeComposition(body, EX_HEADER_BYTES, composition);
  writeAvcc(body, headerBytes, packet.units);
  return body;
}

function legacyFrameType(key: boolean): number {
  return key ? 0x10 : 0x20;
}

/** Milliseconds, limited to the signed 24 bits of the field. */
function compositionMs(packet: MediaPacket): number {
  const composition = Math.round(packet.ptsUs / 1000) - Math.round(packet.dtsUs / 1000);
  return Math.max(-0x800000, Math.min(0x7fffff, composition));
}

function writeComposition(body: Uint8Array, position: number, composition: number): void {
  body[position] = composition >> 16;
  body[position + 1] = composition >> 8;
  body[position + 2] = composition;
}

function writeUint32(body: Uint8Array, position: number, value: number): void {
  body[position] = value >>> 24;
  body[position + 1] = value >>> 16;
  body[position + 2] = value >>> 8;
  body[position + 3] = value;
}

function totalBytes(units: readonly Uint8Array[]): number {
  let total = 0;
  for (const unit of units) total += unit.length;
  return total;
}

function copyUnits(target: Uint8Array, offset: number, units: readonly Uint8Array[]): void {
  let position = offset;
  for (const unit of units) {
    target.set(unit, position);
    position += unit.length;
  }
}
