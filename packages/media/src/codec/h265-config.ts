import { ProtocolError } from '../packet.ts';
import { H265_PPS, H265_SPS, H265_VPS, h265NalType, isBaseLayer, isH265Parameter } from './h265-nal.ts';
import { parseH265Sps } from './h265-sps.ts';

/** Content of an HEVCDecoderConfigurationRecord ("hvcC"). */
export interface HevcConfig {
  /** Bytes of the length before each NAL unit of a sample. */
  lengthSize: 1 | 2 | 4;
  /**
   * Every VPS, then every SPS, then every PPS of the base layer; each owns its memory. Empty or incomplete when the
   * stream keeps its parameter sets in-band ("hev1").
   */
  parameters: Uint8Array[];
}

const HEADER_BYTES = 23;
const ARRAY_HEADER_BYTES = 3;
const KINDS = [H265_VPS, H265_SPS, H265_PPS];

/**
 * Parses an HEVCDecoderConfigurationRecord, ISO/IEC 14496-15 §8.3.3.1: the body of an MP4 hvcC box and of an FLV HEVC
 * sequence header.
 * @throws ProtocolError H265_BAD_CONFIG
 */
export function parseHevcConfig(data: Uint8Array): HevcConfig {
  if (data.length < HEADER_BYTES) throw badConfig(`${data.length} bytes are too few`);
  // Drafts of the standard had version 0 and the same layout.
  if ((data[0] ?? 0) > 1) throw badConfig(`version ${data[0]} is unknown`);
  const lengthSize = ((data[21] ?? 0) & 3) + 1;
  if (lengthSize !== 1 && lengthSize !== 2 && lengthSize !== 4) throw badConfig(`length size ${lengthSize}`);
  const parameters: Uint8Array[] = [];
  let position = HEADER_BYTES;
  for (let arrays = data[22] ?? 0; arrays > 0; arrays -= 1) {
    if (position + ARRAY_HEADER_BYTES > data.length) throw badConfig('it ends before an array');
    const type = (data[position] ?? 0) & 0x3f;
    const count = ((data[position + 1] ?? 0) << 8) | (data[position + 2] ?? 0);
    position = readArray(data, position + ARRAY_HEADER_BYTES, { type, count, parameters });
  }
  parameters.sort((a, b) => h265NalType(a) - h265NalType(b));
  return { lengthSize, parameters };
}

/** Reads the units of one array, each after a 16-bit length, and returns where it ends. */
function readArray(data: Uint8Array, start: number, into: { type: number; count: number; parameters: Uint8Array[] }) {
  let position = start;
  for (let left = into.count; left > 0; left -= 1) {
    if (position + 2 > data.length) throw badConfig('it ends inside a length');
    const length = ((data[position] ?? 0) << 8) | (data[position + 1] ?? 0);
    position += 2;
    if (position + length > data.length) throw badConfig('a parameter set exceeds the record');
    const unit = data.subarray(position, position + length);
    position += length;
    // Some writers announce a parameter set and leave it empty; messages (SEI) are not needed to begin.
    if (length < 2 || !KINDS.includes(into.type)) continue;
    if (h265NalType(unit) !== into.type) throw badConfig(`a parameter set is not of type ${into.type}`);
    if (isBaseLayer(unit)) into.parameters.push(new Uint8Array(unit));
  }
  return position;
}

/**
 * Writes an HEVCDecoderConfigurationRecord, ISO/IEC 14496-15 §8.3.3.1, with 4-byte lengths. The arrays are marked as
 * complete, as the sample entry hvc1 asks for.
 * @param parameters NAL units of `track.parameters`: VPS, SPS and PPS.
 * @throws ProtocolError H265_BAD_CONFIG when a kind of parameter set is missing, or there are too many or too long
 *   ones; H265_BAD_SPS when the first SPS is broken.
 */
export function writeHevcConfig(parameters: readonly Uint8Array[]): Uint8Array {
  const arrays = KINDS.map((type) => parameters.filter((unit) => h265NalType(unit) === type));
  const first = arrays[1]?.[0];
  if (first === undefined || !arrays.every((units) => units.length > 0)) throw badConfig('VPS, SPS or PPS is missing');
  const sps = parseH265Sps(first);
  const { compatibility: flags } = sps;
  const bytes = [
    1,
    (sps.profileSpace << 6) | (sps.highTier ? 0x20 : 0) | sps.profile,
    (flags >>> 24) & 0xff,
    (flags >>> 16) & 0xff,
    (flags >>> 8) & 0xff,
    flags & 0xff,
    ...sps.constraints,
    sps.level,
    // min_spatial_segmentation_idc and parallelismType: 0, unknown.
    0xf0,
    0,
    0xfc,
    0xfc | sps.chromaFormat,
    0xf8 | (sps.bitDepthLuma - 8),
    0xf8 | (sps.bitDepthChroma - 8),
    // avgFrameRate: 0, unspecified.
    0,
    0,
    (sps.subLayers << 3) | (sps.temporalIdNesting ? 4 : 0) | 3,
    arrays.length,
  ];
  for (const [index, units] of arrays.entries()) {
    if (units.length > 0xffff) throw badConfig('there are too many parameter sets');
    bytes.push(0x80 | (KINDS[index] ?? 0), units.length >> 8, units.length & 0xff);
    for (const unit of units) {
      if (unit.length > 0xffff) throw badConfig('a parameter set exceeds 65535 bytes');
      bytes.push(unit.length >> 8, unit.length & 0xff);
      for (const byte of unit) bytes.push(byte);
    }
  }
  return Uint8Array.from(bytes);
}

/** True when there are a VPS, an SPS and a PPS and nothing else, so that a decoder can start. */
export function isCompleteH265(parameters: readonly Uint8Array[]): boolean {
  return (
    parameters.every(isH265Parameter) && KINDS.every((type) => parameters.some((unit) => h265NalType(unit) === type))
  );
}

function badConfig(reason: string): ProtocolError {
  return new ProtocolError('H265_BAD_CONFIG', `bad HEVC decoder configuration: ${reason}`);
}
