import { ProtocolError } from '../packet.ts';
import { BitReader, unescapeRbsp } from './bits.ts';
import { H265_SPS, h265NalType } from './h265-nal.ts';
import { type H265Vui, readH265Vui, skipReferencePictureSets, skipScalingLists } from './h265-vui.ts';

/** The general part of profile_tier_level, ITU-T H.265 §7.3.3. */
export interface H265Profile {
  /** general_profile_space, 0 to 3; 0 in every known stream. */
  profileSpace: number;
  /** general_tier_flag: false main tier, true high tier. */
  highTier: boolean;
  /** general_profile_idc: 1 Main, 2 Main 10, 3 Main Still Picture, 4 range extensions, ... */
  profile: number;
  /** general_profile_compatibility_flag[0..31], the first flag in the highest bit. */
  compatibility: number;
  /** The 48 bits from general_progressive_source_flag on, as six bytes. */
  constraints: Uint8Array;
  /** general_level_idc: thirty times the level, 93 for level 3.1. */
  level: number;
}

/** The fields of an H.265 sequence parameter set (ITU-T H.265 §7.3.2.2) that a server or a muxer needs. */
export interface H265Sps extends H265Profile {
  /** Width in pixels inside the conformance window, before the sample aspect ratio is applied. */
  width: number;
  /** Height in pixels inside the conformance window. */
  height: number;
  /** 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  chromaFormat: number;
  /** Bits per luma sample, 8 to 16. */
  bitDepthLuma: number;
  /** Bits per chroma sample, 8 to 16. */
  bitDepthChroma: number;
  /** Temporal sub-layers, 1 to 7. */
  subLayers: number;
  /** sps_temporal_id_nesting_flag. */
  temporalIdNesting: boolean;
  /** How many pictures may precede another in decoding order and follow it in output order. */
  maxReorderFrames: number;
  /** Frames per second from the VUI timing information; undefined when it is absent, zero or cannot be reached. */
  fps: number | undefined;
  /** Sample aspect ratio; 1:1 when unspecified. */
  sarWidth: number;
  sarHeight: number;
}

/** Far above level 7.2 (16888 pixels per side), low enough that no product of sizes overflows. */
const MAX_SIDE = 65535;

/**
 * Parses a sequence parameter set of the base layer, ITU-T H.265 §7.3.2.2.1, any profile.
 * What follows the picture's format is read as far as it makes sense: damage there costs only frame rate and aspect.
 * @param nal The NAL unit with its header, without start code, with emulation prevention bytes.
 * @throws ProtocolError H265_BAD_SPS
 */
export function parseH265Sps(nal: Uint8Array): H265Sps {
  if (nal.length < 3 || ((nal[0] ?? 0) & 0x80) !== 0 || h265NalType(nal) !== H265_SPS) throw badSps('not an SPS');
  try {
    return readSps(new BitReader(unescapeRbsp(nal)));
  } catch (error) {
    if (isBitstreamError(error)) throw badSps(error.message);
    throw error;
  }
}

function readSps(reader: BitReader): H265Sps {
  reader.skip(16 + 4);
  const subLayers = reader.bits(3) + 1;
  if (subLayers > 7) throw badSps('8 sub-layers');
  const temporalIdNesting = reader.flag();
  const profile = readProfileTierLevel(reader, subLayers);
  atMost(reader.ue(), 15, 'sps_seq_parameter_set_id');
  const chromaFormat = atMost(reader.ue(), 3, 'chroma_format_idc');
  const separatePlanes = chromaFormat === 3 && reader.flag();
  const { width, height } = readSize(reader, separatePlanes ? 0 : chromaFormat);
  const bitDepthLuma = atMost(reader.ue(), 8, 'bit_depth_luma_minus8') + 8;
  const bitDepthChroma = atMost(reader.ue(), 8, 'bit_depth_chroma_minus8') + 8;
  const log2MaxPocLsb = atMost(reader.ue(), 12, 'log2_max_pic_order_cnt_lsb_minus4') + 4;
  const maxReorderFrames = readOrdering(reader, subLayers);
  const vui = readRestLeniently(reader, log2MaxPocLsb);
  return {
    ...profile,
    width,
    height,
    chromaFormat,
    bitDepthLuma,
    bitDepthChroma,
    subLayers,
    temporalIdNesting,
    maxReorderFrames,
    ...vui,
  };
}

