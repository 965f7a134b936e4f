import { parseAacConfig, writeAacConfig } from '../codec/aac.ts';
import { canonicalUnits, parseSps, splitAnnexB, writeAvcConfig } from '../codec/h264.ts';
import { NAL_PPS, NAL_SPS, nalType } from '../codec/h264-nal.ts';
import { isCompleteH265, writeHevcConfig } from '../codec/h265-config.ts';
import { canonicalH265Units } from '../codec/h265-nal.ts';
import { parseLatmConfig } from '../codec/latm.ts';
import { ProtocolError } from '../packet.ts';
import { AAC_HBR, type AacAuHeaderFormat, type AacPayloadFormat } from '../rtp/payload/aac-format.ts';
import type { FormatParameters } from './fmtp.ts';
import type { RtpPayloadFormat } from './rtp-section.ts';

/** More than any encoder's parameter sets. */
const MAX_PARAMETER_BYTES = 16 * 1024;

/**
 * SPS and PPS of `sprop-parameter-sets` (RFC 6184 §8.1), where a decoder could begin with them. Takes sets with start
 * codes before them or between them, and leaves out what is none.
 */
export function h264Parameters(parameters: FormatParameters): Uint8Array[] | undefined {
  const units = parameterSets(parameters.get('sprop-parameter-sets') ?? '');
  return unlessBroken(() => {
    const sets = canonicalUnits(units).parameters.filter((unit) => nalType(unit) !== NAL_SPS || isSps(unit));
    const complete = [NAL_SPS, NAL_PPS].every((type) => sets.some((unit) => nalType(unit) === type));
    return complete && writeAvcConfig(sets).length > 0 ? sets : undefined;
  });
}

/** VPS, SPS and PPS of `sprop-vps`, `sprop-sps` and `sprop-pps` (RFC 7798 §7.1), likewise. */
export function h265Parameters(parameters: FormatParameters): Uint8Array[] | undefined {
  const names = ['sprop-vps', 'sprop-sps', 'sprop-pps'];
  const units = names.flatMap((name) => parameterSets(parameters.get(name) ?? ''));
  return unlessBroken(() => {
    const sets = canonicalH265Units(units).parameters;
    return isCompleteH265(sets) && writeHevcConfig(sets).length > 0 ? sets : undefined;
  });
}

/** How packets of `mpeg4-generic` are put together (RFC 3640 §4.1). */
export function aacAuHeaderFormat(parameters: FormatParameters): AacAuHeaderFormat {
  const mode = parameters.get('mode')?.toLowerCase();
  const defaults = mode === 'generic' ? NO_HEADERS : mode === 'aac-lbr' ? AAC_LBR : AAC_HBR;
  const number = (name: string, byDefault: number): number => {
    const text = parameters.get(name) ?? '';
    return /^\d{1,5}$/.test(text) ? Number(text) : byDefault;
  };
  const bits = (name: string, byDefault: number): number => Math.min(32, number(name, byDefault));
  return {
    mode: 'au-headers',
    sizeLength: bits('sizelength', defaults.sizeLength),
    indexLength: bits('indexlength', defaults.indexLength),
    indexDeltaLength: bits('indexdeltalength', defaults.indexDeltaLength),
    ctsDeltaLength: bits('ctsdeltalength', 0),
    dtsDeltaLength: bits('dtsdeltalength', 0),
    randomAccess: number('randomaccessindication', 0) === 1,
    streamStateLength: bits('streamstateindication', 0),
    auxiliaryDataSizeLength: bits('auxiliarydatasizelength', 0),
    constantSize: number('constantsize', 0),
    constantDuration: number('constantduration', 0),
  };
}

const AAC_LBR = { sizeLength: 6, indexLength: 2, indexDeltaLength: 2 };
const NO_HEADERS = { sizeLength: 0, indexLength: 0, indexDeltaLength: 0 };

/**
 * AudioSpecificConfig of an AAC format; where the description has none, that of AAC-LC with the clock and channels of
 * the `rtpmap`.
 * @throws ProtocolError AAC_BAD_CONFIG
 */
export function aacParameters({ parameters, clockRate, channels }: RtpPayloadFormat): Uint8Array[] {
  const config = hexBytes(parameters.get('config'));
  if (config === undefined) return [writeAacConfig({ objectType: 2, sampleRate: clockRate, channels })];
  parseAacConfig(config);
  return [config];
}

/**
 * How packets of `MP4A-LATM` are put together (RFC 6416 §7.3).
 * @throws ProtocolError LATM_BAD_CONFIG, LATM_UNSUPPORTED
 */
export function latmFormat(parameters: FormatParameters): Extract<AacPayloadFormat, { mode: 'latm' }> {
  const text = hexBytes(parameters.get('config'));
  const configPresent = parameters.get('cpresent') !== '0';
  if (text !== undefined) return { mode: 'latm', configPresent, config: parseLatmConfig(text) };
  if (!configPresent)
    throw new ProtocolError('LATM_BAD_CONFIG', 'the configuration is neither here nor in the packets');
  return { mode: 'latm', configPresent };
}

function hexBytes(text: string | undefined): Uint8Array | undefined {
  const digits = text?.replaceAll(/[^0-9A-Fa-f]/g, '') ?? '';
  if (digits === '') return undefined;
  const bytes = new Uint8Array(Math.min(MAX_PARAMETER_BYTES, Math.floor(digits.length / 2)));
  for (let index = 0; index < bytes.length; index += 1)
    bytes[index] = Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16);
  return bytes;
}

/** The NAL units of a list in base64. */
function parameterSets(text: string): Uint8Array[] {
  return text.split(',').flatMap((part) => {
    const bytes = base64Bytes(part);
    const hasStartCode = bytes[0] === 0 && bytes[1] === 0 && (bytes[2] === 1 || (bytes[2] === 0 && bytes[3] === 1));
    // Without a start code before it the first unit would be left out; zeros behind a unit are none of it.
    return splitAnnexB(hasStartCode ? bytes : joinStartCode(bytes)).map((unit) => new Uint8Array(unit));
  });
}

function joinStartCode(bytes: Uint8Array): Uint8Array {
  const joined = new Uint8Array(bytes.length + 3);
  joined[2] = 1;
  joined.set(bytes, 3);
  return joined;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Base64, also in its form for URLs; other characters are passed over. `atob` would throw for them. */
export function base64Bytes(text: string): Uint8Array {
  const bytes: number[] = [];
  let bits = 0;
  let count = 0;
  for (const character of text) {
    const digit = BASE64.indexOf(character === '-' ? '+' : character === '_' ? '/' : character);
    if (digit < 0) continue;
    bits = ((bits << 6) | digit) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push((bits >> count) & 0xff);
    if (bytes.length >= MAX_PARAMETER_BYTES) break;
  }
  return Uint8Array.from(bytes);
}

/** Writes base64 with padding. */
export function base64Text(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; index += 3) {
    const [first = 0, second = 0, third = 0] = bytes.subarray(index, index + 3);
    const bits = (first << 16) | (second << 8) | third;
    const digits = [18, 12, 6, 0].map((shift) => BASE64[(bits >> shift) & 63] ?? '');
    const left = bytes.length - index;
    text += digits.slice(0, left === 1 ? 2 : left === 2 ? 3 : 4).join('') + '='.repeat(Math.max(0, 3 - left));
  }
  return text;
}

function isSps(unit: Uint8Array): boolean {
  return unlessBroken(() => parseSps(unit)) !== undefined;
}

function unlessBroken<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
