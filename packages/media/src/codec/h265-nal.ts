/** nal_unit_type values of ITU-T H.265 table 7-1 that are treated specially. */
export const H265_VPS = 32;
export const H265_SPS = 33;
export const H265_PPS = 34;
const DELIMITER = 35;
const FILLER = 38;

/** BLA_W_LP to RSV_IRAP_VCL23: pictures after which nothing refers to what came before. */
const FIRST_IRAP = 16;
const LAST_IRAP = 23;

/** An H.265 access unit in the form that `MediaPacket` asks for. */
export interface H265CanonicalUnits {
  /** NAL units that belong into a packet, in their order. */
  units: Uint8Array[];
  /** True when the access unit contains a slice of an intra random access point (IDR, CRA or BLA). */
  key: boolean;
  /** Parameter sets found: VPS, SPS, PPS, each kind in its order, without repetitions. */
  parameters: Uint8Array[];
}

/** nal_unit_type of an H.265 NAL unit that starts with its header; 0 (a trailing picture) for an empty one. */
export function h265NalType(unit: Uint8Array): number {
  return ((unit[0] ?? 0) >> 1) & 0x3f;
}

/** True for units of the base layer; the others (nuh_layer_id above 0, of SHVC and MV-HEVC) no usual decoder takes. */
export function isBaseLayer(unit: Uint8Array): boolean {
  return ((unit[0] ?? 0) & 1) === 0 && (unit[1] ?? 0) >> 3 === 0;
}

/** True for a video, sequence or picture parameter set. */
export function isH265Parameter(unit: Uint8Array): boolean {
  const type = h265NalType(unit);
  return type >= H265_VPS && type <= H265_PPS;
}

/**
 * Separates the NAL units of one H.265 access unit into those that a packet carries and the parameter sets. Drops
 * access unit delimiters, end of sequence, end of bitstream, filler, other layers than the base layer, and units that
 * are shorter than their header or have the forbidden bit set. Nothing is copied: the results are the given units.
 */
export function canonicalH265Units(units: readonly Uint8Array[]): H265CanonicalUnits {
  const kept: Uint8Array[] = [];
  const parameters: Uint8Array[] = [];
  let key = false;
  for (const unit of units) {
    if (unit.length < 2 || ((unit[0] ?? 0) & 0x80) !== 0 || !isBaseLayer(unit)) continue;
    const type = h265NalType(unit);
    if (type >= DELIMITER && type <= FILLER) continue;
    if (type >= H265_VPS && type <= H265_PPS) {
      if (!parameters.some((known) => sameBytes(known, unit))) parameters.push(unit);
      continue;
    }
    if (type >= FIRST_IRAP && type <= LAST_IRAP) key = true;
    kept.push(unit);
  }
  // The sort is stable, so sets of one kind keep their order.
  if (parameters.length > 1) parameters.sort((a, b) => h265NalType(a) - h265NalType(b));
  return { units: kept, key, parameters };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}
