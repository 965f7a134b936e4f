import type { MediaPacket, Track } from '../packet.ts';
import { BoxWriter } from './box-writer.ts';
import { DELTA_SAMPLE_FLAGS, SYNC_SAMPLE_FLAGS } from './init-segment.ts';

export { type InitSegmentOptions, writeInitSegment } from './init-segment.ts';
export { isFmp4Carriable } from './sample-entry-writer.ts';

/** A packet and the time until the next one of its track. */
export interface FragmentSample {
  packet: MediaPacket;
  /** Microseconds from this packet's `dtsUs` to the next one's; not negative. */
  durationUs: number;
}

/** The samples of one track in one segment, in decode order. */
export interface FragmentTrack {
  /** As the init segment has it. Packets may have a successor of it with other parameters, see `inBandParameters`. */
  track: Track;
  samples: readonly FragmentSample[];
  /**
   * Write the parameter sets of every key frame before its picture (h264 and h265; other codecs have none or always
   * carry them). Default false: only those of packets whose parameters differ from those of `track`. Must be true
   * once parameters have changed within a file, because a decoder keeps those that it saw last.
   */
  inBandParameters?: boolean;
}

/** Choices for {@link writeMediaSegment}. */
export interface MediaSegmentOptions {
  /** Start with a `styp` box, as a segment does in DASH and CMAF but a mere chunk of one need not. Default false. */
  styp?: boolean;
  /**
   * Stream time that becomes zero in the file, in microseconds; default 0. Must be the same for every segment of a
   * presentation, and not later than the earliest `dtsUs`, because `tfdt` cannot hold a negative time.
   */
  baseUs?: number;
}

const STYP_BYTES = 24;
const MFHD_BYTES = 16;
/** traf header, tfhd, tfdt version 1, and trun up to its first sample. */
const TRAF_BYTES = 8 + 16 + 20 + 20;
/** Duration and size; for video also flags and composition offset. */
const AUDIO_SAMPLE_BYTES = 8;
const VIDEO_SAMPLE_BYTES = 16;
const NAL_LENGTH_BYTES = 4;

const TFHD_DEFAULT_BASE_IS_MOOF = 0x02_0000;
const TRUN_DATA_OFFSET = 0x001;
const TRUN_DURATION_AND_SIZE = 0x300;
const TRUN_FLAGS_AND_COMPOSITION_OFFSET = 0xc00;

/**
 * Writes one CMAF chunk (ISO 23000-19 §7.3.2.3): a `moof` with one `traf` per track that has samples, and an `mdat`
 * with the samples of each track next to each other. The whole output is one exact allocation.
 *
 * Times are absolute times rounded to the timescale, and durations their differences, so rounding never accumulates:
 * when each `durationUs` leads to the next packet's `dtsUs`, so do the ticks.
 *
 * @param sequence `mfhd.sequence_number`, which must grow from segment to segment.
 * @throws RangeError when a `dtsUs` lies before `options.baseUs`, or the segment would exceed 4 GiB.
 */
export function writeMediaSegment(
  sequence: number,
  tracks: readonly FragmentTrack[],
  options: MediaSegmentOptions = {},
): Uint8Array {
  const baseUs = options.baseUs ?? 0;
  const used = tracks.filter((entry) => entry.samples.length > 0);
  const sizes = used.map((entry) => entry.samples.map(({ packet }) => sampleBytes(packet, inBandSets(entry, packet))));
  const dataBytes = sizes.map((each) => each.reduce((sum, bytes) => sum + bytes, 0));
  const moofBytes = used.reduce((sum, entry) => sum + trafBytes(entry), 8 + MFHD_BYTES);
  const mdatBytes = dataBytes.reduce((sum, bytes) => sum + bytes, 8);
  if (mdatBytes > 0xffff_ffff) throw new RangeError('media segment is larger than 4 GiB');

  const writer = new BoxWriter((options.styp ? STYP_BYTES : 0) + moofBytes + mdatBytes);
  if (options.styp) writeSegmentType(writer);
  writer.box('moof', () => {
    writer.fullBox('mfhd', 0, 0, () => writer.u32(sequence));
    let dataOffset = moofBytes + 8;
    for (const [index, entry] of used.entries()) {
      writeTrackFragment(writer, entry, { baseUs, dataOffset, sizes: sizes[index] ?? [] });
      dataOffset += dataBytes[index] ?? 0;
    }
  });
  writer.box('mdat', () => {
    for (const entry of used) writeTrackData(writer, entry);
  });
  return writer.finish();
}

