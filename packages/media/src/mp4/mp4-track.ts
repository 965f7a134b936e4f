import type { Track } from '../packet.ts';
import { badFile, FieldReader, findBox, requireBox } from './box-reader.ts';
import { parseSampleDescription, type SampleDescription } from './sample-entry.ts';
import { SampleTable, type TableLimits } from './sample-table.ts';

/** Times beyond this (about 31 years) are taken for damage; below it, microseconds are exact integers. */
const MAX_SECONDS = 1e9;
/** Pictures before the last one that can still be shown after it; H.264 allows 16 (A.3.1). */
const REORDER_DEPTH = 32;

/** Where one sample is, and when it is due. */
export interface Mp4Sample {
  /** Position in the file in bytes. */
  readonly offset: number;
  /** Length in bytes, as stored: for h264 and h265 with a length before each NAL unit. */
  readonly size: number;
  /** Decoding time in integer microseconds; negative where the edit list starts later than the first sample. */
  readonly dtsUs: number;
  /** Presentation time in integer microseconds. */
  readonly ptsUs: number;
  /** True for sync samples by the file's own table, which is a hint: see `MediaPacket.key` for the certain answer. */
  readonly key: boolean;
}

/** How media time becomes presentation time: the edit list in the simple form that encoders write. */
interface TimeMapping {
  /** Units of media time per second. */
  readonly timescale: number;
  /** Media time that is presented first. */
  readonly mediaStart: number;
  /** Microseconds of nothing before it. */
  readonly delayUs: number;
}

/** One track of an MP4 file: its decoder configuration and the index of its samples. */
export class Mp4Track {
  /** Decoder configuration from the sample description. `id` is the position in `Mp4Reader.tracks`. */
  readonly track: Track;
  /** Number of samples. */
  readonly sampleCount: number;
  /** Time from zero to the end of the last sample's presentation, in microseconds. */
  readonly durationUs: number;
  /** Bytes of the length before each NAL unit; 0 for codecs without such units. */
  readonly lengthSize: 0 | 1 | 2 | 4;
  readonly #table: SampleTable;
  readonly #time: TimeMapping;

  constructor(description: SampleDescription, table: SampleTable, time: TimeMapping) {
    this.track = description.track;
    this.lengthSize = description.lengthSize;
    this.sampleCount = table.count;
    this.#table = table;
    this.#time = time;
    this.durationUs = this.#presentationEndUs();
  }

  /**
   * Sample `index`, in decode order from 0. Constant time when called in sequence.
   *
   * @throws RangeError when there is no such sample.
   */
  sample(index: number): Mp4Sample {
    if (!Number.isInteger(index) || index < 0 || index >= this.sampleCount) {
      throw new RangeError(`no sample ${index} among ${this.sampleCount}`);
    }
    const table = this.#table;
    const decodeTime = table.decodeTime(index);
    return {
      offset: table.offset(index),
      size: table.size(index),
      // Negative composition offsets would put presentation before decoding: decoding then starts earlier.
      dtsUs: this.#microseconds(decodeTime - table.compositionLead),
      ptsUs: this.#microseconds(decodeTime + table.compositionOffset(index)),
      key: table.isKey(index),
    };
  }

  #microseconds(mediaTime: number): number {
    const { timescale, mediaStart, delayUs } = this.#time;
    // Adding 0 turns -0 into 0.
    return Math.round(((mediaTime - mediaStart) * 1e6) / timescale + delayUs) + 0;
  }

  #presentationEndUs(): number {
    const table = this.#table;
    let end = 0;
    for (let i = Math.max(0, table.count - REORDER_DEPTH); i < table.count; i++) {
      end = Math.max(end, table.decodeTime(i) + table.compositionOffset(i) + table.duration(i));
    }
    return Math.max(0, this.#microseconds(end));
  }
}

/**
 * Reads the content of a `trak` box (ISO 14496-12 §8.3).
 *
 * @param id identifier for the track if the hub carries its codec.
 * @param movieTimescale units per second of the durations in edit lists.
 * @returns the track, or a text that names what the hub does not carry.
 * @throws ProtocolError `MP4_BAD_FILE`.
 */
export function parseTrack(
  trak: Uint8Array,
  id: number,
  movieTimescale: number,
  limits: TableLimits,
): Mp4Track | string {
  const stbl = requireBox(trak, 'mdia', 'minf', 'stbl');
  const description = parseSampleDescription(requireBox(stbl, 'stsd'), id);
  if (typeof description === 'string') return description;
  const table = new SampleTable(stbl, limits);
  const timescale = parseTimescale(requireBox(trak, 'mdia', 'mdhd'));
  const last = Math.max(0, table.count - 1);
  if ((table.decodeTime(last) + table.duration(last)) / timescale > MAX_SECONDS) throw badFile('a track is too long');
  return new Mp4Track(description, table, parseEdits(trak, timescale, movieTimescale));
}

/** The timescale of `mdhd` (§8.4.2) or `mvhd` (§8.2.2), which begin alike. */
export function parseTimescale(header: Uint8Array): number {
  const fields = new FieldReader(header);
  const version = fields.u8();
  fields.skip(3 + (version === 1 ? 16 : 8));
  const timescale = fields.u32();
  if (timescale === 0) throw badFile('a timescale is zero');
  return timescale;
}

/**
 * Applies what encoders use edit lists (§8.6.6) for: empty edits at the start delay the track, and the first real
 * edit skips priming samples or compensates composition offsets. Cuts further inside are not applied: such samples
 * are all delivered.
 */
function parseEdits(trak: Uint8Array, timescale: number, movieTimescale: number): TimeMapping {
  const elst = findBox(trak, 'edts', 'elst');
  let emptyDuration = 0;
  let mediaStart = 0;
  if (elst !== undefined) {
    const fields = new FieldReader(elst);
    const wide = fields.u8() === 1;
    fields.skip(3);
    const count = fields.tableCount(wide ? 20 : 12);
    for (let i = 0; i < count; i++) {
      const duration = wide ? fields.u64() : fields.u32();
      const mediaTime = wide ? fields.i64() : fields.i32();
      fields.skip(4); // rate
      if (mediaTime >= 0) {
        mediaStart = mediaTime;
        break;
      }
      emptyDuration += duration;
    }
  }
  if (emptyDuration / movieTimescale > MAX_SECONDS || mediaStart / timescale > MAX_SECONDS) {
    throw badFile('an edit list is out of range');
  }
  return { timescale, mediaStart, delayUs: (emptyDuration * 1e6) / movieTimescale };
}
