import type { StreamEntry } from '../../../core/index.ts';
import type { Cut, CutTracks } from '../cut.ts';
import { SegmentCutter } from '../cutter.ts';
import type { HlsOptions } from '../options.ts';
import { createMuxer, type SegmentMuxer } from '../segment-muxer.ts';
import type { SegmentWindow } from '../segment-window.ts';
import type { Clip } from './clip.ts';

export interface ClipFeedOptions {
  readonly container: HlsOptions['container'];
  /** Least duration of a segment of the clip, milliseconds. */
  readonly segmentMinMs: number;
  /** What the segments are added to. */
  readonly window: SegmentWindow;
}

/** Segments that a player finds at once: with one alone it could not begin without a stall. */
const LEAD_SEGMENTS = 2;
/** A clip without key frames is cut after so many times the least duration. */
const MAX_SEGMENT_SHARE = 4;
const MAX_SEGMENT_BYTES = 32 * 1024 * 1024;
const ROUNDING_US = 100_000;

/** Adds a clip to a playlist as time goes by, again and again. Its segments have no parts. */
export class ClipFeed {
  readonly tracks: CutTracks;
  readonly #options: ClipFeedOptions;
  readonly #entries: Iterator<StreamEntry>;
  readonly #cutter: SegmentCutter;
  readonly #leadUs: number;
  readonly #startMs: number;
  /** Wall time of the clip's time zero, milliseconds since 1970: what is there at once belongs to the past. */
  readonly #zeroMs: number;
  #muxer: SegmentMuxer | undefined;
  #init: number | undefined;
  #fedUs = -1;
  #count = 0;

  constructor(clip: Clip, options: ClipFeedOptions) {
    const { container, segmentMinMs } = options;
    this.tracks = clip.tracks;
    this.#options = options;
    this.#entries = clip.entries();
    this.#leadUs = segmentMinMs * LEAD_SEGMENTS * 1000 + ROUNDING_US;
    this.#startMs = performance.now();
    this.#zeroMs = Date.now() - this.#leadUs / 1000;
    this.#cutter = new SegmentCutter({
      container,
      segmentMinMs,
      maxSegmentMs: segmentMinMs * MAX_SEGMENT_SHARE,
      maxSegmentBytes: MAX_SEGMENT_BYTES,
      onCut: (cut) => this.#add(cut),
    });
  }

  /** Adds what is due by now, monotonic milliseconds; true when that was something. */
  advance(nowMs: number): boolean {
    const before = this.#count;
    const dueUs = Math.max(0, nowMs - this.#startMs) * 1000 + this.#leadUs;
    const leastUs = this.#leadUs * MAX_SEGMENT_SHARE;
    while (this.#fedUs < dueUs || (this.#count === 0 && this.#fedUs < leastUs)) {
      const { value, done } = this.#entries.next();
      if (done === true) break;
      this.#fedUs = Math.max(this.#fedUs, value.dtsUs);
      this.#cutter.push(value);
    }
    return this.#count > before;
  }

  #add(cut: Cut): void {
    const { window, container } = this.#options;
    if (this.#muxer === undefined) {
      this.#muxer = createMuxer({ container, form: 'muxed', baseUs: 0 }, cut);
      this.#init = this.#muxer.init && window.addInit(this.#muxer.init);
    }
    const { durationUs, startUs, segmentUs, independent } = cut;
    const bytes = this.#muxer.part(++this.#count, cut);
    const programDateMs = this.#zeroMs + startUs / 1000;
    const start = { init: this.#init, independent, mediaUs: startUs, isWhole: true };
    window.open(start, window.nextPlace({ discontinuity: false, programDateMs }));
    window.addPart({ durationUs, independent, bytes });
    window.close(segmentUs ?? durationUs);
  }
}
