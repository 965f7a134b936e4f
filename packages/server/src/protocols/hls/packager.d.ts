import type { Counters, Log, Stream } from '../../core/index.ts';
import type { HlsOptions } from './options.ts';
import { createMuxer } from './segment-muxer.ts';
import { SegmentWindow } from './segment-window.ts';
export interface HlsPackagerDeps {
  readonly stream: Stream;
  readonly log: Log;
  readonly counters: Counters;
  /** Wall clock, milliseconds since 1970; `Date.now` but for tests. */
  wallMs?(): number;
  /** Makes the muxer; {@link createMuxer} but for tests. */
  createMuxer?: typeof createMuxer;
}
export type HlsPackagerOptions = Pick<
  HlsOptions,
  'listSize' | 'segmentMinMs' | 'maxSegmentMs' | 'container' | 'maxBytes'
>;
/**
 * Cuts one stream into segments and renders its playlists. Reads the stream like any viewer; muxes each segment
 * once, whatever the number of viewers.
 */
export declare class HlsPackager {
  #private;
  readonly stream: Stream;
  readonly window: SegmentWindow;
  /** `window` is that of an earlier publication of the same name: numbers go on, with a discontinuity. */
  constructor(deps: HlsPackagerDeps, options: HlsPackagerOptions, window?: SegmentWindow);
  /** True when there is a segment to play. */
  get ready(): boolean;
  /** True when no segment will follow. */
  get ended(): boolean;
  /** True when the present configuration has no picture. */
  get audioOnly(): boolean;
  /**
   * Starts reading with all that the stream keeps: a player then finds several segments at once, which it needs to
   * play without a stall from the first picture on.
   */
  start(): void;
  /** Calls `callback` once, when there is a segment or there will never be one. Dispose of the result to forget it. */
  onceReady(callback: () => void): Disposable;
  /** The media playlist, with `query` on each URI. */
  mediaPlaylist(query: string): string;
  /** The master playlist, with bandwidths measured over the listed segments. */
  masterPlaylist(query: string): string;
  /** Stops cutting and lets go of all segments. Idempotent. */
  close(): void;
}
//# sourceMappingURL=packager.d.ts.map
