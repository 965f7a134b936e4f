import type { FoundMedia, HlsTrack, MediaTarget, PlaylistPosition } from '../position.ts';
import type { SegmentWindow } from '../segment-window.ts';

/** Advance Part Limit of RFC 8216bis §6.2.5.2: parts that last a second or more; seconds of parts that are shorter. */
const ADVANCE_PARTS = 3;
/** Segments that a client may be ahead (RFC 8216bis §6.2.5.2). */
const ADVANCE_SEGMENTS = 2;

export interface AvailabilityOptions {
  readonly window: SegmentWindow;
  /** True when segments are read from an archive once they are not in memory. */
  readonly archived: boolean;
  /** No part lasts longer; undefined while there are no parts. */
  partTargetUs(): number | undefined;
}

/** Tells which segments and parts of a window can be fetched, and which will be. */
export class Availability {
  readonly #options: AvailabilityOptions;
  readonly #window: SegmentWindow;

  constructor(options: AvailabilityOptions) {
    this.#options = options;
    this.#window = options.window;
  }

  /** The newest segment or part that can be fetched; undefined while there is none. */
  position(): PlaylistPosition | undefined {
    const { growing, listed } = this.#window;
    const count = growing?.parts.length ?? 0;
    if (growing !== undefined && count > 0 && this.#options.partTargetUs() !== undefined) {
      return { msn: growing.sequence, part: count - 1 };
    }
    const newest = listed.at(-1);
    return newest && { msn: newest.sequence, part: undefined };
  }

  /** The same as other playlists report it (RFC 8216bis §4.4.5.4): a complete segment by its last part. */
  reported(): PlaylistPosition | undefined {
    const newest = this.position();
    if (newest === undefined || newest.part !== undefined || this.#options.partTargetUs() === undefined) return newest;
    return { msn: newest.msn, part: Math.max(0, (this.#window.segment(newest.msn)?.parts.length ?? 1) - 1) };
  }

  /** True when a playlist has that segment or part, or one after it. */
  has(msn: number, part: number | undefined): boolean {
    const { growing } = this.#window;
    const next = this.#nextComplete();
    if (msn > next) return false;
    if (part === undefined || this.#options.partTargetUs() === undefined) return msn < next;
    if (msn === next) return part < (growing?.parts.length ?? 0);
    if (msn + 1 < next) return true;
    const segment = this.#window.segment(msn);
    // Past the last part of a segment: the first part of the next one is meant.
    return segment === undefined || segment.forgotten || part < segment.parts.length || this.has(next, 0);
  }

  /** True when nobody who reads the playlists would ask for that yet (RFC 8216bis §6.2.5.2). */
  farAhead(msn: number, part: number | undefined): boolean {
    const newest = this.position();
    const newestMsn = newest?.msn ?? this.#window.nextSequence - 1;
    if (msn > newestMsn + ADVANCE_SEGMENTS) return true;
    const targetUs = this.#options.partTargetUs();
    if (part === undefined || targetUs === undefined) return false;
    const limit = targetUs >= 1e6 ? ADVANCE_PARTS : Math.ceil((ADVANCE_PARTS * 1e6) / targetUs);
    // A client that has not seen the end of a segment counts on in it.
    const inSegment = Math.ceil((this.#window.targetSeconds * 1e6) / targetUs);
    const newestPart = msn === newestMsn && newest?.part !== undefined ? newest.part : -1;
    return part > (msn <= newestMsn && newest?.part === undefined ? inSegment : newestPart) + limit + inSegment;
  }

  /** What can be fetched of a playlist that goes on, or is over. */
  media({ kind, track, msn, part }: MediaTarget, ended: boolean): FoundMedia {
    if (kind === 'init') {
      const init = this.#window.init(msn, track);
      return init && [init];
    }
    return kind === 'part' ? this.#part({ track, msn, part }, ended) : this.#segment(msn, track, ended);
  }

  #part({ track, msn, part }: Omit<MediaTarget, 'kind'>, ended: boolean): FoundMedia {
    if (part === undefined || this.#options.partTargetUs() === undefined) return undefined;
    const { growing } = this.#window;
    const next = this.#nextComplete();
    const segment = msn === next ? growing : this.#window.segment(msn);
    const bytes = segment?.parts[part]?.bytes[track];
    if (bytes !== undefined) return [bytes];
    return !ended && msn === next && part === (growing?.parts.length ?? 0) ? 'coming' : undefined;
  }

  #segment(msn: number, track: HlsTrack, ended: boolean): FoundMedia {
    if (msn === this.#window.growing?.sequence) return ended ? undefined : 'coming';
    const segment = this.#window.segment(msn);
    if (segment === undefined || !segment.has(track)) return undefined;
    return segment.pieces(track) ?? (this.#options.archived ? 'archived' : undefined);
  }

  /** Number of the segment that will be complete next. */
  #nextComplete(): number {
    return this.#window.growing?.sequence ?? this.#window.nextSequence;
  }
}
