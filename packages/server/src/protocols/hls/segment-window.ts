import { type Part, Segment, type SegmentPlace, type SegmentStart } from './packaging/segment.ts';
import type { HlsTrack } from './position.ts';
import type { SegmentArchive } from './segment-archive.ts';
import type { TrackBytes } from './segment-muxer.ts';

export interface SegmentWindowOptions {
  /** Segments in the playlist, or more where `windowMs` asks for it. */
  readonly listSize: number;
  readonly maxBytes: number;
  /** Bound of the target duration from below, so that it seldom has to grow. Milliseconds. */
  readonly segmentMinMs: number;
  /** How far back the playlist goes, as far as there are segments; 0: as far as `listSize`. Milliseconds. */
  readonly windowMs: number;
  /** Media sequence number of the first segment; without meaning where there is a leader, whose numbers count. */
  readonly firstSequence: number;
  /** Segments are told of while they grow. */
  readonly lowLatency: boolean;
  /** Of the playlist whose segments these follow: both have the same target duration. */
  readonly leader?: SegmentWindow | undefined;
  /** Keeps what the memory does not; absent: only what is in memory can be fetched. */
  readonly archive?: SegmentArchive | undefined;
}

/** By so much key frames come later at times than they usually do: browsers send them when asked, and machines are busy. */
const JITTER_US = 250_000;

/**
 * The segments of one stream that can be fetched: those in the playlist, and some that have left it for clients
 * that are slow (RFC 8216 §6.2.2). Numbers go on over restarts of the stream.
 */
export class SegmentWindow {
  readonly #options: SegmentWindowOptions;
  readonly #inits = new Map<number, TrackBytes>();
  /** Complete ones, oldest first. */
  #segments: Segment[] = [];
  #growing: Segment | undefined;
  #next: number;
  /** Segments before this one belong to an earlier publication and are not listed. */
  #floor: number;
  #discontinuities = 0;
  #pendingDiscontinuity = false;
  #bytes = 0;
  #targetSeconds: number;
  #listed: readonly Segment[] = [];
  /** Index of the oldest segment whose bytes are in memory. */
  #firstInMemory = 0;

  constructor(options: SegmentWindowOptions) {
    this.#options = options;
    const { leader, firstSequence } = options;
    this.#next = leader?.nextSequence ?? firstSequence;
    // Who follows begins in the midst of the leader's numbers, which seconds of the clock run ahead of.
    this.#floor = leader === undefined ? firstSequence : 0;
    this.#targetSeconds = Math.max(1, Math.ceil(options.segmentMinMs / 1000));
  }

  /** Number that the next segment will get. */
  get nextSequence(): number {
    return this.#next;
  }

  /** True when it has no segment yet, not even one that is being made. */
  get isEmpty(): boolean {
    return this.#segments.length === 0 && this.#growing === undefined;
  }

