import { ProtocolError, type Track } from '../packet.ts';
import { BitReader } from './bits.ts';

/** What the uncompressed header of a VP9 key frame tells (VP9 bitstream specification §6.2 and §7.2). */
export interface Vp9KeyFrame {
  /** Profile 0 to 3. */
  profile: number;
  width: number;
  height: number;
  /** Bits per sample: 8, 10 or 12. */
  bitDepth: number;
  /** color_space, table in §7.2.2: 0 unknown, 2 BT.709, 5 BT.2020, 7 sRGB, ... */
  colourSpace: number;
  fullRange: boolean;
  subsamplingX: boolean;
  subsamplingY: boolean;
}

/** Content of a VPCodecConfigurationRecord ("vpcC", VP codec ISO media file format binding). */
export interface VpConfig {
  profile: number;
  /** Ten times the level: 31 for level 3.1. */
  level: number;
  bitDepth: number;
  /** 0 and 1: 4:2:0 with different chroma positions, 2: 4:2:2, 3: 4:4:4. */
  chromaSubsampling: number;
  fullRange: boolean;
  /** Code points of ISO/IEC 23091-4 (H.273); 2 is unspecified. */
  colourPrimaries: number;
  transfer: number;
  matrix: number;
}

/** Bytes of the record after version and flags, without codec initialization data, which VP8 and VP9 do not have. */
const CONFIG_BYTES = 8;
const FRAME_MARKER = 2;
const SYNC_CODE = 0x498342;
const SPACE_BT2020 = 5;
const SPACE_RGB = 7;

/**
 * True when a VP9 frame or superframe begins with a key frame (uncompressed_header, §6.2).
 * False for anything that is no VP9 frame. Costs two bytes.
 */
export function isVp9Key(frame: Uint8Array): boolean {
  const first = frame[0] ?? 0;
  if (first >> 6 !== FRAME_MARKER) return false;
  // Profile 3 has one more reserved bit before show_existing_frame and frame_type.
  const shift = ((first >> 4) & 3) === 3 ? 1 : 2;
  return ((first >> shift) & 3) === 0 && frame.length > 1;
}

/**
 * Parses the uncompressed header of a VP9 key frame, VP9 bitstream specification §6.2, as far as the frame's size.
 * @throws ProtocolError VP9_BAD_FRAME for other frames and broken headers.
 */
export function parseVp9KeyFrame(frame: Uint8Array): Vp9KeyFrame {
  if (!isVp9Key(frame)) throw badFrame('not a key frame');
  try {
    return readKeyFrame(new BitReader(frame));
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'BITSTREAM_END') throw badFrame(error.message);
    throw error;
  }
}

function readKeyFrame(reader: BitReader): Vp9KeyFrame {
  reader.skip(2);
  // profile_low_bit comes first.
  const profile = reader.bits(1) + reader.bits(1) * 2;
  if (profile === 3 && reader.flag()) throw badFrame('reserved profile');
  reader.skip(4);
  if (reader.bits(24) !== SYNC_CODE) throw badFrame('no sync code');
  const bitDepth = profile < 2 ? 8 : reader.flag() ? 12 : 10;
  const colourSpace = reader.bits(3);
  let fullRange = true;
  let subsamplingX = false;
  let subsamplingY = false;
  if (colourSpace !== SPACE_RGB) {
    fullRange = reader.flag();
    subsamplingX = profile % 2 === 0 || reader.flag();
    subsamplingY = profile % 2 === 0 || reader.flag();
  } else if (profile % 2 === 0) throw badFrame(`sRGB in profile ${profile}`);
  if (profile % 2 === 1) reader.skip(1);
  const width = reader.bits(16) + 1;
  const height = reader.bits(16) + 1;
  return { profile, width, height, bitDepth, colourSpace, fullRange, subsamplingX, subsamplingY };
}

/**
 * Parses a VPCodecConfigurationRecord, with or without the version and flags of its box before it.
 * @throws ProtocolError VP9_BAD_CONFIG
 */
export function parseVpConfig(data: Uint8Array): VpConfig {
  const record = vpRecordOf(data);
  const [profile = 0, level = 0, depths = 0, colourPrimaries = 0, transfer = 0, matrix = 0] = record;
  const bitDepth = depths >> 4;
  if (profile > 3) throw badConfig(`profile ${profile}`);
  if (bitDepth !== 8 && bitDepth !== 10 && bitDepth !== 12) throw badConfig(`bit depth ${bitDepth}`);
  return {
    profile,
    level,
    bitDepth,
    chromaSubsampling: (depths >> 1) & 7,
    fullRange: (depths & 1) !== 0,
    colourPrimaries,
    transfer,
    matrix,
  };
}

