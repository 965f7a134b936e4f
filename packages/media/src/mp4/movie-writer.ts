import { BoxWriter } from './box-writer.ts';
import type { CollectedTrack } from './collected-track.ts';
import type { GrowingColumn } from './growing-column.ts';
import { UNITY_MATRIX, writeDataInformation, writeMediaHeaders } from './init-segment.ts';
import type { TrackEdit } from './track-edit.ts';

const MAX_U32 = 0xffff_ffff;

/** A track of the new index. */
export interface MovieTrackToWrite {
  readonly track: CollectedTrack;
  readonly edit: TrackEdit;
}

/** What {@link writeMovie} needs besides the tracks. */
export interface MovieToWrite {
  readonly tracks: readonly MovieTrackToWrite[];
  /** Units per second of the movie's durations and empty edits. */
  readonly timescale: number;
  /** Seconds since 1904, or 0. */
  readonly createdSeconds: number;
  /** Offsets of 64 bits. */
  readonly wideOffsets: boolean;
  /** Where chunk `chunk` of track `track` is in the new file, if `moov` had no bytes before it. */
  offsetOf(track: number, chunk: number): number;
}

/** A written `moov`. */
export interface WrittenMovie {
  readonly bytes: Uint8Array;
  /** Adds a number of bytes to all offsets of chunks. */
  moveChunks(by: number): void;
}

/**
 * Writes the `moov` (ISO 14496-12 §8.2.1) of a file without fragments. Times are rounded up where the movie's units
 * can't tell them, so that nothing is cut off.
 */
export function writeMovie(movie: MovieToWrite): WrittenMovie {
  const writer = new BoxWriter(movie.tracks.reduce((sum, { track }) => sum + estimatedBytes(track), 1024));
  const tables: { at: number; count: number }[] = [];
  writer.box('moov', () => {
    writeHeader(writer, movie);
    for (const [index, { track, edit }] of movie.tracks.entries()) {
      writer.box('trak', () => {
        writeTrackHeader(writer, { track, edit }, movie);
        writeEdits(writer, edit);
        writer.box('mdia', () => {
          const { timescale } = track.source.time;
          const { kind } = track.source.main.track;
          writeMediaHeaders(writer, { kind, timescale, duration: track.totalDuration });
          writer.box('minf', () => {
            if (kind === 'video') writer.fullBox('vmhd', 0, 1, () => writer.zeros(8));
            else writer.fullBox('smhd', 0, 0, () => writer.zeros(4));
            writeDataInformation(writer);
            writer.box('stbl', () => {
              writeSampleTables(writer, track);
              tables.push({ at: writeChunkOffsets(writer, movie, index), count: track.chunkOffsets.length });
            });
          });
        });
      });
    }
  });
  const bytes = writer.finish();
  return { bytes, moveChunks: (by) => moveChunks(bytes, { tables, by, wide: movie.wideOffsets }) };
}

function estimatedBytes(track: CollectedTrack): number {
  const { count, keys, chunkOffsets, entries, durations, compositions } = track;
  const entryBytes = entries.reduce((sum, entry) => sum + entry.length, 0);
  const runs = countRuns(durations) + countRuns(compositions);
  return 1024 + entryBytes + 8 * runs + 4 * count + 4 * keys.length + 20 * chunkOffsets.length;
}

function countRuns(column: GrowingColumn<Uint32Array | Int32Array>): number {
  let runs = 0;
  for (let i = 0; i < column.length; i++) if (i === 0 || column.at(i) !== column.at(i - 1)) runs += 1;
  return runs;
}

function writeHeader(writer: BoxWriter, { tracks, timescale, createdSeconds }: MovieToWrite): void {
  const duration = tracks.reduce((longest, { edit }) => Math.max(longest, edit.totalDuration), 0);
  const wide = duration > MAX_U32 || createdSeconds > MAX_U32;
  writer.fullBox('mvhd', wide ? 1 : 0, 0, () => {
    writeTime(writer, createdSeconds, wide);
    writeTime(writer, createdSeconds, wide);
    writer.u32(timescale);
    writeTime(writer, duration, wide);
    writer.u32(0x1_0000); // rate 1.0
    writer.u16(0x100); // volume 1.0
    writer.zeros(10);
    for (const value of UNITY_MATRIX) writer.u32(value);
    writer.zeros(24);
    writer.u32(tracks.reduce((highest, { track }) => Math.max(highest, track.source.trackId), 0) + 1);
  });
}

function writeTrackHeader(
  writer: BoxWriter,
  { track, edit }: MovieTrackToWrite,
  { createdSeconds }: MovieToWrite,
): void {
  const wide = edit.totalDuration > MAX_U32 || createdSeconds > MAX_U32;
  // Flags: enabled, in movie, in preview.
  writer.fullBox('tkhd', wide ? 1 : 0, 7, () => {
    writeTime(writer, createdSeconds, wide);
    writeTime(writer, createdSeconds, wide);
    writer.u32(track.source.trackId);
    writer.u32(0);
    writeTime(writer, edit.totalDuration, wide);
    writer.zeros(8 + 4); // reserved, layer and alternate group
    writer.u16(track.source.main.track.kind === 'audio' ? 0x100 : 0);
    writer.u16(0);
    writer.bytes(track.geometry());
  });
}