  /** Bytes of all segments in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** EXT-X-TARGETDURATION, seconds; never shrinks (RFC 8216 §4.3.3.1). */
  get targetSeconds(): number {
    return Math.max(this.#targetSeconds, this.#options.leader?.targetSeconds ?? 0);
  }

  /** Discontinuity sequence number before the next segment. */
  get discontinuitySequence(): number {
    return this.#discontinuities;
  }

  /** The complete segments of the playlist, oldest first. */
  get listed(): readonly Segment[] {
    return this.#listed;
  }

  /** The segment that is being made, with the parts that it has by now. */
  get growing(): Segment | undefined {
    return this.#growing;
  }

  /** The complete segment of that number. */
  segment(sequence: number): Segment | undefined {
    const first = this.#segments[0];
    if (first === undefined || !Number.isInteger(sequence)) return undefined;
    const near = this.#segments[sequence - first.sequence];
    if (near?.sequence === sequence) return near;
    return this.#segments.find((s) => s.sequence === sequence);
  }

  init(number: number, track: HlsTrack = 'main'): Uint8Array | undefined {
    return this.#inits.get(number)?.[track];
  }

  /** Keeps initialization sections; they are named after the first segment that needs them. */
  addInit(bytes: TrackBytes, number = this.#next): number {
    this.#inits.set(number, bytes);
    return number;
  }

  /** The place of the next segment of this playlist. */
  nextPlace({ discontinuity, programDateMs }: Pick<SegmentPlace, 'discontinuity' | 'programDateMs'>): SegmentPlace {
    return {
      sequence: this.#next,
      discontinuitySequence: this.#discontinuities,
      discontinuity: discontinuity || this.#pendingDiscontinuity,
      programDateMs,
    };
  }

  /** Begins a segment, which has no part yet, in its place: the next one, or where another playlist has it. */
  open(start: SegmentStart, place: SegmentPlace): Segment {
    // Where another playlist counts, its numbers may be lower than the clock's: it has been running for a while.
    if (this.#segments.length === 0) this.#floor = place.sequence;
    const segment = new Segment(start, place);
    this.#next = place.sequence + 1;
    this.#discontinuities = place.discontinuitySequence + (place.discontinuity ? 1 : 0);
    this.#pendingDiscontinuity = false;
    this.#growing = segment;
    return segment;
  }

  /** Adds a part to the segment that is being made. */
  addPart(part: Part): void {
    const growing = this.#growing;
    if (growing === undefined) return;
    const before = growing.byteLength;
    growing.add(part);
    this.#bytes += growing.byteLength - before;
  }

  /** Ends the segment that is being made and lets go of what is over the bounds; the newest segment always stays. */
  close(durationUs: number): Segment | undefined {
    const segment = this.#growing;
    if (segment === undefined) return undefined;
    this.#growing = undefined;
    segment.close(durationUs);
    this.#fit(durationUs);
    this.#segments.push(segment);
    this.#archive(segment);
    this.#trim();
    this.#list();
    return segment;
  }

  /** Begins the playlist anew for another publication; earlier segments can still be fetched. */
  restart(): void {
    this.#growing = undefined;
    this.#floor = this.#next;
    this.#pendingDiscontinuity = this.#segments.length > 0;
    this.#list();
  }

  /** Lets go of everything. */
  clear(): void {
    this.#segments = [];
    this.#growing = undefined;
    this.#firstInMemory = 0;
    this.#inits.clear();
    this.#bytes = 0;
    this.#list();
  }

  /**
   * EXTINF is rounded to the nearest integer for the comparison (RFC 8216bis §4.4.3.1). Nobody has read the playlist before
   * its first segment is complete, and later the target must not change: so there is room for those that last a little longer. Without parts it is rounded up, as some validators do. Where key frames come much later than ever
   * before the target has to grow all the same: a segment that begins without one is worse for players. That happens once
   * for such a segment, when it is complete, as parts have no bound of their own to the target duration.
   */
  #fit(durationUs: number): void {
    const { lowLatency } = this.#options;
    const isFirst = this.#segments.length === 0;
    const grown = lowLatency ? Math.round((durationUs + JITTER_US) / 1e6) : Math.ceil((durationUs - 1000) / 1e6);
    const least = isFirst ? grown : Math.round(durationUs / 1e6);
    if (least > this.#targetSeconds) this.#targetSeconds = grown;
  }

  #archive(segment: Segment): void {
    const { archive } = this.#options;
    if (archive === undefined) return;
    const { sequence: msn, durationUs } = segment;
    for (const track of ['main', 'video', 'audio'] as const) {
      const pieces = segment.has(track) ? segment.pieces(track) : undefined;
      if (pieces !== undefined) archive.store({ msn, track, pieces, durationUs });
    }
  }

  #trim(): void {
    const { maxBytes, archive } = this.#options;
    const segments = this.#segments;
    const keep = this.#wanted();
    const inMemory = archive === undefined ? keep : this.#keptOf(this.#options.listSize);
    while (
      this.#firstInMemory < segments.length - 1 &&
      (segments.length - this.#firstInMemory > inMemory || this.#bytes > maxBytes)
    ) {
      const oldest = segments[this.#firstInMemory++];
      this.#bytes -= oldest?.byteLength ?? 0;
      oldest?.forget();
    }
    const least = archive === undefined ? this.#firstInMemory : this.#archived(archive);
    const gone = Math.max(segments.length - keep, least);
    if (gone > 0) {
      segments.splice(0, gone);
      this.#firstInMemory = Math.max(0, this.#firstInMemory - gone);
      archive?.dropBefore(segments[0]?.sequence ?? 0);
    }
    this.#dropInits();
  }

  /** Segments that can neither be had from memory nor from the archive, at the beginning of the list. */
  #archived(archive: SegmentArchive): number {
    const oldest = archive.oldest ?? Number.POSITIVE_INFINITY;
    let gone = 0;
    while (gone < this.#firstInMemory && (this.#segments[gone]?.sequence ?? oldest) < oldest) gone++;
    return gone;
  }

  /** Segments that are kept so that `listed` of them can be listed. */
  #keptOf(listed: number): number {
    return listed + Math.ceil(this.#options.listSize / 2) + 3;
  }

  #wanted(): number {
    const { listSize, windowMs } = this.#options;
    return this.#keptOf(windowMs === 0 ? listSize : Math.max(listSize, this.#within(windowMs)));
  }

  /** Number of the newest segments that last that long together. */
  #within(windowMs: number): number {
    let leftUs = windowMs * 1000;
    let count = 0;
    for (let i = this.#segments.length - 1; i >= 0 && leftUs > 0; i--) {
      leftUs -= this.#segments[i]?.durationUs ?? 0;
      count++;
    }
    return count;
  }

  #list(): void {
    const { listSize, windowMs } = this.#options;
    const size = windowMs === 0 ? listSize : Math.max(listSize, this.#within(windowMs));
    this.#listed = this.#segments.slice(-size).filter((s) => s.sequence >= this.#floor);
  }

  /** An init that no segment uses yet belongs to the segment that is being made. */
  #dropInits(): void {
    const oldest = this.#segments[0]?.init ?? this.#growing?.init;
    if (oldest === undefined) return;
    for (const number of this.#inits.keys()) if (number < oldest) this.#inits.delete(number);
  }
}
