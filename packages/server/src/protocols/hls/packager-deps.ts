import type { Counters, LeftOut, Log, Stream } from '../../core/index.ts';
import type { SegmentTimeline } from './ladder/segment-timeline.ts';
import type { HlsOptions } from './options.ts';
import type { HlsPackager } from './packager.ts';
import type { HlsForm } from './position.ts';
import type { SegmentArchive } from './segment-archive.ts';
import type { createMuxer } from './segment-muxer.ts';

export interface HlsPackagerDeps {
  readonly stream: Stream;
  /** Tracks of the source that the stream was made without; none when left out. */
  leftOut?(): LeftOut;
  /** Picture and sound in one file, or as tracks of their own; `muxed` by default. */
  readonly form?: HlsForm | undefined;
  /** Is told where its segments begin, so that others can follow it. */
  readonly timeline?: SegmentTimeline | undefined;
  /** The one whose segments it follows with its pictures; absent: it decides by itself. */
  readonly follows?: Leader | undefined;
  /** Keeps segments that are not in memory any more. */
  readonly archive?: SegmentArchive | undefined;
  readonly log: Log;
  readonly counters: Counters;
  /** Wall clock, milliseconds since 1970; `Date.now` but for tests. */
  wallMs?(): number;
  /** Makes the muxer; {@link createMuxer} but for tests. */
  createMuxer?: typeof createMuxer;
}

/** A packager that says where segments begin, for others of the same source. */
export interface Leader {
  readonly packager: HlsPackager;
  readonly timeline: SegmentTimeline;
}

export type HlsPackagerOptions = Pick<
  HlsOptions,
  | 'listSize'
  | 'lowLatencyListSize'
  | 'segmentMinMs'
  | 'maxSegmentMs'
  | 'container'
  | 'maxBytes'
  | 'lowLatency'
  | 'partMs'
  | 'dvrWindowMs'
>;
