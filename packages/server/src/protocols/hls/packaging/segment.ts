import type { HlsTrack } from '../position.ts';
import type { TrackBytes } from '../segment-muxer.ts';

/** A part of a segment (Partial Segment, RFC 8216bis §3), or a whole one where there are no parts. */
export interface Part {
  readonly durationUs: number;
  /** True when a decoder can start with it. */
  readonly independent: boolean;
  readonly bytes: TrackBytes;
}

/** Where the media of a track begins in a segment, microseconds since the beginning of its file. */
export type TrackTimes = Readonly<Partial<Record<HlsTrack, number>>>;

/** What is known of a segment from its beginning on. */
export interface SegmentStart {
  /** Number of the initialization section that it needs; undefined when its container has none. */
  readonly init: number | undefined;
  /** True when a decoder can start with it. */
  readonly independent: boolean;
  /** Time of its beginning in the media, microseconds since the beginning of the file. */
  readonly mediaUs: number;
  /** True when playlists are not to tell of its parts. */
  readonly isWhole?: boolean | undefined;
}

/** Where a segment is in its playlist. */
export interface SegmentPlace {
  /** Media Sequence Number (RFC 8216 §3); also the number in the segment's name. */
  readonly sequence: number;
  /** Discontinuity Sequence Number of the segments before this one (RFC 8216 §6.2.1). */
  readonly discontinuitySequence: number;
  readonly discontinuity: boolean;
  /** Wall-clock time of the first sample, milliseconds since 1970 (RFC 8216 §4.3.2.6). */
  readonly programDateMs: number;
}

const TRACKS: readonly HlsTrack[] = ['main', 'video', 'audio'];

/** One segment: bytes, and the facts that a playlist tells of it. It grows by parts until it is complete. */
export class Segment implements SegmentStart, SegmentPlace {
  readonly sequence: number;
  readonly discontinuitySequence: number;
  readonly init: number | undefined;
  readonly programDateMs: number;
  readonly discontinuity: boolean;
  readonly independent: boolean;
  readonly mediaUs: number;
  readonly isWhole: boolean;
  readonly #parts: Part[] = [];
  #durationUs = 0;
  #byteLength = 0;
  #complete = false;
  #forgotten = false;
  readonly #bytesByTrack = new Map<HlsTrack, number>();

  constructor(start: SegmentStart, place: SegmentPlace) {
    this.sequence = place.sequence;
    this.discontinuitySequence = place.discontinuitySequence;
    this.init = start.init;
    this.programDateMs = place.programDateMs;
    this.discontinuity = place.discontinuity;
    this.independent = start.independent;
    this.mediaUs = start.mediaUs;
    this.isWhole = start.isWhole ?? false;
  }

  /** Of all its parts, in bytes; stays when they are forgotten. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Of what is there; once it is complete, until the beginning of the next segment. */
  get durationUs(): number {
    return this.#durationUs;
  }

  /** True when no part will follow. */
  get complete(): boolean {
    return this.#complete;
  }

  /** True when its bytes are not in memory any more. */
  get forgotten(): boolean {
    return this.#forgotten;
  }

  /** Empty once it is forgotten. */
  get parts(): readonly Part[] {
    return this.#parts;
  }

  /** True when it has something of that track. */
  has(track: HlsTrack): boolean {
    return this.#bytesByTrack.has(track);
  }

  /** Size of that track; stays when it is forgotten. */
  bytesOf(track: HlsTrack): number {
    return this.#bytesByTrack.get(track) ?? 0;
  }

  /** The bytes of that track, in pieces; undefined when they are not in memory, empty when there are none. */
  pieces(track: HlsTrack): readonly Uint8Array[] | undefined {
    if (this.#forgotten) return undefined;
    return this.#parts.map(({ bytes }) => bytes[track]).filter((bytes) => bytes !== undefined);
  }

  add(part: Part): void {
    this.#parts.push(part);
    this.#durationUs += part.durationUs;
    for (const track of TRACKS) {
      const bytes = part.bytes[track];
      if (bytes === undefined) continue;
      this.#byteLength += bytes.byteLength;
      this.#bytesByTrack.set(track, this.bytesOf(track) + bytes.byteLength);
    }
  }

  /** No part follows; `durationUs` leads to the beginning of the next segment. */
  close(durationUs: number): void {
    this.#durationUs = durationUs;
    this.#complete = true;
  }

  /** Lets go of the bytes; the facts stay. */
  forget(): void {
    this.#forgotten = true;
    this.#parts.length = 0;
  }
}
