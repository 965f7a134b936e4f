import { canonicalUnits, h264Track, writeAvcConfig } from '../../codec/h264.ts';
import { NAL_DELIMITER, NAL_IDR, NAL_PPS, NAL_SPS, nalType } from '../../codec/h264-nal.ts';
import { canonicalH265Units, h265Track, isCompleteH265, writeHevcConfig } from '../../codec/h265.ts';
import { h265NalType } from '../../codec/h265-nal.ts';
import type { Track } from '../../packet.ts';

/**
 * What a NAL unit is to the one who cuts access units. `delimiter`: one begins. `head`: one begins, unless no slice has
 * come since. `first`: a slice that begins a picture. `slice`: another one. `rest`: belongs to what came before.
 */
export type NalRole = 'delimiter' | 'head' | 'first' | 'slice' | 'rest';

/** What H.264 and H.265 differ in. */
export interface NalCodec {
  /** Bytes of a unit that `role` looks at. */
  readonly roleBytes: number;
  readonly role: (bytes: Uint8Array, at: number) => NalRole;
  readonly canonical: (units: readonly Uint8Array[]) => {
    units: Uint8Array[];
    key: boolean;
    parameters: Uint8Array[];
  };
  readonly isSlice: (unit: Uint8Array) => boolean;
  /** Which of the kinds of parameter sets a unit is: a number that grows in the order of `Track.parameters`. */
  readonly parameterKind: (unit: Uint8Array) => number;
  /** True when a decoder can start with them. @throws ProtocolError for what no packager could write */
  readonly isComplete: (parameters: readonly Uint8Array[]) => boolean;
  /** True for a place to start that is no IDR picture, as far as the units say so. */
  readonly isRecoveryPoint: (units: readonly Uint8Array[]) => boolean;
  readonly makeTrack: (id: number, parameters: Uint8Array[]) => Track;
}

const H264_SEI = 6;
const SEI_RECOVERY_POINT = 6;
/** Units that stand before the first slice of a picture (ITU-T H.264 §7.4.1.2.3), but for those of SVC. */
const H264_HEADS: ReadonlySet<number> = new Set([H264_SEI, NAL_SPS, NAL_PPS, 15, 16, 17, 18]);
const H265_DELIMITER = 35;
const H265_LAST_SLICE = 31;

export const NAL_CODECS: Readonly<Record<'h264' | 'h265', NalCodec>> = {
  h264: {
    roleBytes: 2,
    role: h264Role,
    canonical: canonicalUnits,
    isSlice: (unit) => isH264Slice(nalType(unit)),
    parameterKind: (unit) => [NAL_SPS, 13, NAL_PPS].indexOf(nalType(unit)),
    isComplete: (parameters) => {
      const has = (type: number): boolean => parameters.some((unit) => nalType(unit) === type);
      return has(NAL_SPS) && has(NAL_PPS) && writeAvcConfig(parameters).length > 0;
    },
    isRecoveryPoint: (units) => units.some((unit) => nalType(unit) === H264_SEI && hasRecoveryPoint(unit)),
    makeTrack: h264Track,
  },
  h265: {
    roleBytes: 3,
    role: h265Role,
    canonical: canonicalH265Units,
    isSlice: (unit) => h265NalType(unit) <= H265_LAST_SLICE,
    parameterKind: h265NalType,
    isComplete: (parameters) => isCompleteH265(parameters) && writeHevcConfig(parameters).length > 0,
    isRecoveryPoint: () => false,
    makeTrack: h265Track,
  },
};

function isH264Slice(type: number): boolean {
  return type >= 1 && type <= NAL_IDR;
}

function h264Role(bytes: Uint8Array, at: number): NalRole {
  const type = (bytes[at] ?? 0) & 0x1f;
  if (type === NAL_DELIMITER) return 'delimiter';
  if (H264_HEADS.has(type)) return 'head';
  if (!isH264Slice(type)) return 'rest';
  // first_mb_in_slice, ue(v), is 0: a single one bit. The partitions B and C (3, 4) have none.
  return type !== 3 && type !== 4 && ((bytes[at + 1] ?? 0) & 0x80) !== 0 ? 'first' : 'slice';
}

/** ITU-T H.265 §7.4.2.4.4. */
function h265Role(bytes: Uint8Array, at: number): NalRole {
  const type = ((bytes[at] ?? 0) >> 1) & 0x3f;
  // Other layers than the base layer begin no access unit.
  if (((bytes[at] ?? 0) & 1) !== 0 || (bytes[at + 1] ?? 0) >> 3 !== 0) return 'rest';
  if (type === H265_DELIMITER) return 'delimiter';
  if (type <= H265_LAST_SLICE) return ((bytes[at + 2] ?? 0) & 0x80) !== 0 ? 'first' : 'slice';
  const isHead = (type >= 32 && type <= 34) || type === 39 || (type >= 41 && type <= 44) || (type >= 48 && type <= 55);
  return isHead ? 'head' : 'rest';
}

/** Whether an SEI unit has the message that marks a place to start (ITU-T H.264 §D.2.8): the first ones are looked at. */
function hasRecoveryPoint(unit: Uint8Array): boolean {
  let at = 1;
  for (let messages = 0; messages < 16; messages++) {
    let type = 0;
    let size = 0;
    for (; unit[at] === 0xff; at++) type += 255;
    type += unit[at++] ?? 0;
    for (; unit[at] === 0xff; at++) size += 255;
    size += unit[at++] ?? 0;
    if (at >= unit.length) return false;
    if (type === SEI_RECOVERY_POINT) return true;
    at += size;
  }
  return false;
}
