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
import type { Mp4Sample } from './mp4-track.ts';

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
export function makePacket(track: Track, lengthSize: 0 | 1 | 2 | 4, sample: Mp4Sample, data: Uint8Array): MediaPacket {
  const { dtsUs, ptsUs } = sample;
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
  const [known] = track.parameters;
  let current = track;
  if (key && sequence !== undefined && (known === undefined || !sameBytes(known, sequence))) {
    parseAv1Sequence(sequence);
    current = av1Track(track.id, ownCopy(sequence));
  }
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

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
