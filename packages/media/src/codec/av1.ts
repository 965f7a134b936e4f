import { ProtocolError, type Track } from '../packet.ts';
import {
  type Av1Obu,
  isDroppedObu,
  OBU_FRAME,
  OBU_FRAME_HEADER,
  OBU_SEQUENCE_HEADER,
  splitObus,
  withSizeField,
} from './av1-obu.ts';
import { type Av1Sequence, parseAv1Sequence } from './av1-sequence.ts';

export { type Av1Obu, splitObus } from './av1-obu.ts';
export { type Av1Sequence, parseAv1Sequence } from './av1-sequence.ts';

/** One temporal unit in the form that `MediaPacket` asks for. */
export interface Av1TemporalUnit {
  /** The OBUs one after the other, each with a size field, without temporal delimiters, tile lists and padding. */
  data: Uint8Array;
  /** True when the first frame is a key frame that is shown: a decoder can start here. */
  key: boolean;
  /** The sequence header OBU in it, with header and size field; undefined when there is none. */
  sequence: Uint8Array | undefined;
}

/**
 * Brings a temporal unit in the low-overhead format (AV1 specification §5.2) into the form of a packet. The results
 * are views into `data` where nothing has to be left out of its middle and every OBU has its size field.
 * @throws ProtocolError AV1_BAD_OBU
 */
export function canonicalTemporalUnit(data: Uint8Array): Av1TemporalUnit {
  const obus = splitObus(data);
  const kept = obus.filter((obu) => !isDroppedObu(obu.type));
  const header = obus.find((obu) => obu.type === OBU_SEQUENCE_HEADER);
  const frame = obus.find((obu) => obu.type === OBU_FRAME || obu.type === OBU_FRAME_HEADER);
  return {
    data: joinObus(data, obus, kept),
    key: frame !== undefined && isKeyFrame(frame),
    sequence: header && withSizeField(header),
  };
}

/** show_existing_frame 0, frame_type KEY_FRAME, show_frame 1: the first four bits of uncompressed_header, §5.9.2. */
function isKeyFrame(frame: Av1Obu): boolean {
  return ((frame.payload[0] ?? 0xff) & 0xf0) === 0x10;
}

function joinObus(data: Uint8Array, obus: readonly Av1Obu[], kept: readonly Av1Obu[]): Uint8Array {
  const first = kept[0];
  if (first === undefined) return data.subarray(data.length);
  const dropped = obus.length - kept.length;
  // Usually only the temporal delimiter at the start goes, and the rest can stay where it is.
  if (kept.every((obu) => obu.hasSize) && obus[dropped] === first) {
    let start = 0;
    for (const obu of obus.slice(0, dropped)) start += obu.bytes.length;
    return data.subarray(start);
  }
  const parts = kept.map(withSizeField);
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    joined.set(part, position);
    position += part.length;
  }
  return joined;
}

/**
 * Parses an AV1CodecConfigurationRecord ("av1C", AV1 codec ISO media file format binding §2.3).
 * @returns the sequence header OBU of its configOBUs with header and size field, owning its memory; undefined when
 *   the record has none and it will come in-band.
 * @throws ProtocolError AV1_BAD_CONFIG, AV1_BAD_OBU, AV1_BAD_SEQUENCE
 */
export function parseAv1Config(record: Uint8Array): Uint8Array | undefined {
  if (record.length < 4) throw badConfig(`${record.length} bytes are too few`);
  if (record[0] !== 0x81) throw badConfig(`marker and version are ${record[0]}`);
  const header = splitObus(record.subarray(4)).find((obu) => obu.type === OBU_SEQUENCE_HEADER);
  if (header === undefined) return undefined;
  const sequence = new Uint8Array(withSizeField(header));
  parseAv1Sequence(sequence);
  return sequence;
}

/**
 * Writes an AV1CodecConfigurationRecord (AV1 codec ISO media file format binding §2.3).
 * @param parameters `track.parameters`: one sequence header OBU.
 * @throws ProtocolError AV1_BAD_CONFIG when there is none, AV1_BAD_SEQUENCE when it is broken.
 */
export function writeAv1Config(parameters: readonly Uint8Array[]): Uint8Array {
  const [obu] = parameters;
  if (obu === undefined) throw badConfig('there is no sequence header');
  const { profile, level, highTier, bitDepth, monochrome, ...rest } = parseAv1Sequence(obu);
  const record = new Uint8Array(4 + obu.length);
  record[0] = 0x81;
  record[1] = (profile << 5) | level;
  record[2] =
    (highTier ? 0x80 : 0) |
    (bitDepth > 8 ? 0x40 : 0) |
    (bitDepth === 12 ? 0x20 : 0) |
    (monochrome ? 0x10 : 0) |
    (rest.subsamplingX ? 8 : 0) |
    (rest.subsamplingY ? 4 : 0) |
    rest.chromaPosition;
  record.set(obu, 4);
  return record;
}

/**
 * Makes an AV1 track with the 90 kHz clock.
 * @param sequence The sequence header OBU with header and size field; the track keeps it, so it must own its memory.
 */
export function av1Track(id: number, sequence: Uint8Array): Track {
  return { id, kind: 'video', codec: 'av1', clockRate: 90000, parameters: [sequence] };
}

/**
 * The `codecs` parameter of a media type (AV1 codec ISO media file format binding §5), such as 'av01.0.04M.08'. What
 * is optional is left out where it has its default: 4:2:0 and colours of BT.709 or unspecified.
 * @throws ProtocolError AV1_BAD_CONFIG, AV1_BAD_SEQUENCE
 */
export function av1CodecString(parameters: readonly Uint8Array[]): string {
  const [obu] = parameters;
  if (obu === undefined) throw badConfig('there is no sequence header');
  const sequence = parseAv1Sequence(obu);
  const short = ['av01', sequence.profile, `${two(sequence.level)}${sequence.highTier ? 'H' : 'M'}`];
  const depth = two(sequence.bitDepth);
  return hasUsualColours(sequence) ? [...short, depth].join('.') : [...short, depth, ...colours(sequence)].join('.');
}

function hasUsualColours(sequence: Av1Sequence): boolean {
  const usual = (code: number): boolean => code === 1 || code === 2;
  const { colourPrimaries, transfer, matrix } = sequence;
  return (
    !sequence.monochrome &&
    sequence.subsamplingY &&
    !sequence.fullRange &&
    usual(colourPrimaries) &&
    usual(transfer) &&
    usual(matrix)
  );
}

function colours(sequence: Av1Sequence): string[] {
  const chroma = `${sequence.subsamplingX ? 1 : 0}${sequence.subsamplingY ? 1 : 0}${sequence.chromaPosition}`;
  const codes = [sequence.colourPrimaries, sequence.transfer, sequence.matrix].map(two);
  return [sequence.monochrome ? '1' : '0', chroma, ...codes, sequence.fullRange ? '1' : '0'];
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function badConfig(reason: string): ProtocolError {
  return new ProtocolError('AV1_BAD_CONFIG', `bad AV1 configuration: ${reason}`);
}
