import {
  aacTrack,
  av1Track,
  h264Track,
  h265Track,
  isCompleteH265,
  opusTrack,
  parseAv1Config,
  parseAvcConfig,
  parseHevcConfig,
  parseOpusSpecificBox,
  parseVpConfig,
  vp9Track,
  writeHevcConfig,
  writeOpusHead,
  writeVpConfig,
} from '../codec/index.ts';
import type { Track } from '../packet.ts';
import { asBadFile, badFile, childBoxes, FieldReader, findBox, printable } from './box-reader.ts';

/** What the sample description of one track tells. */
export interface SampleDescription {
  readonly track: Track;
  /** Bytes of the length before each NAL unit (ISO 14496-15 §5.3.3.1); 0 for codecs without such units. */
  readonly lengthSize: 0 | 1 | 2 | 4;
}

/** Fixed fields of VisualSampleEntry (ISO 14496-12 §12.1.3) and AudioSampleEntry (§12.2.3). */
const VISUAL_ENTRY_BYTES = 78;
const AUDIO_ENTRY_BYTES = 28;
/** What sound descriptions of version 1 and 2 have in addition (QuickTime File Format, "Sound Media"). */
const QUICKTIME_EXTRA_BYTES = [0, 16, 36];

/** objectTypeIndication of AAC: MPEG-4 audio, and the three profiles of MPEG-2 AAC (ISO 14496-1 §7.2.6.6.2). */
const AAC_OBJECT_TYPES = [0x40, 0x66, 0x67, 0x68];
const ES_DESCRIPTOR = 3;
const DECODER_CONFIG_DESCRIPTOR = 4;
const DECODER_SPECIFIC_INFO = 5;

/** More than a recording of days has. */
const MAX_DESCRIPTIONS = 4096;

/**
 * Reads the content of an `stsd` box (ISO 14496-12 §8.5.2).
 *
 * @param id identifier for the new track.
 * @returns at least one description, or for what the hub does not carry a text that names it, such as `ac-3`.
 * @throws ProtocolError `MP4_BAD_FILE` when the description of a known codec is malformed.
 */
export function parseSampleDescriptions(stsd: Uint8Array, id: number): (SampleDescription | string)[] {
  const entries = childBoxes(stsd, 8);
  if (entries.length === 0) throw badFile('stsd is empty');
  if (entries.length > MAX_DESCRIPTIONS) throw badFile('stsd has too many entries');
  return entries.map((entry) => {
    const type = printable(entry.type);
    return PARSERS.get(entry.type)?.(entry.content, id, type) ?? type;
  });
}

/** What reads each type of sample entry that the hub carries. */
const PARSERS: ReadonlyMap<string, (entry: Uint8Array, id: number, type: string) => SampleDescription | string> =
  new Map([
    ['avc1', parseAvc],
    ['avc3', parseAvc],
    ['hvc1', parseHevc],
    ['hev1', parseHevc],
    ['av01', parseAv1],
    ['vp09', parseVp9],
    ['mp4a', parseAac],
    ['Opus', parseOpus],
  ]);

/** The content of a box that must be in a sample entry, after its `fixed` bytes. */
function configBox(entry: Uint8Array, fixed: number, type: string): Uint8Array {
  const content = childBoxes(entry, fixed).find((box) => box.type === type)?.content;
  if (content === undefined) throw badFile(`box ${type} is missing`);
  return content;
}

function parseHevc(entry: Uint8Array, id: number, type: string): SampleDescription | string {
  const hvcC = configBox(entry, VISUAL_ENTRY_BYTES, 'hvcC');
  return asBadFile(() => {
    const { lengthSize, parameters } = parseHevcConfig(hvcC);
    // hev1 may keep its parameter sets in the samples alone; a track without any cannot be announced to players.
    if (!isCompleteH265(parameters)) return `${type} (no parameter sets)`;
    writeHevcConfig(parameters);
    return { track: h265Track(id, parameters), lengthSize };
  });
}

function parseAv1(entry: Uint8Array, id: number, type: string): SampleDescription | string {
  const av1C = configBox(entry, VISUAL_ENTRY_BYTES, 'av1C');
  const sequence = asBadFile(() => parseAv1Config(av1C));
  if (sequence === undefined) return `${type} (no sequence header)`;
  return { track: av1Track(id, sequence), lengthSize: 0 };
}

function parseVp9(entry: Uint8Array, id: number): SampleDescription {
  const vpcC = configBox(entry, VISUAL_ENTRY_BYTES, 'vpcC');
  return {
    track: vp9Track(
      id,
      asBadFile(() => writeVpConfig(parseVpConfig(vpcC))),
    ),
    lengthSize: 0,
  };
}

