import { ProtocolError } from '../packet.ts';
import { readAspectRatio } from './aspect-ratio.ts';
import type { BitReader } from './bits.ts';

/** What the optional VUI part of an H.265 SPS tells. */
export interface H265Vui {
  /** Frames per second; undefined when there is no timing information. */
  fps: number | undefined;
  /** Sample aspect ratio. */
  sarWidth: number;
  sarHeight: number;
}

/** Pictures that the two lists of a short-term reference picture set name, as differences of picture order count. */
interface ReferencePictures {
  readonly negative: readonly number[];
  readonly positive: readonly number[];
}

/** sps_max_dec_pic_buffering_minus1 is at most 15, which bounds the lists. */
const MAX_REFERENCES = 16;
const MAX_SETS = 64;

/** Passes over scaling_list_data, ITU-T H.265 §7.3.4. */
export function skipScalingLists(reader: BitReader): void {
  for (let size = 0; size < 4; size += 1) {
    for (let matrix = 0; matrix < 6; matrix += size === 3 ? 3 : 1) {
      if (!reader.flag()) {
        reader.ue();
        continue;
      }
      if (size > 1) reader.se();
      for (let left = Math.min(64, 1 << (4 + 2 * size)); left > 0; left -= 1) reader.se();
    }
  }
}

/**
 * Passes over num_short_term_ref_pic_sets and the sets, ITU-T H.265 §7.3.7. A set can be predicted from the one
 * before, so its length is known only when that one has been worked out (§7.4.8).
 * @throws ProtocolError when a count is out of range.
 */
export function skipReferencePictureSets(reader: BitReader): void {
  const count = reader.ue();
  if (count > MAX_SETS) throw outOfRange('num_short_term_ref_pic_sets', count);
  let previous: ReferencePictures | undefined;
  for (let index = 0; index < count; index += 1) {
    const predicted = previous !== undefined && reader.flag();
    previous = predicted && previous !== undefined ? readPredictedSet(reader, previous) : readExplicitSet(reader);
  }
}

function readExplicitSet(reader: BitReader): ReferencePictures {
  const negativeCount = reader.ue();
  const positiveCount = reader.ue();
  if (negativeCount + positiveCount > MAX_REFERENCES) {
    throw outOfRange('num_negative_pics and num_positive_pics', negativeCount + positiveCount);
  }
  const list = (count: number, sign: 1 | -1): number[] => {
    const deltas: number[] = [];
    let delta = 0;
    for (let index = 0; index < count; index += 1) {
      delta += sign * (reader.ue() + 1);
      reader.skip(1);
      deltas.push(delta);
    }
    return deltas;
  };
  const negative = list(negativeCount, -1);
  return { negative, positive: list(positiveCount, 1) };
}

function readPredictedSet(reader: BitReader, previous: ReferencePictures): ReferencePictures {
  const sign = reader.flag() ? -1 : 1;
  const shift = sign * (reader.ue() + 1);
  const known = [...previous.negative, ...previous.positive, 0];
  // A picture stays when the current one uses it, or when it is kept for later ones.
  const moved = known.map((delta) => ({ delta: delta + shift, kept: reader.flag() || reader.flag() }));
  const deltas = moved.filter((entry) => entry.kept).map((entry) => entry.delta);
  return { negative: deltas.filter((delta) => delta < 0), positive: deltas.filter((delta) => delta > 0) };
}

/** Video usability information, ITU-T H.265 §E.2.1, up to the timing information. */
export function readH265Vui(reader: BitReader, vui: H265Vui): void {
  if (reader.flag()) {
    const ratio = readAspectRatio(reader);
    if (ratio !== undefined) [vui.sarWidth, vui.sarHeight] = ratio;
  }
  if (reader.flag()) reader.skip(1);
  if (reader.flag()) {
    reader.skip(4);
    if (reader.flag()) reader.skip(24);
  }
  if (reader.flag()) {
    reader.ue();
    reader.ue();
  }
  reader.skip(3);
  if (reader.flag()) for (let side = 0; side < 4; side += 1) reader.ue();
  if (!reader.flag()) return;
  const unitsInTick = reader.bits(32);
  const timeScale = reader.bits(32);
  if (unitsInTick > 0 && timeScale > 0) vui.fps = timeScale / unitsInTick;
}

function outOfRange(name: string, value: number): ProtocolError {
  return new ProtocolError('H265_BAD_SPS', `bad H.265 SPS: ${name} is ${value}`);
}
