import { ProtocolError, type Track } from '../packet.ts';
import {
  NAL_DELIMITER,
  NAL_END_OF_SEQUENCE,
  NAL_END_OF_STREAM,
  NAL_FILLER,
  NAL_IDR,
  NAL_PPS,
  NAL_SPS,
  NAL_SPS_EXTENSION,
  nalType,
} from './h264-nal.ts';

export { type AvcConfig, parseAvcConfig, writeAvcConfig } from './h264-config.ts';
export { DtsExtractor } from './h264-dts.ts';
export { joinAnnexB, joinAvcc, joinedBytes, splitAnnexB, splitAvcc, writeAvcc } from './h264-nal.ts';
export { type SliceType, sliceType } from './h264-slice.ts';
export { type H264Sps, parseSps } from './h264-sps.ts';
export { withMaxDecFrameBuffering } from './h264-sps-rewrite.ts';

/** An access unit in the form that `MediaPacket` asks for. */
export interface CanonicalUnits {
  /** NAL units that belong into a packet, in their order. */
  units: Uint8Array[];
  /** True when the access unit contains an IDR slice. */
  key: boolean;
  /** Parameter sets found: SPS, SPS extensions, PPS, each kind in its order, without repetitions. */
  parameters: Uint8Array[];
}

/**
 * Separates the NAL units of one access unit into those that a packet carries and the parameter sets. Drops access
 * unit delimiters, end of sequence, end of stream and filler, and units that are empty or have the forbidden bit set.
 * Nothing is copied: the results are the given units.
 */
export function canonicalUnits(units: readonly Uint8Array[]): CanonicalUnits {
  const kept: Uint8Array[] = [];
  const parameters: Uint8Array[] = [];
  let key = false;
  for (const unit of units) {
    if (unit.length === 0 || ((unit[0] ?? 0) & 0x80) !== 0) continue;
    switch (nalType(unit)) {
      case NAL_DELIMITER:
      case NAL_END_OF_SEQUENCE:
      case NAL_END_OF_STREAM:
      case NAL_FILLER:
        break;
      case NAL_SPS:
      case NAL_PPS:
      case NAL_SPS_EXTENSION:
        // Some encoders repeat a set inside one access unit.
        if (!parameters.some((known) => sameBytes(known, unit))) parameters.push(unit);
        break;
      case NAL_IDR:
        key = true;
        kept.push(unit);
        break;
      default:
        kept.push(unit);
    }
  }
  // The sort is stable, so sets of one kind keep their order.
  if (parameters.length > 1) parameters.sort((a, b) => parameterRank(a) - parameterRank(b));
  return { units: kept, key, parameters };
}

/** Order in which a decoder needs parameter sets: SPS, SPS extension, PPS. */
function parameterRank(unit: Uint8Array): number {
  const type = nalType(unit);
  if (type === NAL_SPS) return 0;
  return type === NAL_SPS_EXTENSION ? 1 : 2;
}

/** True when both lists hold the same units, byte for byte, in the same order. */
export function sameParameters(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every((unit, index) => {
    const other = b[index];
    return other !== undefined && sameBytes(unit, other);
  });
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}

/**
 * The `codecs` parameter of a media type (RFC 6381 §3.3), such as 'avc1.64001F', from the first SPS.
 * @throws ProtocolError H264_BAD_SPS when there is no SPS of at least four bytes.
 */
export function avcCodecString(parameters: readonly Uint8Array[]): string {
  const sps = parameters.find((unit) => nalType(unit) === NAL_SPS);
  if (sps === undefined || sps.length < 4) throw new ProtocolError('H264_BAD_SPS', 'there is no complete H.264 SPS');
  const digits = Array.from(sps.subarray(1, 4), (byte) => byte.toString(16).padStart(2, '0'));
  return `avc1.${digits.join('').toUpperCase()}`;
}

/**
 * Makes an H.264 track with the 90 kHz clock.
 * @param parameters Every SPS, then every PPS; the track keeps them, so they must own their memory.
 */
export function h264Track(id: number, parameters: Uint8Array[]): Track {
  return { id, kind: 'video', codec: 'h264', clockRate: 90000, parameters };
}
