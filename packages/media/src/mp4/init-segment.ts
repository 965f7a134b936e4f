import type { Track } from '../packet.ts';
import { BoxWriter } from './box-writer.ts';
import { type PictureShape, pictureShape, writeSampleEntry } from './sample-entry-writer.ts';

/** Sample flags (ISO 14496-12 §8.8.3.1) of a sample that depends on no other: every audio frame, every key picture. */
export const SYNC_SAMPLE_FLAGS = 0x0200_0000;
/** Sample flags of a picture that depends on others and is no sync sample. */
export const DELTA_SAMPLE_FLAGS = 0x0101_0000;

/** Transformation matrix that changes nothing (§8.2.2.3): 1.0 in 16.16, and 1.0 in 2.30 for the last element. */
export const UNITY_MATRIX = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/** Timescale of mvhd and tkhd. It carries no meaning here since every duration in the header is zero. */
const MOVIE_TIMESCALE = 1000;
/** ISO 639-2 code 'und', packed as three 5-bit letters (§8.4.2.3). */
const LANGUAGE_UNDETERMINED = 0x55c4;

/** Choices for {@link writeInitSegment}. */
export interface InitSegmentOptions {
  /** Size in pixels of a picture whose track does not tell it, which is so for VP9. */
  pictureSize?: { readonly width: number; readonly height: number } | undefined;
  /** When the recording began, milliseconds since 1970, for the creation time. Default: not told. */
  createdAtMs?: number | undefined;
  /**
   * The file is to become a plain one where it is (`planMp4InPlace`): brands that suit both, and what the change
   * needs. Default false.
   */
  recording?: boolean | undefined;
  /** With `recording`: bytes kept free for the final index before everything else. Default 0: it goes to the end. */
  reservedBytes?: number | undefined;
}

/** From 1904, where the clock of MP4 begins, to 1970, in seconds. */
const EPOCH_OFFSET_SECONDS = 2_082_844_800;
/** Brands of a file with fragments that is about to lose them. */
export const RECORDING_BRANDS = 'isomiso2iso6mp41mp42';
/** Bytes of a box header with a 64-bit size. */
export const LARGE_HEADER_BYTES = 16;

/**
 * Writes the CMAF header (ISO 23000-19 §7.3.1): `ftyp` and a `moov` without samples, with one `trak` and one `trex`
 * per track. `track_ID` is `track.id + 1`, and the media timescale is `track.clockRate`.
 *
 * @throws ProtocolError `MP4_UNSUPPORTED_CODEC` for a codec that {@link isFmp4Carriable} refuses or a track without
 *   parameters or size, and the codec parsers' own errors when `track.parameters` is malformed.
 */
export function writeInitSegment(tracks: readonly Track[], options: InitSegmentOptions = {}): Uint8Array {
  const reservedBytes = options.recording ? (options.reservedBytes ?? 0) : 0;
  const writer = new BoxWriter(1024 + 1024 * tracks.length + reservedBytes);
  writeFileType(writer, options.recording ? RECORDING_BRANDS : 'iso6cmfcmp42');
  if (reservedBytes > 0) writer.box('free', () => writer.zeros(reservedBytes));
  writer.box('moov', () => {
    writeMovieHeader(writer, tracks, creationSeconds(options.createdAtMs));
    for (const track of tracks) writeTrack(writer, track, pictureShape(track, options.pictureSize));
    writer.box('mvex', () => {
      for (const track of tracks) writeTrackExtends(writer, track);
    });
  });
  // Becomes the header of the one mdat when the final index has taken the reserved room, see `planMp4InPlace`.
  if (reservedBytes > 0) writer.box('free', () => writer.zeros(LARGE_HEADER_BYTES));
  return writer.finish();
}

/** Writes `ftyp` with the first of `brands` (four letters each) as the major one. */
export function writeFileType(writer: BoxWriter, brands: string): void {
  writer.box('ftyp', () => {
    writer.ascii(brands.slice(0, 4));
    writer.u32(0);
    writer.ascii(brands);
  });
}

function creationSeconds(createdAtMs: number | undefined): number {
  if (createdAtMs === undefined) return 0;
  return Math.min(Math.floor(createdAtMs / 1000) + EPOCH_OFFSET_SECONDS, 0xffff_ffff);
}