/** `cmfl` claims what holds for every output of this file: one chunk. Segments need no stronger brand. */
function writeSegmentType(writer: BoxWriter): void {
  writer.box('styp', () => {
    writer.ascii('msdh');
    writer.u32(0);
    writer.ascii('msdhcmfl');
  });
}

function trafBytes(entry: FragmentTrack): number {
  const perSample = entry.track.kind === 'video' ? VIDEO_SAMPLE_BYTES : AUDIO_SAMPLE_BYTES;
  return TRAF_BYTES + perSample * entry.samples.length;
}

/** Samples of these codecs are NAL units, each after its length (ISO 14496-15 §4.3.3.1); others are stored as they are. */
function isLengthPrefixed({ codec }: Track): boolean {
  return codec === 'h264' || codec === 'h265';
}

function sampleBytes(packet: MediaPacket, sets: readonly Uint8Array[]): number {
  if (!isLengthPrefixed(packet.track)) return packet.byteLength;
  const setBytes = sets.reduce((sum, unit) => sum + NAL_LENGTH_BYTES + unit.length, 0);
  return setBytes + packet.byteLength + NAL_LENGTH_BYTES * packet.units.length;
}

/** The parameter sets that go before a packet's picture. */
function inBandSets({ track, inBandParameters }: FragmentTrack, packet: MediaPacket): readonly Uint8Array[] {
  if (!packet.key || !isLengthPrefixed(track)) return NO_SETS;
  return inBandParameters || !haveSameParameters(track, packet.track) ? packet.track.parameters : NO_SETS;
}

const NO_SETS: readonly Uint8Array[] = [];

/** Whether two tracks need the same decoder configuration. */
export function haveSameParameters(one: Track, other: Track): boolean {
  if (one === other || one.parameters === other.parameters) return true;
  if (one.codec !== other.codec || one.parameters.length !== other.parameters.length) return false;
  return one.parameters.every((unit, index) => sameBytes(unit, other.parameters[index]));
}

/** Whether two pieces of data are equal. */
export function sameBytes(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return one.length === other?.length && one.every((byte, index) => byte === other[index]);
}

/** What a track's part of a `moof` needs besides its samples. */
interface FragmentLayout {
  readonly baseUs: number;
  /** Where the track's data begins, from the start of the `moof`. */
  readonly dataOffset: number;
  /** Bytes of each sample. */
  readonly sizes: readonly number[];
}

function writeTrackFragment(writer: BoxWriter, entry: FragmentTrack, layout: FragmentLayout): void {
  const { track, samples } = entry;
  const { baseUs, dataOffset, sizes } = layout;
  const isVideo = track.kind === 'video';
  const ticks = (us: number): number => Math.round(((us - baseUs) * track.clockRate) / 1e6);
  const baseTicks = ticks(samples[0]?.packet.dtsUs ?? baseUs);
  if (baseTicks < 0) throw new RangeError(`track ${track.id} begins before baseUs ${baseUs}`);

  writer.box('traf', () => {
    writer.fullBox('tfhd', 0, TFHD_DEFAULT_BASE_IS_MOOF, () => writer.u32(track.id + 1));
    writer.fullBox('tfdt', 1, 0, () => writer.u64(baseTicks));
    // Audio takes its flags from trex and needs no composition offset. Version 1 makes the offsets signed.
    const flags = TRUN_DATA_OFFSET | TRUN_DURATION_AND_SIZE | (isVideo ? TRUN_FLAGS_AND_COMPOSITION_OFFSET : 0);
    writer.fullBox('trun', 1, flags, () => {
      writer.u32(samples.length);
      writer.u32(dataOffset);
      for (const [index, { packet, durationUs }] of samples.entries()) {
        const dts = ticks(packet.dtsUs);
        writer.u32(ticks(packet.dtsUs + durationUs) - dts);
        writer.u32(sizes[index] ?? 0);
        if (!isVideo) continue;
        writer.u32(packet.key ? SYNC_SAMPLE_FLAGS : DELTA_SAMPLE_FLAGS);
        writer.u32(ticks(packet.ptsUs) - dts);
      }
    });
  });
}

function writeTrackData(writer: BoxWriter, entry: FragmentTrack): void {
  const lengthPrefixed = isLengthPrefixed(entry.track);
  for (const { packet } of entry.samples) {
    for (const unit of inBandSets(entry, packet)) {
      writer.u32(unit.length);
      writer.bytes(unit);
    }
    for (const unit of packet.units) {
      if (lengthPrefixed) writer.u32(unit.length);
      writer.bytes(unit);
    }
  }
}