function writeTime(writer: BoxWriter, time: number, wide: boolean): void {
  if (wide) writer.u64(time);
  else writer.u32(time);
}

/** `edts` with one `elst` (§8.6.6), when the track does not simply begin with its first sample at zero. */
function writeEdits(writer: BoxWriter, { isNeeded, emptyDuration, duration, mediaStart }: TrackEdit): void {
  if (!isNeeded) return;
  const wide = Math.max(emptyDuration, duration) > MAX_U32 || mediaStart > 0x7fff_ffff;
  writer.box('edts', () => {
    writer.fullBox('elst', wide ? 1 : 0, 0, () => {
      writer.u32(emptyDuration > 0 ? 2 : 1);
      if (emptyDuration > 0) {
        writeTime(writer, emptyDuration, wide);
        if (wide) writer.u32(MAX_U32);
        writer.u32(MAX_U32); // media time -1: nothing is shown
        writer.u32(0x1_0000);
      }
      writeTime(writer, duration, wide);
      writeTime(writer, mediaStart, wide);
      writer.u32(0x1_0000);
    });
  });
}

function writeSampleTables(writer: BoxWriter, track: CollectedTrack): void {
  const { count, durations, compositions, sizes, keys, entries } = track;
  writer.fullBox('stsd', 0, 0, () => {
    writer.u32(entries.length);
    for (const entry of entries) writer.bytes(entry);
  });
  writer.fullBox('stts', 0, 0, () => writeRuns(writer, durations));
  if (any(compositions, (offset) => offset !== 0)) {
    const version = any(compositions, (offset) => offset < 0) ? 1 : 0;
    writer.fullBox('ctts', version, 0, () => writeRuns(writer, compositions));
  }
  if (keys.length < count) {
    writer.fullBox('stss', 0, 0, () => {
      writer.u32(keys.length);
      for (let i = 0; i < keys.length; i++) writer.u32(keys.at(i));
    });
  }
  writer.fullBox('stsc', 0, 0, () => writeChunkRuns(writer, track));
  writer.fullBox('stsz', 0, 0, () => {
    const first = sizes.at(0);
    const constant = first > 0 && !any(sizes, (size) => size !== first) ? first : 0;
    writer.u32(constant);
    writer.u32(count);
    for (let i = 0; constant === 0 && i < count; i++) writer.u32(sizes.at(i));
  });
}

function any(column: GrowingColumn<Uint32Array | Int32Array>, test: (value: number) => boolean): boolean {
  for (let i = 0; i < column.length; i++) if (test(column.at(i))) return true;
  return false;
}

/** Number of runs, then length and value of each. */
function writeRuns(writer: BoxWriter, column: GrowingColumn<Uint32Array | Int32Array>): void {
  const countAt = writer.length;
  writer.u32(0);
  let runs = 0;
  let length = 0;
  for (let i = 0; i < column.length; i++) {
    length += 1;
    const value = column.at(i);
    if (i + 1 < column.length && column.at(i + 1) === value) continue;
    writer.u32(length);
    writer.u32(value);
    runs += 1;
    length = 0;
  }
  writer.patchU32(countAt, runs);
}

/** Number of runs; then the first chunk of each, its samples per chunk, and its sample description. */
function writeChunkRuns(writer: BoxWriter, { chunkSamples, chunkDescriptions }: CollectedTrack): void {
  const countAt = writer.length;
  writer.u32(0);
  let runs = 0;
  for (let i = 0; i < chunkSamples.length; i++) {
    const samples = chunkSamples.at(i);
    const description = chunkDescriptions.at(i);
    if (i > 0 && samples === chunkSamples.at(i - 1) && description === chunkDescriptions.at(i - 1)) continue;
    writer.u32(i + 1);
    writer.u32(samples);
    writer.u32(description + 1);
    runs += 1;
  }
  writer.patchU32(countAt, runs);
}

/** `stco` or `co64` (§8.7.5); returns the position of its first entry. */
function writeChunkOffsets(writer: BoxWriter, movie: MovieToWrite, index: number): number {
  const count = movie.tracks[index]?.track.chunkOffsets.length ?? 0;
  let at = 0;
  writer.fullBox(movie.wideOffsets ? 'co64' : 'stco', 0, 0, () => {
    writer.u32(count);
    at = writer.length;
    for (let chunk = 0; chunk < count; chunk++) writeTime(writer, movie.offsetOf(index, chunk), movie.wideOffsets);
  });
  return at;
}

interface Move {
  readonly tables: readonly { readonly at: number; readonly count: number }[];
  readonly by: number;
  readonly wide: boolean;
}

function moveChunks(bytes: Uint8Array, { tables, by, wide }: Move): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { at, count } of tables) {
    for (let i = 0; i < count; i++) {
      if (wide) view.setBigUint64(at + 8 * i, view.getBigUint64(at + 8 * i) + BigInt(by));
      else view.setUint32(at + 4 * i, view.getUint32(at + 4 * i) + by);
    }
  }
}
