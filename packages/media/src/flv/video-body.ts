import type { VideoCodec } from '../packet.ts';
import {
  badTag,
  EX_CODED_FRAMES,
  EX_SEQUENCE_END,
  EX_SEQUENCE_START,
  parseEnhancedHeader,
  parseEnhancedPayload,
} from './enhanced.ts';
import { fourCcName, legacyVideoName, VIDEO_AVC, VIDEO_FOURCC, VIDEO_HEVC, VIDEO_SORENSON } from './tag-names.ts';

/**
 * Body of a video tag, legacy or enhanced. `data` are views into the body.
 * - config: a decoder configuration: avcC for h264, hvcC for h265, av1C for av1, vpcC for vp9 and vp8.
 * - frame: an access unit in the form that the configuration announces; it is shown `compositionUs` after the tag's
 *   timestamp. `key` is what the tag claims.
 * - end: end of sequence.
 * - ignored: nothing to decode: a command to the player, metadata, other tracks than the default one, a packet type
 *   of the future.
 * - unsupported: media of a codec that the hub does not carry; `codecName` is meant for messages.
 */
export type FlvVideoBody =
  | { kind: 'config'; codec: VideoCodec; data: Uint8Array }
  | { kind: 'frame'; codec: VideoCodec; key: boolean; compositionUs: number; data: Uint8Array }
  | { kind: 'end' }
  | { kind: 'ignored' }
  | { kind: 'unsupported'; codecName: string };

const FRAME_KEY = 1;
const FRAME_COMMAND = 5;

/** VideoPacketType values that only video has; AVCPacketType has the first three of EX_… with the same meaning. */
const EX_CODED_FRAMES_X = 3;
const EX_MULTITRACK = 6;

/** Bytes before the data of a legacy AVC or HEVC tag: frame type and codec, packet type, composition time. */
const NAL_HEADER_BYTES = 5;
const COMPOSITION_BYTES = 3;

/**
 * Parses the body of a video tag or RTMP video message: Adobe FLV 10.1 §E.4.3, and Enhanced RTMP v2 ("ExVideoTag").
 * @throws ProtocolError FLV_BAD_TAG for an empty or cut body and for an unknown legacy packet type.
 */
export function parseFlvVideo(body: Uint8Array): FlvVideoBody {
  const first = body[0];
  if (first === undefined) throw badTag('empty video tag');
  return (first & 0x80) === 0 ? parseLegacy(body, first) : parseEnhanced(body, (first >> 4) & 7);
}

function parseLegacy(body: Uint8Array, first: number): FlvVideoBody {
  const frameType = first >> 4;
  const codecId = first & 15;
  // A command (a server-side seek) carries no picture, whatever its codec says.
  if (frameType === FRAME_COMMAND) return { kind: 'ignored' };
  const key = frameType === FRAME_KEY;
  if (codecId === VIDEO_SORENSON) {
    return { kind: 'frame', codec: 'flv1', key, compositionUs: 0, data: body.subarray(1) };
  }
  if (codecId !== VIDEO_AVC && codecId !== VIDEO_HEVC) {
    return { kind: 'unsupported', codecName: legacyVideoName(codecId) };
  }
  const codec = codecId === VIDEO_AVC ? 'h264' : 'h265';
  const packetType = body[1];
  // The composition time is meaningless here and some writers leave it out.
  if (packetType === EX_SEQUENCE_END) return { kind: 'end' };
  if (body.length < NAL_HEADER_BYTES) throw badTag(`AVC tag of ${body.length} bytes`);
  const data = body.subarray(NAL_HEADER_BYTES);
  if (packetType === EX_SEQUENCE_START) return { kind: 'config', codec, data };
  if (packetType !== EX_CODED_FRAMES) throw badTag(`AVC packet type ${packetType}`);
  return { kind: 'frame', codec, key, compositionUs: readComposition(body, 2) * 1000, data };
}

function parseEnhanced(body: Uint8Array, frameType: number): FlvVideoBody {
  const header = parseEnhancedHeader(body);
  // Metadata gives the frame type no meaning; it is left alone all the same.
  if (frameType === FRAME_COMMAND) return { kind: 'ignored' };
  const payload = parseEnhancedPayload(body, header, EX_MULTITRACK);
  if (payload === undefined) return { kind: 'ignored' };
  const { packetType, fourCc, data } = payload;
  if (packetType === EX_SEQUENCE_END) return { kind: 'end' };
  const isFrame = packetType === EX_CODED_FRAMES || packetType === EX_CODED_FRAMES_X;
  if (!isFrame && packetType !== EX_SEQUENCE_START) return { kind: 'ignored' };
  const codec = VIDEO_FOURCC.get(fourCc);
  if (codec === undefined) return { kind: 'unsupported', codecName: fourCcName(fourCc) };
  if (!isFrame) return { kind: 'config', codec, data };
  const key = frameType === FRAME_KEY;
  const offsetUs = Math.round(header.timestampOffsetNs / 1000);
  // Only codecs with NAL units have a composition time, and only in this packet type.
  if (packetType === EX_CODED_FRAMES_X || (codec !== 'h264' && codec !== 'h265')) {
    return { kind: 'frame', codec, key, compositionUs: offsetUs, data };
  }
  if (data.length < COMPOSITION_BYTES) throw badTag('it ends inside the composition time');
  const compositionUs = readComposition(data, 0) * 1000 + offsetUs;
  return { kind: 'frame', codec, key, compositionUs, data: data.subarray(COMPOSITION_BYTES) };
}

/** Milliseconds as a signed 24-bit number; the shifts extend its sign. */
function readComposition(bytes: Uint8Array, position: number): number {
  const [b0, b1, b2] = [bytes[position] ?? 0, bytes[position + 1] ?? 0, bytes[position + 2] ?? 0];
  return ((b0 << 24) | (b1 << 16) | (b2 << 8)) >> 8;
}
