/** One finished segment, as bytes and as the facts that a playlist tells of it. */
export interface Segment {
  /** Media Sequence Number (RFC 8216 §3); also the number in the segment's name. */
  readonly sequence: number;
  readonly bytes: Uint8Array;
  /** Number of the initialization section that the segment needs; undefined when its container has none. */
  readonly init: number | undefined;
  readonly durationUs: number;
  /** Wall-clock time of the first sample, milliseconds since 1970 (RFC 8216 §4.3.2.6). */
  readonly programDateMs: number;
  readonly discontinuity: boolean;
  /** Discontinuity Sequence Number of the segments before this one (RFC 8216 §6.2.1). */
  readonly discontinuitySequence: number;
  readonly independent: boolean;
}
export type NewSegment = Omit<Segment, 'sequence' | 'discontinuitySequence'>;
export interface SegmentWindowOptions {
  readonly listSize: number;
  readonly maxBytes: number;
  /** Bound of the target duration from below, so that it seldom has to grow. Milliseconds. */
  readonly segmentMinMs: number;
  /** Media sequence number of the first segment. */
  readonly firstSequence: number;
}
/**
 * The segments of one stream that can be fetched: those in the playlist, and some that have left it for clients
 * that are slow (RFC 8216 §6.2.2). Numbers go on over restarts of the stream.
 */
export declare class SegmentWindow {
  #private;
  constructor(options: SegmentWindowOptions);
  /** Number that the next segment will get. */
  get nextSequence(): number;
  /** Bytes of all segments kept. */
  get bytes(): number;
  /** EXT-X-TARGETDURATION, seconds; never shrinks (RFC 8216 §4.3.3.1). */
  get targetSeconds(): number;
  /** Discontinuity sequence number before the next segment. */
  get discontinuitySequence(): number;
  /** The segments of the playlist, oldest first. */
  get listed(): readonly Segment[];
  segment(sequence: number): Segment | undefined;
  init(number: number): Uint8Array | undefined;
  /** Keeps an initialization section; it is named after the first segment that needs it. */
  addInit(bytes: Uint8Array): number;
  /** Appends a segment and lets go of what is over the bounds; the newest segment always stays. */
  add(segment: NewSegment): Segment;
  /** Begins the playlist anew for another publication; earlier segments can still be fetched. */
  restart(): void;
  /** Lets go of everything. */
  clear(): void;
}
//# sourceMappingURL=segment-window.d.ts.map
