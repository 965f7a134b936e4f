import { ProtocolError } from '../packet.ts';
import { BitReader, BitWriter, escapeRbsp, unescapeRbsp } from './bits.ts';
import { readRestriction, readSpsHead, readVuiHead } from './h264-sps.ts';

/** What the standard infers for limits that are not written (ITU-T H.264 §E.2.1). */
const MAX_BYTES_PER_PIC_DENOM = 2;
const MAX_BITS_PER_MB_DENOM = 1;
/** No level allows longer vectors. */
const LOG2_MAX_MV_LENGTH = 15;
/** The decoded picture buffer never holds more frames (§A.3.1). */
const MAX_FRAMES = 16;

/** VUI fields from aspect_ratio_info_present_flag to pic_struct_present_flag when none of them is there. */
const EMPTY_VUI_BITS = 8;

/**
 * A copy of an H.264 SPS whose VUI says that a decoder needs to hold `value` frames only (max_dec_frame_buffering,
 * ITU-T H.264 §E.2.1), so that it shows pictures without waiting for the largest buffer that the level allows.
 *
 * The value is raised to max_num_ref_frames and to max_num_reorder_frames, which the standard demands. Where the SPS
 * has no bitstream restriction one is added that restricts nothing else: then pictures may be reordered by as many
 * frames as the decoder holds, unless the picture order count type rules it out.
 * @param sps The NAL unit with its header byte, without start code.
 * @param value 0 to 16.
 * @returns `sps` itself when it cannot be parsed up to there, or says so already.
 */
export function withMaxDecFrameBuffering(sps: Uint8Array, value: number): Uint8Array {
  if (((sps[0] ?? 0) & 0x9f) !== 7) return sps;
  try {
    const rewritten = rewrite(unescapeRbsp(sps), Math.max(0, Math.min(MAX_FRAMES, Math.trunc(value))));
    return rewritten === undefined ? sps : escapeRbsp(rewritten);
  } catch (error) {
    if (error instanceof ProtocolError) return sps;
    throw error;
  }
}

/** The SPS with the value; undefined when it has it already. */
function rewrite(rbsp: Uint8Array, value: number): Uint8Array | undefined {
  const reader = new BitReader(rbsp);
  const readBits = (): number => rbsp.length * 8 - reader.bitsLeft;
  const { maxRefFrames, pocType } = readSpsHead(reader);
  const beforeVui = readBits();
  let kept = beforeVui;
  let hasRestriction = false;
  const hasVui = reader.flag();
  if (hasVui) {
    readVuiHead(reader);
    kept = readBits();
    hasRestriction = reader.flag();
  }
  let frames = Math.max(value, maxRefFrames);
  if (hasRestriction) {
    const { maxReorderFrames } = readRestriction(reader);
    if (maxReorderFrames > MAX_FRAMES) return undefined;
    frames = Math.max(frames, maxReorderFrames);
    kept = readBits();
    if (reader.ue() === frames) return undefined;
  }
  const writer = new BitWriter();
  writer.copy(new BitReader(rbsp), kept);
  if (!hasVui) {
    writer.bits(1, 1);
    writer.bits(0, EMPTY_VUI_BITS);
  }
  if (!hasRestriction) {
    writer.bits(1, 1);
    // motion_vectors_over_pic_boundaries_flag
    writer.bits(1, 1);
    writer.ue(MAX_BYTES_PER_PIC_DENOM);
    writer.ue(MAX_BITS_PER_MB_DENOM);
    writer.ue(LOG2_MAX_MV_LENGTH);
    writer.ue(LOG2_MAX_MV_LENGTH);
    writer.ue(pocType === 2 ? 0 : frames);
  }
  writer.ue(frames);
  // rbsp_stop_one_bit; the rest of the byte is zero.
  writer.bits(1, 1);
  return writer.bytes();
}
