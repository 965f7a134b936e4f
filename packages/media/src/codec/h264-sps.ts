import { ProtocolError } from '../packet.ts';
import { readAspectRatio } from './aspect-ratio.ts';
import { BitReader, unescapeRbsp } from './bits.ts';

/** The fields of an H.264 sequence parameter set (ITU-T H.264 §7.3.2.1) that a server or a muxer needs. */
export interface H264Sps {
  /** profile_idc: 66 baseline, 77 main, 100 high, ... */
  profile: number;
  /** The byte with constraint_set0_flag (bit 7) to constraint_set5_flag (bit 2). */
  constraints: number;
  /** level_idc: ten times the level, 31 for level 3.1. */
  level: number;
  /** Width in pixels after cropping, before the sample aspect ratio is applied. */
  width: number;
  /** Height in pixels after cropping; of the frame, not of a field. */
  height: number;
  /** Frames per second from the VUI timing information; undefined when it is absent or zero. */
  fps: number | undefined;
  /**
   * How many pictures may precede another in decoding order and follow it in output order: from the VUI bitstream
   * restriction, or 0 where the standard implies it (§E.2.1, §8.2.1.3). Undefined when the stream does not tell.
   */
  maxReorderFrames: number | undefined;
  /** pic_order_cnt_type, 0 to 2. */
  pocType: number;
  /** False when the stream may contain fields or field macroblocks (interlaced). */
  frameMbsOnly: boolean;
  /** Bits of frame_num in a slice header, 4 to 16. */
  log2MaxFrameNum: number;
  /** Bits of pic_order_cnt_lsb in a slice header, 4 to 16; 0 unless `pocType` is 0. */
  log2MaxPocLsb: number;
  /** Sample aspect ratio; 1:1 when unspecified. */
  sarWidth: number;
  sarHeight: number;
  /** 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  chromaFormat: number;
  /** Bits per luma sample, 8 to 14. */
  bitDepthLuma: number;
  /** Bits per chroma sample, 8 to 14. */
  bitDepthChroma: number;
}

/** What the optional VUI part tells. */
interface Vui {
  fps: number | undefined;
  maxReorderFrames: number | undefined;
  sarWidth: number;
  sarHeight: number;
}

/** Chroma format and bit depths; only the high profiles write them. */
interface ChromaFields {
  chromaFormat: number;
  bitDepthLuma: number;
  bitDepthChroma: number;
}