/** The record without version and flags: a version of 1 and no flags can't be a profile and a level. */
function vpRecordOf(data: Uint8Array): Uint8Array {
  const hasVersion = data.length >= 4 + CONFIG_BYTES && data[0] === 1 && data[1] === 0 && data[2] === 0;
  const record = hasVersion ? data.subarray(4) : data;
  if (record.length < CONFIG_BYTES) throw badConfig(`${data.length} bytes are too few`);
  return record;
}

/** Writes the 8 bytes of a VPCodecConfigurationRecord that follow version and flags: the form of `track.parameters`. */
export function writeVpConfig(config: VpConfig): Uint8Array {
  return Uint8Array.of(
    config.profile,
    config.level,
    (config.bitDepth << 4) | (config.chromaSubsampling << 1) | (config.fullRange ? 1 : 0),
    config.colourPrimaries,
    config.transfer,
    config.matrix,
    0,
    0,
  );
}

/** The configuration that a key frame implies; the level is the lowest one that allows its size at 30 frames a second. */
export function vp9ConfigOf(frame: Vp9KeyFrame): VpConfig {
  const { profile, bitDepth, fullRange, subsamplingX, subsamplingY } = frame;
  const chromaSubsampling = subsamplingX ? (subsamplingY ? 1 : 2) : 3;
  const level = LEVELS.find(([samples]) => frame.width * frame.height <= samples)?.[1] ?? 62;
  const [colourPrimaries, transfer, matrix] = codePoints(frame.colourSpace, bitDepth);
  return { profile, level, bitDepth, chromaSubsampling, fullRange, colourPrimaries, transfer, matrix };
}

/** Largest luma picture and the level with which 30 of them fit into a second (WebM VP9 levels). */
const LEVELS: readonly (readonly [samples: number, level: number])[] = [
  [27_648, 10],
  [73_728, 11],
  [122_880, 20],
  [245_760, 21],
  [552_960, 30],
  [983_040, 31],
  [2_228_224, 40],
  [8_912_896, 50],
  [35_651_584, 60],
];

function codePoints(colourSpace: number, bitDepth: number): readonly [number, number, number] {
  if (colourSpace === SPACE_BT2020) return [9, bitDepth === 12 ? 15 : 14, 9];
  if (colourSpace === SPACE_RGB) return [1, 13, 0];
  const simple = [2, 5, 1, 6, 7][colourSpace] ?? 2;
  // BT.601 has the transfer characteristics of SMPTE 170M.
  return [simple, simple === 5 ? 6 : simple, simple];
}

/**
 * Makes a VP9 track with the 90 kHz clock.
 * @param config The 8 bytes of {@link writeVpConfig}; the track keeps them, so they must own their memory. Nothing
 *   while unknown.
 */
export function vp9Track(id: number, config: Uint8Array | undefined): Track {
  return { id, kind: 'video', codec: 'vp9', clockRate: 90000, parameters: config === undefined ? [] : [config] };
}

/**
 * The `codecs` parameter of a media type (VP codec ISO media file format binding), such as 'vp09.00.31.08'. What is
 * optional is left out where it has its default: 4:2:0 and colours of BT.709 or unspecified.
 * @throws ProtocolError VP9_BAD_CONFIG when the parameters are unknown or broken.
 */
export function vp9CodecString(parameters: readonly Uint8Array[]): string {
  const [record] = parameters;
  if (record === undefined) throw badConfig('it is unknown');
  const config = parseVpConfig(record);
  const { profile, level, bitDepth, chromaSubsampling, colourPrimaries, transfer, matrix, fullRange } = config;
  const short = ['vp09', two(profile), two(level), two(bitDepth)];
  const usual =
    chromaSubsampling < 2 && !fullRange && [colourPrimaries, transfer, matrix].every((c) => c === 1 || c === 2);
  if (usual) return short.join('.');
  return [...short, ...[chromaSubsampling, colourPrimaries, transfer, matrix, fullRange ? 1 : 0].map(two)].join('.');
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function badFrame(reason: string): ProtocolError {
  return new ProtocolError('VP9_BAD_FRAME', `bad VP9 frame: ${reason}`);
}

function badConfig(reason: string): ProtocolError {
  return new ProtocolError('VP9_BAD_CONFIG', `bad VP codec configuration: ${reason}`);
}
