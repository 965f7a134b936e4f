import { OBU_SEQUENCE_HEADER, OBU_TEMPORAL_DELIMITER } from '../codec/av1-obu.ts';
import {
  av1Track,
  canonicalH265Units,
  canonicalTemporalUnit,
  canonicalUnits,
  h264Track,
  h265NalType,
  h265Track,
  isVp9Key,
  parseAv1Sequence,
  splitAvcc,
} from '../codec/index.ts';
import type { MediaPacket, Track } from '../packet.ts';
import { sameBytes } from './fmp4.ts';
import type { SampleDescription } from './sample-entry.ts';

/** What a sample is made of. */
interface Content {
  readonly units: readonly Uint8Array[];
  readonly key: boolean;
  /** The given track, or its successor when the sample brings other parameters. */
  readonly track: Track;
}

/** How the parameter sets of a codec with NAL units are told apart, in the order that a track has them. */
interface ParameterKinds {
  readonly types: readonly number[];
  typeOf(unit: Uint8Array): number;
  makeTrack(id: number, parameters: Uint8Array[]): Track;
}

/** SPS, SPS extensions, PPS. */
const H264_KINDS: ParameterKinds = {
  types: [7, 13, 8],
  typeOf: (unit) => (unit[0] ?? 0) & 31,
  makeTrack: h264Track,
};

/** VPS, SPS, PPS. */
const H265_KINDS: ParameterKinds = { types: [32, 33, 34], typeOf: h265NalType, makeTrack: h265Track };

/**
 * Makes a packet of a sample. Its units own their memory. In-band parameters that the track does not have make
 * another track object.
 *
 * @throws ProtocolError of the codec for a broken sample.
 */
export function makePacket(
  { track, lengthSize }: SampleDescription,
  { dtsUs, ptsUs }: { readonly dtsUs: number; readonly ptsUs: number },
  data: Uint8Array,
): MediaPacket {
  const content = lengthSize === 0 ? wholeSample(track, data) : nalSample(track, lengthSize, data);
  const units = content.units.map(ownCopy);
  const byteLength = units.reduce((sum, unit) => sum + unit.length, 0);
  return { track: content.track, units, ptsUs, dtsUs, key: content.key, byteLength };
}

function nalSample(track: Track, lengthSize: 1 | 2 | 4, data: Uint8Array): Content {
  const split = splitAvcc(data, lengthSize);
  if (track.codec === 'h265') {
    const { units, key, parameters } = canonicalH265Units(split);
    return { units, key, track: withParameters(track, parameters, H265_KINDS) };
  }
  const { units, key, parameters } = canonicalUnits(split);
  return { units, key, track: withParameters(track, parameters, H264_KINDS) };
}

function wholeSample(track: Track, data: Uint8Array): Content {
  if (track.codec === 'vp9') return { units: [data], key: isVp9Key(data), track };
  if (track.codec !== 'av1') return { units: [data], key: true, track };
  const unit = canonicalTemporalUnit(data);
  const { key, sequence } = unit;
  const current = key && sequence !== undefined ? withSequence(track, sequence) : track;
  return { units: [unit.data], key, track: current };
}

/** `slice` on a Node Buffer would be a view of the whole read, which the packet must not keep alive. */
function ownCopy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** The same track, unless `inBand` holds a parameter set that it does not have. New sets replace those of their kind. */
function withParameters(track: Track, inBand: readonly Uint8Array[], kinds: ParameterKinds): Track {
  const isKnown = (unit: Uint8Array): boolean => track.parameters.some((known) => sameBytes(known, unit));
  if (inBand.every(isKnown)) return track;
  const ofType = (units: readonly Uint8Array[], type: number): Uint8Array[] =>
    units.filter((unit) => kinds.typeOf(unit) === type);
  const replaced = kinds.types.flatMap((type) => {
    const fresh = ofType(inBand, type);
    return fresh.length > 0 ? fresh.map(ownCopy) : ofType(track.parameters, type);
  });
  return kinds.makeTrack(track.id, replaced);
}

/** NAL units that hold no part of a picture and may come before the parameter sets: delimiters, and messages. */
const PASSED_H264_TYPES = [6, 9];
const PASSED_H265_TYPES = [35, 39];

/**
 * What a key sample says of its track before its picture begins: the same track object, another one for parameters
 * that it does not have, or undefined when `head` ends too early to tell.
 *
 * @param head the first bytes of the sample.
 * @throws ProtocolError of the codec for broken parameters
 */
export function trackOfHead({ track, lengthSize }: SampleDescription, head: Uint8Array): Track | undefined {
  if (track.codec === 'av1') return av1TrackOfHead(track, head);
  if (lengthSize === 0) return track;
  const isH265 = track.codec === 'h265';
  const kinds = isH265 ? H265_KINDS : H264_KINDS;
  const passed = isH265 ? PASSED_H265_TYPES : PASSED_H264_TYPES;
  const sets: Uint8Array[] = [];
  for (let position = 0; position + lengthSize < head.length; ) {
    let length = 0;
    for (let i = 0; i < lengthSize; i++) length = length * 256 + (head[position + i] ?? 0);
    const start = position + lengthSize;
    const type = kinds.typeOf(head.subarray(start));
    const isSet = kinds.types.includes(type);
    if (!isSet && !passed.includes(type)) return withParameters(track, sets, kinds);
    if (start + length > head.length) return undefined;
    if (isSet) sets.push(head.subarray(start, start + length));
    position = start + length;
  }
  return undefined;
}

/** The sequence header is the first OBU of a key sample, after at most a temporal delimiter. */
function av1TrackOfHead(track: Track, head: Uint8Array): Track | undefined {
  let position = 0;
  while (position + 2 < head.length) {
    const header = head[position] ?? 0;
    const type = (header >> 3) & 15;
    const sizeAt = position + (header & 4 ? 2 : 1);
    const size = head[sizeAt] ?? 0;
    // Sequence headers are far shorter than the 127 bytes that one byte of size can tell.
    if ((header & 2) === 0 || size > 127 || (type !== OBU_SEQUENCE_HEADER && type !== OBU_TEMPORAL_DELIMITER)) {
      return track;
    }
    const end = sizeAt + 1 + size;
    if (end > head.length) return undefined;
    if (type === OBU_SEQUENCE_HEADER) return withSequence(track, head.subarray(position, end));
    position = end;
  }
  return undefined;
}

function withSequence(track: Track, sequence: Uint8Array): Track {
  const [known] = track.parameters;
  if (known !== undefined && sameBytes(known, sequence)) return track;
  parseAv1Sequence(sequence);
  return av1Track(track.id, ownCopy(sequence));
}