/** Profiles whose SPS carries the chroma fields (§7.3.2.1.1); 144 is the withdrawn High 4:4:4. */
const HIGH_PROFILES: ReadonlySet<number> = new Set([100, 110, 122, 144, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/** Profiles that constraint_set3_flag turns into intra-only ones, where no picture is reordered (§E.2.1). */
const INTRA_PROFILES: ReadonlySet<number> = new Set([44, 86, 100, 110, 122, 244]);

/** Far above level 6.2 (1055 macroblocks per side), low enough that no product of sizes overflows. */
const MAX_MACROBLOCKS_PER_SIDE = 4096;

/** True when the SPS of this profile, and so the configuration record, carries chroma format and bit depths. */
export function hasChromaFields(profile: number): boolean {
  return HIGH_PROFILES.has(profile);
}

/**
 * Parses a sequence parameter set, ITU-T H.264 §7.3.2.1.1, any profile.
 * A VUI that breaks off is ignored rather than refused: cameras write such ones and the picture size is known by then.
 * @param nal The NAL unit with its header byte, without start code, with emulation prevention bytes.
 * @throws ProtocolError H264_BAD_SPS
 */
export function parseSps(nal: Uint8Array): H264Sps {
  if (((nal[0] ?? 0) & 0x9f) !== 7) throw badSps('not an SPS NAL unit');
  try {
    return readSps(new BitReader(unescapeRbsp(nal)));
  } catch (error) {
    if (isBitstreamError(error)) throw badSps(error.message);
    throw error;
  }
}

/** What comes before the VUI. */
export interface SpsHead extends Omit<H264Sps, 'fps' | 'maxReorderFrames' | 'sarWidth' | 'sarHeight'> {
  /** max_num_ref_frames, 0 to 16. */
  maxRefFrames: number;
}

function readSps(reader: BitReader): H264Sps {
  const { maxRefFrames: _, ...head } = readSpsHead(reader);
  const vui = reader.flag() ? readVuiLeniently(reader) : emptyVui();
  const isIntra = INTRA_PROFILES.has(head.profile) && (head.constraints & 0x10) !== 0;
  const neverReordered = head.pocType === 2 || isIntra;
  return { ...head, ...vui, maxReorderFrames: vui.maxReorderFrames ?? (neverReordered ? 0 : undefined) };
}

/**
 * Reads from the header byte up to vui_parameters_present_flag, which is the next bit then.
 * @throws ProtocolError H264_BAD_SPS, or of the {@link BitReader} at the end of the data.
 */
export function readSpsHead(reader: BitReader): SpsHead {
  reader.skip(8);
  const profile = reader.bits(8);
  const constraints = reader.bits(8);
  const level = reader.bits(8);
  atMost(reader.ue(), 31, 'seq_parameter_set_id');
  const { chromaFormat, bitDepthLuma, bitDepthChroma } = readChromaFields(reader, profile);
  const log2MaxFrameNum = atMost(reader.ue(), 12, 'log2_max_frame_num_minus4') + 4;
  const { pocType, log2MaxPocLsb } = readPictureOrder(reader);
  const maxRefFrames = atMost(reader.ue(), 16, 'max_num_ref_frames');
  reader.skip(1);
  const { width, height, frameMbsOnly } = readPictureSize(reader, chromaFormat);
  return {
    profile,
    constraints,
    level,
    chromaFormat,
    bitDepthLuma,
    bitDepthChroma,
    log2MaxFrameNum,
    pocType,
    log2MaxPocLsb,
    maxRefFrames,
    width,
    height,
    frameMbsOnly,
  };
}

function readChromaFields(reader: BitReader, profile: number): ChromaFields {
  if (!hasChromaFields(profile)) return { chromaFormat: 1, bitDepthLuma: 8, bitDepthChroma: 8 };
  const chromaFormat = atMost(reader.ue(), 3, 'chroma_format_idc');
  // separate_colour_plane_flag
  if (chromaFormat === 3) reader.skip(1);
  const bitDepthLuma = atMost(reader.ue(), 6, 'bit_depth_luma_minus8') + 8;
  const bitDepthChroma = atMost(reader.ue(), 6, 'bit_depth_chroma_minus8') + 8;
  reader.skip(1);
  if (reader.flag()) skipScalingLists(reader, chromaFormat === 3 ? 12 : 8);
  return { chromaFormat, bitDepthLuma, bitDepthChroma };
}

/** Passes over the scaling matrix, §7.3.2.1.1.1: six 4x4 lists, then 8x8 lists. */
function skipScalingLists(reader: BitReader, count: number): void {
  for (let list = 0; list < count; list += 1) {
    if (!reader.flag()) continue;
    const size = list < 6 ? 16 : 64;
    let lastScale = 8;
    // A next scale of zero ends the list: all further entries repeat the last one.
    for (let entry = 0; entry < size; entry += 1) {
      const nextScale = (((lastScale + reader.se()) % 256) + 256) % 256;
      if (nextScale === 0) break;
      lastScale = nextScale;
    }
  }
}

function readPictureOrder(reader: BitReader): { pocType: number; log2MaxPocLsb: number } {
  const pocType = atMost(reader.ue(), 2, 'pic_order_cnt_type');
  if (pocType === 0) {
    return { pocType, log2MaxPocLsb: atMost(reader.ue(), 12, 'log2_max_pic_order_cnt_lsb_minus4') + 4 };
  }
  if (pocType === 1) {
    reader.skip(1);
    reader.se();
    reader.se();
    const cycle = atMost(reader.ue(), 255, 'num_ref_frames_in_pic_order_cnt_cycle');
    for (let index = 0; index < cycle; index += 1) reader.se();
  }
  return { pocType, log2MaxPocLsb: 0 };
}

/** Reads the size in macroblocks and the cropping rectangle, and turns them into pixels (§7.4.2.1.1). */
function readPictureSize(reader: BitReader, chromaFormat: number) {
  const columns = atMost(reader.ue(), MAX_MACROBLOCKS_PER_SIDE - 1, 'pic_width_in_mbs_minus1') + 1;
  const rows = atMost(reader.ue(), MAX_MACROBLOCKS_PER_SIDE - 1, 'pic_height_in_map_units_minus1') + 1;
  const frameMbsOnly = reader.flag();
  if (!frameMbsOnly) reader.skip(1);
  reader.skip(1);
  const fieldFactor = frameMbsOnly ? 1 : 2;
  let width = columns * 16;
  let height = rows * 16 * fieldFactor;
  if (reader.flag()) {
    const subsampledX = chromaFormat === 1 || chromaFormat === 2;
    const subsampledY = chromaFormat === 1;
    width -= (reader.ue() + reader.ue()) * (subsampledX ? 2 : 1);
    height -= (reader.ue() + reader.ue()) * (subsampledY ? 2 : 1) * fieldFactor;
  }
  if (width <= 0 || height <= 0) throw badSps('cropping leaves no picture');
  return { width, height, frameMbsOnly };
}

function emptyVui(): Vui {
  return { fps: undefined, maxReorderFrames: undefined, sarWidth: 1, sarHeight: 1 };
}

/** Reads as much of the VUI as there is; what was read before the data ended stays valid. */
function readVuiLeniently(reader: BitReader): Vui {
  const vui = emptyVui();
  try {
    readVui(reader, vui);
  } catch (error) {
    if (!isBitstreamError(error)) throw error;
  }
  return vui;
}

/** Video usability information, §E.1.1. */
function readVui(reader: BitReader, vui: Vui): void {
  readVuiHead(reader, vui);
  if (!reader.flag()) return;
  const { maxReorderFrames } = readRestriction(reader);
  // The decoded picture buffer holds at most 16 frames; a larger value is garbage.
  if (maxReorderFrames <= 16) vui.maxReorderFrames = maxReorderFrames;
}

/** Reads the bitstream restriction up to max_num_reorder_frames; max_dec_frame_buffering is next then. */
export function readRestriction(reader: BitReader): { maxReorderFrames: number } {
  reader.skip(1);
  // max_bytes_per_pic_denom, max_bits_per_mb_denom, log2_max_mv_length_horizontal and _vertical
  for (let field = 0; field < 4; field += 1) reader.ue();
  return { maxReorderFrames: reader.ue() };
}

/** Reads the VUI up to bitstream_restriction_flag, which is the next bit then. */
export function readVuiHead(reader: BitReader, vui: Vui = emptyVui()): void {
  if (reader.flag()) {
    const ratio = readAspectRatio(reader);
    if (ratio !== undefined) [vui.sarWidth, vui.sarHeight] = ratio;
  }
  // overscan_info, overscan_appropriate_flag
  if (reader.flag()) reader.skip(1);
  if (reader.flag()) {
    // video_format, video_full_range_flag, then the colour description
    reader.skip(4);
    if (reader.flag()) reader.skip(24);
  }
  if (reader.flag()) {
    // chroma sample location of both fields
    reader.ue();
    reader.ue();
  }
  if (reader.flag()) {
    const unitsInTick = reader.bits(32);
    const timeScale = reader.bits(32);
    reader.skip(1);
    // A tick is a field, so a frame lasts two ticks.
    if (unitsInTick > 0 && timeScale > 0) vui.fps = timeScale / (2 * unitsInTick);
  }
  const nalHrd = reader.flag();
  if (nalHrd) skipHrd(reader);
  const vclHrd = reader.flag();
  if (vclHrd) skipHrd(reader);
  if (nalHrd || vclHrd) reader.skip(1);
  reader.skip(1);
}

/** Hypothetical reference decoder parameters, §E.1.2; nothing in them is needed. */
function skipHrd(reader: BitReader): void {
  const count = reader.ue() + 1;
  if (count > 32) throw new ProtocolError('BITSTREAM_BAD_UE', `cpb_cnt_minus1 is ${count - 1}`);
  reader.skip(8);
  for (let index = 0; index < count; index += 1) {
    reader.ue();
    reader.ue();
    reader.skip(1);
  }
  reader.skip(20);
}

function atMost(value: number, limit: number, name: string): number {
  if (value > limit) throw badSps(`${name} is ${value}, at most ${limit} is allowed`);
  return value;
}

function badSps(reason: string): ProtocolError {
  return new ProtocolError('H264_BAD_SPS', `bad H.264 SPS: ${reason}`);
}

function isBitstreamError(error: unknown): error is ProtocolError {
  return error instanceof ProtocolError && error.code.startsWith('BITSTREAM_');
}
