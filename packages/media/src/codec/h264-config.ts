import { ProtocolError } from '../packet.ts';
import { NAL_PPS, NAL_SPS, NAL_SPS_EXTENSION, nalType } from './h264-nal.ts';
import { hasChromaFields, parseSps } from './h264-sps.ts';

/** Content of an AVCDecoderConfigurationRecord ("avcC"). */
export interface AvcConfig {
  /** Bytes of the length before each NAL unit of a sample. */
  lengthSize: 1 | 2 | 4;
  /** Sequence parameter sets, at least one; each owns its memory. */
  sps: Uint8Array[];
  /** Picture parameter sets, at least one; each owns its memory. */
  pps: Uint8Array[];
}

/**
 * Parses an AVCDecoderConfigurationRecord, ISO/IEC 14496-15 §5.3.3.1: the body of an MP4 avcC box and of an FLV AVC
 * sequence header. The tail that the high profiles add is not needed and may be missing.
 * @throws ProtocolError H264_BAD_CONFIG
 */
export function parseAvcConfig(data: Uint8Array): AvcConfig {
  if (data.length < 7) throw badConfig(`${data.length} bytes are too few`);
  if (data[0] !== 1) throw badConfig(`version ${data[0]} is unknown`);
  const lengthSize = ((data[4] ?? 0) & 3) + 1;
  if (lengthSize !== 1 && lengthSize !== 2 && lengthSize !== 4) throw badConfig(`length size ${lengthSize}`);
  const first = readUnits(data, 6, (data[5] ?? 0) & 0x1f, NAL_SPS);
  const ppsCount = data[first.end];
  if (ppsCount === undefined) throw badConfig('it ends before the PPS count');
  const second = readUnits(data, first.end + 1, ppsCount, NAL_PPS);
  return { lengthSize, sps: first.units, pps: second.units };
}

/** Reads `count` NAL units, each after a 16-bit length. */
function readUnits(data: Uint8Array, start: number, count: number, type: number) {
  if (count === 0) throw badConfig(type === NAL_SPS ? 'it has no SPS' : 'it has no PPS');
  const units: Uint8Array[] = [];
  let end = start;
  for (let index = 0; index < count; index += 1) {
    if (end + 2 > data.length) throw badConfig('it ends inside a length');
    const length = ((data[end] ?? 0) << 8) | (data[end + 1] ?? 0);
    end += 2;
    if (end + length > data.length) throw badConfig('a parameter set exceeds the record');
    const unit = data.slice(end, end + length);
    if (length === 0 || nalType(unit) !== type) throw badConfig(`a parameter set is not of type ${type}`);
    units.push(unit);
    end += length;
  }
  return { units, end };
}

/**
 * Writes an AVCDecoderConfigurationRecord, ISO/IEC 14496-15 §5.3.3.1, with 4-byte lengths and, where the profile
 * asks for it, the tail with chroma format and bit depths.
 * @param parameters NAL units of `track.parameters`: SPS and PPS, possibly SPS extensions.
 * @throws ProtocolError H264_BAD_CONFIG when there is no SPS, no PPS or too many or too long ones;
 *   H264_BAD_SPS when the tail is needed and the SPS is broken.
 */
export function writeAvcConfig(parameters: readonly Uint8Array[]): Uint8Array {
  const sps = parameters.filter((unit) => nalType(unit) === NAL_SPS);
  const pps = parameters.filter((unit) => nalType(unit) === NAL_PPS);
  const first = sps[0];
  if (first === undefined || first.length < 4) throw badConfig('there is no SPS');
  if (pps.length === 0) throw badConfig('there is no PPS');
  if (sps.length > 31 || pps.length > 255) throw badConfig('there are too many parameter sets');
  const [, profile = 0, constraints = 0, level = 0] = first;
  const bytes = [1, profile, constraints, level, 0xfc | 3, 0xe0 | sps.length];
  appendUnits(bytes, sps);
  bytes.push(pps.length);
  appendUnits(bytes, pps);
  if (hasChromaFields(profile)) {
    const { chromaFormat, bitDepthLuma, bitDepthChroma } = parseSps(first);
    const extensions = parameters.filter((unit) => nalType(unit) === NAL_SPS_EXTENSION).slice(0, 255);
    bytes.push(0xfc | chromaFormat, 0xf8 | (bitDepthLuma - 8), 0xf8 | (bitDepthChroma - 8), extensions.length);
    appendUnits(bytes, extensions);
  }
  return Uint8Array.from(bytes);
}

function appendUnits(bytes: number[], units: readonly Uint8Array[]): void {
  for (const unit of units) {
    if (unit.length > 0xffff) throw badConfig('a parameter set exceeds 65535 bytes');
    bytes.push(unit.length >> 8, unit.length & 0xff);
    for (const byte of unit) bytes.push(byte);
  }
}

function badConfig(reason: string): ProtocolError {
  return new ProtocolError('H264_BAD_CONFIG', `bad AVC decoder configuration: ${reason}`);
}