function writeMovieHeader(writer: BoxWriter, tracks: readonly Track[], createdSeconds: number): void {
  writer.fullBox('mvhd', 0, 0, () => {
    writer.u32(createdSeconds);
    writer.u32(createdSeconds);
    writer.u32(MOVIE_TIMESCALE);
    writer.u32(0); // duration: the fragments decide
    writer.u32(0x1_0000); // rate 1.0
    writer.u16(0x100); // volume 1.0
    writer.zeros(10);
    for (const value of UNITY_MATRIX) writer.u32(value);
    writer.zeros(24);
    writer.u32(tracks.reduce((highest, track) => Math.max(highest, track.id + 1), 0) + 1); // next_track_ID
  });
}

function writeTrackExtends(writer: BoxWriter, track: Track): void {
  writer.fullBox('trex', 0, 0, () => {
    writer.u32(track.id + 1);
    writer.u32(1); // sample description index
    writer.u32(0);
    writer.u32(0);
    writer.u32(track.kind === 'audio' ? SYNC_SAMPLE_FLAGS : DELTA_SAMPLE_FLAGS);
  });
}

function writeTrack(writer: BoxWriter, track: Track, picture: PictureShape): void {
  writer.box('trak', () => {
    // Flags: enabled, in movie, in preview.
    writer.fullBox('tkhd', 0, 7, () => {
      writer.zeros(8);
      writer.u32(track.id + 1);
      writer.zeros(4 + 4 + 8 + 4); // reserved, duration, reserved, layer and alternate group
      writer.u16(track.kind === 'audio' ? 0x100 : 0);
      writer.u16(0);
      for (const value of UNITY_MATRIX) writer.u32(value);
      // Display size in 16.16: non-square samples widen the picture (§8.3.2.3).
      const displayWidth = Math.round((picture.width * picture.sarWidth * 0x1_0000) / picture.sarHeight);
      writer.u32(Math.min(displayWidth, 0xffff_ffff));
      writer.u32(picture.height * 0x1_0000);
    });
    writer.box('mdia', () => {
      writeMediaHeaders(writer, { kind: track.kind, timescale: track.clockRate, duration: 0 });
      writer.box('minf', () => {
        if (track.kind === 'video') writer.fullBox('vmhd', 0, 1, () => writer.zeros(8));
        else writer.fullBox('smhd', 0, 0, () => writer.zeros(4));
        writeDataInformation(writer);
        writeSampleTable(writer, track, picture);
      });
    });
  });
}

/** `mdhd` and `hdlr`; the duration is in units of the timescale. */
export function writeMediaHeaders(
  writer: BoxWriter,
  { kind, timescale, duration }: { kind: Track['kind']; timescale: number; duration: number },
): void {
  const wide = duration > 0xffff_ffff;
  writer.fullBox('mdhd', wide ? 1 : 0, 0, () => {
    writer.zeros(wide ? 16 : 8);
    writer.u32(timescale);
    if (wide) writer.u64(duration);
    else writer.u32(duration);
    writer.u16(LANGUAGE_UNDETERMINED);
    writer.u16(0);
  });
  writer.fullBox('hdlr', 0, 0, () => {
    writer.u32(0);
    writer.ascii(kind === 'video' ? 'vide' : 'soun');
    writer.zeros(12);
    writer.ascii(kind === 'video' ? 'VideoHandler\0' : 'SoundHandler\0');
  });
}

/** One data reference with the self-contained flag: samples are in this very file (§8.7.2). */
export function writeDataInformation(writer: BoxWriter): void {
  writer.box('dinf', () => {
    writer.fullBox('dref', 0, 0, () => {
      writer.u32(1);
      writer.fullBox('url ', 0, 1, () => {});
    });
  });
}

function writeSampleTable(writer: BoxWriter, track: Track, picture: PictureShape): void {
  writer.box('stbl', () => {
    writer.fullBox('stsd', 0, 0, () => {
      writer.u32(1);
      writeSampleEntry(writer, track, picture);
    });
    // Mandatory tables, empty because every sample is in a fragment.
    writer.fullBox('stts', 0, 0, () => writer.u32(0));
    writer.fullBox('stsc', 0, 0, () => writer.u32(0));
    writer.fullBox('stsz', 0, 0, () => writer.zeros(8));
    writer.fullBox('stco', 0, 0, () => writer.u32(0));
  });
}