/** profile_tier_level(1, subLayers - 1), §7.3.3. */
function readProfileTierLevel(reader: BitReader, subLayers: number): H265Profile {
  const profileSpace = reader.bits(2);
  const highTier = reader.flag();
  const profile = reader.bits(5);
  const compatibility = reader.bits(32);
  const constraints = Uint8Array.from({ length: 6 }, () => reader.bits(8));
  const level = reader.bits(8);
  if (subLayers > 1) {
    const present: { profile: boolean; level: boolean }[] = [];
    for (let layer = 0; layer < subLayers - 1; layer += 1) {
      present.push({ profile: reader.flag(), level: reader.flag() });
    }
    // Two reserved bits for each layer that is not there.
    reader.skip(2 * (9 - subLayers));
    for (const layer of present) reader.skip((layer.profile ? 88 : 0) + (layer.level ? 8 : 0));
  }
  return { profileSpace, highTier, profile, compatibility, constraints, level };
}

/** The coded size without what the conformance window cuts off, §7.4.3.2.1. */
function readSize(reader: BitReader, chromaFormat: number): { width: number; height: number } {
  let width = atMost(reader.ue(), MAX_SIDE, 'pic_width_in_luma_samples');
  let height = atMost(reader.ue(), MAX_SIDE, 'pic_height_in_luma_samples');
  if (reader.flag()) {
    const unitX = chromaFormat === 1 || chromaFormat === 2 ? 2 : 1;
    const unitY = chromaFormat === 1 ? 2 : 1;
    width -= (reader.ue() + reader.ue()) * unitX;
    height -= (reader.ue() + reader.ue()) * unitY;
  }
  if (width <= 0 || height <= 0) throw badSps('there is no picture inside the conformance window');
  return { width, height };
}

/** sps_max_num_reorder_pics of the highest sub-layer, which is the last one that is written. */
function readOrdering(reader: BitReader, subLayers: number): number {
  let reorder = 0;
  for (let left = reader.flag() ? subLayers : 1; left > 0; left -= 1) {
    reader.ue();
    reorder = atMost(reader.ue(), 16, 'sps_max_num_reorder_pics');
    reader.ue();
  }
  return reorder;
}

/** Reads on to the VUI; what was read before the data ended or made no sense stays valid. */
function readRestLeniently(reader: BitReader, log2MaxPocLsb: number): H265Vui {
  const vui: H265Vui = { fps: undefined, sarWidth: 1, sarHeight: 1 };
  try {
    // Sizes of coding and transform blocks, and the depths of their hierarchies.
    for (let field = 0; field < 6; field += 1) reader.ue();
    if (reader.flag() && reader.flag()) skipScalingLists(reader);
    reader.skip(2);
    if (reader.flag()) {
      reader.skip(8);
      reader.ue();
      reader.ue();
      reader.skip(1);
    }
    skipReferencePictureSets(reader);
    if (reader.flag()) {
      for (let left = atMost(reader.ue(), 32, 'num_long_term_ref_pics_sps'); left > 0; left -= 1) {
        reader.skip(log2MaxPocLsb + 1);
      }
    }
    reader.skip(2);
    if (reader.flag()) readH265Vui(reader, vui);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  return vui;
}

function atMost(value: number, limit: number, name: string): number {
  if (value > limit) throw badSps(`${name} is ${value}, at most ${limit} is allowed`);
  return value;
}

function badSps(reason: string): ProtocolError {
  return new ProtocolError('H265_BAD_SPS', `bad H.265 SPS: ${reason}`);
}

function isBitstreamError(error: unknown): error is ProtocolError {
  return error instanceof ProtocolError && error.code.startsWith('BITSTREAM_');
}
