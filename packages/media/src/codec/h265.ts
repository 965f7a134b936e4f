import { ProtocolError, type Track } from '../packet.ts';
import { H265_SPS, h265NalType } from './h265-nal.ts';
import { parseH265Sps } from './h265-sps.ts';

export { type HevcConfig, isCompleteH265, parseHevcConfig, writeHevcConfig } from './h265-config.ts';
export { canonicalH265Units, type H265CanonicalUnits, h265NalType } from './h265-nal.ts';
export { type H265Profile, type H265Sps, parseH265Sps } from './h265-sps.ts';

/**
 * Makes an H.265 track with the 90 kHz clock.
 * @param parameters Every VPS, SPS, PPS; the track keeps them, so they must own their memory.
 */
export function h265Track(id: number, parameters: readonly Uint8Array[]): Track {
  return { id, kind: 'video', codec: 'h265', clockRate: 90000, parameters };
}

/** The first SPS of a track's parameters; undefined when there is none. */
export function h265SpsOf(parameters: readonly Uint8Array[]): Uint8Array | undefined {
  return parameters.find((unit) => h265NalType(unit) === H265_SPS);
}

/**
 * The `codecs` parameter of a media type (ISO/IEC 14496-15 annex E.3), such as 'hvc1.1.6.L93.B0', from the first SPS.
 * @throws ProtocolError H265_BAD_SPS when there is no SPS or it is broken.
 */
export function hevcCodecString(parameters: readonly Uint8Array[]): string {
  const unit = h265SpsOf(parameters);
  if (unit === undefined) throw new ProtocolError('H265_BAD_SPS', 'there is no H.265 SPS');
  const sps = parseH265Sps(unit);
  const space = ['', 'A', 'B', 'C'][sps.profileSpace] ?? '';
  let constraints = Array.from(sps.constraints, hex);
  while (constraints.at(-1) === '0') constraints = constraints.slice(0, -1);
  const level = `${sps.highTier ? 'H' : 'L'}${sps.level}`;
  return ['hvc1', `${space}${sps.profile}`, hex(reversedBits(sps.compatibility)), level, ...constraints].join('.');
}

function hex(value: number): string {
  return value.toString(16).toUpperCase();
}

/** The string has the compatibility flags with the first one in the lowest bit. */
function reversedBits(value: number): number {
  let reversed = 0;
  for (let bit = 0; bit < 32; bit += 1) if ((value >>> bit) & 1) reversed += 2 ** (31 - bit);
  return reversed;
}