function parseOpus(entry: Uint8Array, id: number): SampleDescription {
  const dOps = configBox(entry, AUDIO_ENTRY_BYTES, 'dOps');
  return { track: asBadFile(() => opusTrack(id, writeOpusHead(parseOpusSpecificBox(dOps)))), lengthSize: 0 };
}

function parseAvc(entry: Uint8Array, id: number, type: string): SampleDescription | string {
  const avcC = configBox(entry, VISUAL_ENTRY_BYTES, 'avcC');
  // avc3 may keep its parameter sets in the samples alone; a track without any cannot be announced to players.
  if (type === 'avc3' && ((avcC[5] ?? 0) & 0x1f) === 0) return 'avc3 (no parameter sets)';
  const { lengthSize, sps, pps } = asBadFile(() => parseAvcConfig(avcC));
  // Copies, because on a Node Buffer the parser's results may share its memory.
  const parameters = [...sps, ...pps].map((unit) => new Uint8Array(unit));
  return { track: h264Track(id, parameters), lengthSize };
}

function parseAac(entry: Uint8Array, id: number): SampleDescription | string {
  const esds = findEsds(entry);
  if (esds === undefined) throw badFile('box esds is missing');
  const decoder = findDescriptor(esds.subarray(4), ES_DESCRIPTOR, DECODER_CONFIG_DESCRIPTOR);
  const objectType = decoder?.[0];
  if (decoder === undefined || objectType === undefined) throw badFile('esds has no decoder configuration');
  if (!AAC_OBJECT_TYPES.includes(objectType)) return `mp4a.${objectType.toString(16).padStart(2, '0')}`;
  const asc = findDescriptor(decoder.subarray(13), DECODER_SPECIFIC_INFO);
  if (asc === undefined) throw badFile('esds has no AudioSpecificConfig');
  return { track: asBadFile(() => aacTrack(id, new Uint8Array(asc))), lengthSize: 0 };
}

/**
 * QuickTime puts more fields before the child boxes, and `esds` into a `wave` box. The same version numbers mean
 * something else in ISO files (no additional fields), so both layouts are tried.
 */
function findEsds(entry: Uint8Array): Uint8Array | undefined {
  const fields = new FieldReader(entry, 8);
  const extra = QUICKTIME_EXTRA_BYTES[fields.u16()] ?? 0;
  for (const start of extra === 0 ? [AUDIO_ENTRY_BYTES] : [AUDIO_ENTRY_BYTES + extra, AUDIO_ENTRY_BYTES]) {
    const children = start <= entry.length ? entry.subarray(start) : new Uint8Array();
    try {
      const esds = findBox(children, 'esds') ?? findBox(children, 'wave', 'esds');
      if (esds !== undefined) return esds;
    } catch (error) {
      if (start === AUDIO_ENTRY_BYTES) throw error;
    }
  }
  return undefined;
}

/** Follows a path of descriptor tags (ISO 14496-1 §8.3.3) and returns the body of the last one. */
function findDescriptor(bytes: Uint8Array, ...path: readonly number[]): Uint8Array | undefined {
  let body: Uint8Array | undefined = bytes;
  for (const tag of path) {
    if (body === undefined) return undefined;
    if (tag === DECODER_CONFIG_DESCRIPTOR) body = body.subarray(esHeaderBytes(body));
    body = firstDescriptor(body, tag);
  }
  return body;
}

function firstDescriptor(bytes: Uint8Array, wanted: number): Uint8Array | undefined {
  let position = 0;
  while (position + 2 <= bytes.length) {
    const tag = bytes[position++];
    let length = 0;
    // Seven bits per byte, at most four bytes; the high bit says that another one follows.
    for (let i = 0; i < 4; i++) {
      const next = bytes[position++] ?? 0;
      length = length * 128 + (next & 0x7f);
      if (next < 0x80) break;
    }
    if (position + length > bytes.length) throw badFile('a descriptor of esds is truncated');
    if (tag === wanted) return bytes.subarray(position, position + length);
    position += length;
  }
  return undefined;
}

/** ES_ID, flags, and the fields that the flags announce (ISO 14496-1 §7.2.6.5). */
function esHeaderBytes(descriptor: Uint8Array): number {
  const flags = descriptor[2] ?? 0;
  let bytes = 3;
  if (flags & 0x80) bytes += 2;
  if (flags & 0x40) bytes += 1 + (descriptor[bytes] ?? 0);
  if (flags & 0x20) bytes += 2;
  return bytes;
}
