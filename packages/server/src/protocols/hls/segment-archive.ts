import type { HlsTrack } from './position.ts';

/**
 * Keeps the segments of one channel for viewers that go back further than the memory reaches. It has all segments from
 * `oldest` to the newest one stored: when one can not be kept, those before it are gone too.
 */
export interface SegmentArchive extends Disposable {
  /** Sequence number of the oldest segment that can be read; undefined while there is none. Never falls. */
  readonly oldest: number | undefined;
  /**
   * Takes a finished segment of a track; its pieces are immutable and joined are its bytes. Sequence numbers grow by one,
   * tracks of the same number come one after the other. Never throws: what can't be kept shows in `oldest`.
   */
  store(segment: ArchivedSegment): void;
  /** The bytes of a segment; undefined when it is not kept (any more). */
  read(msn: number, track: HlsTrack): Promise<Uint8Array | undefined>;
  /** Lets go of all segments before that one: no playlist lists them any more. */
  dropBefore(msn: number): void;
}

/** A segment to be kept. */
export interface ArchivedSegment {
  readonly msn: number;
  readonly track: HlsTrack;
  readonly pieces: readonly Uint8Array[];
  readonly durationUs: number;
}
