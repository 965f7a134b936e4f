import {
  aacTrack,
  av1Track,
  g711Track,
  g722Track,
  h264Track,
  h265Track,
  isCompleteH265,
  opusTrack,
  parseAv1Config,
  parseAvcConfig,
  parseHevcConfig,
  parseOpusHead,
  vp8Track,
  writeAacConfig,
  writeHevcConfig,
} from '../codec/index.ts';
import type { Track } from '../packet.ts';
import { WAVE_FORMAT_TAGS } from './codec-ids.ts';
import { asBadFile, badFile, childElements, findChild, floatOf, textOf, uintOf } from './ebml-reader.ts';
import { ID } from './element-ids.ts';

/** How the frames of a track become units: by the lengths or start codes of its NAL units, or as they are. */
export type Framing = 0 | 1 | 2 | 4 | 'startCodes';

/** A track of the file. */
export interface WebmTrack {
  /** How blocks name it. */
  readonly number: number;
  readonly kind: 'video' | 'audio';
  /** Undefined while only its frames can tell its configuration, see `completeTracks`. */
  readonly track: Track | undefined;
  /** For messages: the codec as the file names it. */
  readonly codecId: string;
  readonly framing: Framing;
  /** What was taken off the beginning of every frame (RFC 9559 §5.1.4.1.31.9, header stripping). */
  readonly strippedHeader: Uint8Array;
  /** How much later than meant the times in the file are. */
  readonly codecDelayNs: number;
  /** From one frame to the next; 0 unknown. */
  readonly defaultDurationNs: number;
}

const NO_BYTES = new Uint8Array();
const TYPE_VIDEO = 1;
const TYPE_AUDIO = 2;
const SCOPE_FRAMES = 1;
const SCOPE_PRIVATE = 2;
const ALGORITHM_HEADER_STRIPPING = 3;

/** What is read of a TrackEntry before its codec is looked at. */
interface Fields {
  number: number;
  type: number;
  codecId: string;
  codecPrivate: Uint8Array | undefined;
  codecDelayNs: number;
  defaultDurationNs: number;
  audio: Uint8Array | undefined;
  encodings: Uint8Array | undefined;
}

/**
 * Reads a TrackEntry (RFC 9559 §5.1.4.1).
 * @param id for the track.
 * @returns the track, or for what the hub does not carry a text that names it
 * @throws ProtocolError WEBM_BAD_FILE when the description of a known codec is malformed
 */
export function parseTrackEntry(entry: Uint8Array, id: number): WebmTrack | string {
  const fields = readFields(entry);
  const { codecId, number } = fields;
  if (fields.type !== TYPE_VIDEO && fields.type !== TYPE_AUDIO) return codecId || `track type ${fields.type}`;
  if (number === 0) throw badFile('a track without number');
  const header = strippedHeaderOf(fields);
  if (typeof header === 'string') return `${codecId} (${header})`;
  const kind = fields.type === TYPE_VIDEO ? 'video' : 'audio';
  const found = asBadFile(() => trackOf(fields, id));
  if (typeof found === 'string') return found;
  if ((found.track?.kind ?? 'video') !== kind) throw badFile(`${codecId} in a track of another kind`);
  const { codecDelayNs, defaultDurationNs } = fields;
  return { number, kind, codecId, strippedHeader: header, codecDelayNs, defaultDurationNs, ...found };
}

function readFields(entry: Uint8Array): Fields {
  const fields: Fields = {
    number: 0,
    type: 0,
    codecId: '',
    codecPrivate: undefined,
    codecDelayNs: 0,
    defaultDurationNs: 0,
    audio: undefined,
    encodings: undefined,
  };
  for (const { id, content } of childElements(entry)) {
    if (id === ID.trackNumber) fields.number = uintOf(content);
    else if (id === ID.trackType) fields.type = uintOf(content);
    else if (id === ID.codecId) fields.codecId = textOf(content);
    else if (id === ID.codecPrivate && content.length > 0) fields.codecPrivate = content;
    else if (id === ID.codecDelay) fields.codecDelayNs = Math.min(uintOf(content), 1e10);
    else if (id === ID.defaultDuration) fields.defaultDurationNs = Math.min(uintOf(content), 1e11);
    else if (id === ID.audio) fields.audio = content;
    else if (id === ID.contentEncodings) fields.encodings = content;
  }
  return fields;
}

/** The bytes that go before each frame; a text for encodings that are not undone here. */
function strippedHeaderOf(fields: Fields): Uint8Array | string {
  if (fields.encodings === undefined) return NO_BYTES;
  const encodings = [...childElements(fields.encodings)].filter(({ id }) => id === ID.contentEncoding);
  const [first] = encodings;
  if (first === undefined) return NO_BYTES;
  if (encodings.length > 1) return 'several encodings';
  const typeElement = findChild(first.content, ID.contentEncodingType);
  if (typeElement !== undefined && uintOf(typeElement) !== 0) return 'encrypted';
  const scopeElement = findChild(first.content, ID.contentEncodingScope);
  const scope = scopeElement === undefined ? SCOPE_FRAMES : uintOf(scopeElement);
  const compression = findChild(first.content, ID.contentCompression) ?? NO_BYTES;
  const algorithm = uintOf(findChild(compression, ID.contentCompAlgo) ?? NO_BYTES);
  if (algorithm !== ALGORITHM_HEADER_STRIPPING) return 'compressed';
  const header = new Uint8Array(findChild(compression, ID.contentCompSettings) ?? NO_BYTES);
  if ((scope & SCOPE_PRIVATE) !== 0 && fields.codecPrivate !== undefined) {
    fields.codecPrivate = joined(header, fields.codecPrivate);
  }
  return (scope & SCOPE_FRAMES) === 0 ? NO_BYTES : header;
}

