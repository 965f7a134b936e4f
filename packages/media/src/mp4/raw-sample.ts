import { badFile } from './box-reader.ts';

/** One sample larger than this is taken for damage; a lossless 8K picture stays below. */
const MAX_SAMPLE_BYTES = 64 * 1024 * 1024;

/** A sample as the index of its track tells it, times in units of the media timescale. */
export interface RawSample {
  /** Position in the file in bytes. */
  readonly offset: number;
  /** Length in bytes, as stored. */
  readonly size: number;
  /** Decoding time on the media's own timeline, before edits. */
  readonly dts: number;
  /** Presentation minus decoding time; may be negative. */
  readonly composition: number;
  /** Until the next sample is decoded. */
  readonly duration: number;
  /** Whether it is a sync sample. */
  readonly key: boolean;
  /** Index of its sample description, from 0. */
  readonly description: number;
}

/** @throws ProtocolError MP4_BAD_FILE for a sample that is too large or leaves the file */
export function checkSize(size: number, end: number, fileSize: number): void {
  if (size > MAX_SAMPLE_BYTES) throw badFile(`a sample has ${size} bytes`);
  if (end > fileSize) throw badFile('a sample lies outside of the file');
}
