import type { Acceptance } from './adaptations/index.ts';
import type { Stream } from './stream.ts';
import type { VideoForm } from './video-form.ts';

/** One quality of a stream, among others of the same content. */
export interface Rendition {
  /** Name of its profile: part of addresses (`180`, `original`). */
  readonly name: string;
  /** To be leased with: see Adaptations. Who leases the same gets the same derived stream. */
  readonly acceptance: Acceptance;
  /** The picture goes through as it is; it costs nothing. */
  readonly original: boolean;
  /** Size of its picture; undefined while that of the source is not known. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  /** Bits a second that it is expected to take, with sound: before it runs, that is all that is known. */
  readonly bandwidthBps: number;
  readonly fps: number | undefined;
  /** Processor cores that it is expected to take while somebody watches it; 0 when it goes through. */
  readonly estimatedCores: number;
}

/** Who asks for a ladder: each has a file of profiles of its own. */
export type LadderUse = 'hls' | 'webrtc';

/** The qualities of a stream at this moment. */
export interface Ladder {
  /** Best first; never empty. */
  readonly renditions: readonly Rendition[];
  /** Processor cores that all of it is expected to take, and those that are free for it. */
  readonly estimatedCores: number;
  readonly freeCores: number;
  /** Why renditions of the profiles are missing, for people: larger than the source, or more than the machine can do. */
  readonly notes: readonly string[];
}

/** Knows which qualities a stream can be had in. They cost nothing until somebody leases one of them. */
export interface Renditions {
  /**
   * True when streams have more than one quality for such viewers; `thin` asks whether anything is made for viewers whose
   * line does not carry a stream that has but one.
   */
  enabled(use: LadderUse | 'thin'): boolean;
  /**
   * The ladder of a stream; undefined when it has no picture, or that is not known yet.
   * @throws MediaServerError TRANSCODING_LIMIT when the machine can not make even the least of it
   */
  ladder(stream: Stream, use: LadderUse): Ladder | undefined;
  /**
   * Qualities below a stream for viewers whose line does not carry it, best first: two at most, the same for all of them
   * for as long as one is being made. Empty when none is of use, the stream is not known well enough yet, or the machine
   * has no room.
   */
  thinner(stream: Stream): readonly Rendition[];
  /**
   * Checks whether a picture in that form can be made of the stream by what is free now.
   * @throws MediaServerError TRANSCODING_LIMIT, TRANSCODING_DISABLED
   */
  admit(stream: Stream, form: VideoForm): void;
}
