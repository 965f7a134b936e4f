import type { AudioCodec } from '../packet.ts';
import {
  badTag,
  EX_CODED_FRAMES,
  EX_SEQUENCE_END,
  EX_SEQUENCE_START,
  parseEnhancedHeader,
  parseEnhancedPayload,
} from './enhanced.ts';
import {
  AUDIO_AAC,
  AUDIO_ENHANCED,
  AUDIO_FOURCC,
  AUDIO_PCMA,
  AUDIO_PCMU,
  AUDIO_SPEEX,
  fourCcName,
  legacyAudioName,
} from './tag-names.ts';

/**
 * Body of an audio tag, legacy or enhanced. `data` are views into the body.
 * - config: an AudioSpecificConfig for aac, an identification header (maybe empty) for opus.
 * - frame: one frame, for speex and G.711 possibly several; it is due `offsetUs` after the tag's timestamp.
 * - end, ignored, unsupported: as in `FlvVideoBody`.
 */
export type FlvAudioBody =
  | { kind: 'config'; codec: AudioCodec; data: Uint8Array }
  | { kind: 'frame'; codec: AudioCodec; offsetUs: number; data: Uint8Array }
  | { kind: 'end' }
  | { kind: 'ignored' }
  | { kind: 'unsupported'; codecName: string };

const EX_MULTITRACK = 5;

/** SoundFormats whose frames follow the first byte at once. */
const LEGACY_CODECS: Readonly<Record<number, AudioCodec>> = {
  [AUDIO_PCMA]: 'pcma',
  [AUDIO_PCMU]: 'pcmu',
  [AUDIO_SPEEX]: 'speex',
};

/**
 * Parses the body of an audio tag or RTMP audio message: Adobe FLV 10.1 §E.4.2, and Enhanced RTMP v2 ("ExAudioTag").
 * Rate, size and channels in the legacy form's first byte are left alone: for AAC and Speex the standard fixes them,
 * and for G.711 writers put anything there.
 * @throws ProtocolError FLV_BAD_TAG for an empty or cut body and for an unknown AAC packet type.
 */
export function parseFlvAudio(body: Uint8Array): FlvAudioBody {
  const first = body[0];
  const packetType = body[1];
  if (first === undefined) throw badTag('empty audio tag');
  const codecId = first >> 4;
  if (codecId === AUDIO_ENHANCED) return parseEnhanced(body);
  if (codecId !== AUDIO_AAC) {
    const codec = LEGACY_CODECS[codecId];
    if (codec === undefined) return { kind: 'unsupported', codecName: legacyAudioName(codecId) };
    return { kind: 'frame', codec, offsetUs: 0, data: body.subarray(1) };
  }
  const data = body.subarray(2);
  if (packetType === EX_SEQUENCE_START) return { kind: 'config', codec: 'aac', data };
  if (packetType === EX_CODED_FRAMES) return { kind: 'frame', codec: 'aac', offsetUs: 0, data };
  throw badTag(`AAC packet type ${packetType}`);
}

function parseEnhanced(body: Uint8Array): FlvAudioBody {
  const header = parseEnhancedHeader(body);
  const payload = parseEnhancedPayload(body, header, EX_MULTITRACK);
  if (payload === undefined) return { kind: 'ignored' };
  const { packetType, fourCc, data } = payload;
  if (packetType === EX_SEQUENCE_END) return { kind: 'end' };
  // What is left: MultichannelConfig, which tells nothing that the configurations of AAC and Opus do not, and
  // packet types of the future.
  if (packetType !== EX_SEQUENCE_START && packetType !== EX_CODED_FRAMES) return { kind: 'ignored' };
  const codec = AUDIO_FOURCC.get(fourCc);
  if (codec === undefined) return { kind: 'unsupported', codecName: fourCcName(fourCc) };
  if (packetType === EX_SEQUENCE_START) return { kind: 'config', codec, data };
  return { kind: 'frame', codec, offsetUs: Math.round(header.timestampOffsetNs / 1000), data };
}