/** `second` after `first`, in memory of its own. */
export function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const result = new Uint8Array(first.length + second.length);
  result.set(first);
  result.set(second, first.length);
  return result;
}

interface Found {
  readonly track: Track | undefined;
  readonly framing: Framing;
}

/** `track` undefined: its frames tell. */
function trackOf(fields: Fields, id: number): Found | string {
  const { codecId, codecPrivate } = fields;
  switch (codecId) {
    case 'V_MPEG4/ISO/AVC':
      return h264Of(codecPrivate, id);
    case 'V_MPEGH/ISO/HEVC':
      return h265Of(codecPrivate, id);
    case 'V_AV1': {
      const sequence = codecPrivate && parseAv1Config(codecPrivate);
      return { track: sequence && av1Track(id, sequence), framing: 0 };
    }
    case 'V_VP8':
      return { track: vp8Track(id), framing: 0 };
    case 'V_VP9':
      return { track: undefined, framing: 0 };
    case 'A_OPUS':
      return opusOf(fields, id);
    case 'A_MS/ACM':
      return waveOf(codecPrivate ?? NO_BYTES, id);
    default:
      return /^A_AAC($|\/)/.test(codecId) ? aacOf(fields, id) : codecId;
  }
}

/** Chromium's MediaRecorder wrote H.264 without configuration and with start codes for years. */
function h264Of(codecPrivate: Uint8Array | undefined, id: number): Found {
  if (codecPrivate === undefined) return { track: undefined, framing: 'startCodes' };
  const { lengthSize, sps, pps } = parseAvcConfig(codecPrivate);
  return { track: h264Track(id, [...sps, ...pps].map(ownCopy)), framing: lengthSize };
}

function h265Of(codecPrivate: Uint8Array | undefined, id: number): Found {
  if (codecPrivate === undefined) return { track: undefined, framing: 'startCodes' };
  const { lengthSize, parameters } = parseHevcConfig(codecPrivate);
  if (!isCompleteH265(parameters)) return { track: undefined, framing: lengthSize };
  writeHevcConfig(parameters);
  return { track: h265Track(id, parameters), framing: lengthSize };
}

function opusOf({ codecId, codecPrivate }: Fields, id: number): Found | string {
  if (codecPrivate === undefined) return `${codecId} (no identification header)`;
  parseOpusHead(codecPrivate);
  return { track: opusTrack(id, ownCopy(codecPrivate)), framing: 0 };
}

/** Old files have no AudioSpecificConfig and tell the profile by the codec id, which is LC nearly always. */
function aacOf({ codecId, codecPrivate, audio }: Fields, id: number): Found | string {
  if (codecPrivate !== undefined) return { track: aacTrack(id, ownCopy(codecPrivate)), framing: 0 };
  if (codecId.includes('SBR')) return `${codecId} (no configuration)`;
  const rateElement = audio && findChild(audio, ID.samplingFrequency);
  const channelsElement = audio && findChild(audio, ID.channels);
  const sampleRate = rateElement === undefined ? 8000 : Math.round(floatOf(rateElement));
  const channels = channelsElement === undefined ? 1 : uintOf(channelsElement);
  return { track: aacTrack(id, writeAacConfig({ objectType: 2, sampleRate, channels })), framing: 0 };
}

/** WAVEFORMATEX: mono sound with one byte per sample, or G.722, is what the hub carries of what it can describe. */
function waveOf(format: Uint8Array, id: number): Found | string {
  if (format.length < 16) throw badFile('a WAVEFORMATEX that is cut off');
  const view = new DataView(format.buffer, format.byteOffset, format.byteLength);
  const [tag, channels, rate] = [view.getUint16(0, true), view.getUint16(2, true), view.getUint32(4, true)];
  const known = Object.values<number>(WAVE_FORMAT_TAGS).includes(tag);
  if (!known || channels !== 1) return `A_MS/ACM (format ${tag}, ${channels} channels)`;
  if (tag === WAVE_FORMAT_TAGS.g722) return { track: g722Track(id), framing: 0 };
  if (rate < 1000 || rate > 192_000) throw badFile(`a sampling rate of ${rate}`);
  return { track: g711Track(id, tag === WAVE_FORMAT_TAGS.pcma ? 'pcma' : 'pcmu', rate), framing: 0 };
}

/** `slice` on a Node Buffer would be a view of the whole read, which the track must not keep alive. */
function ownCopy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
