import type { Cut, CutTracks } from '../cut.ts';
import type { HlsOptions } from '../options.ts';
import type { HlsForm } from '../position.ts';
import { type createMuxer, pictureSizeOf, type SegmentMuxer, type TrackBytes } from '../segment-muxer.ts';
import type { SegmentWindow } from '../segment-window.ts';
import type { SegmentPlace } from './segment.ts';

export interface AssemblyOptions {
  readonly container: HlsOptions['container'];
  readonly form: HlsForm;
  readonly window: SegmentWindow;
  readonly createMuxer: typeof createMuxer;
  /** Wall time of stream time zero, milliseconds since 1970, for what is being cut. */
  wallOfZeroMs(): number;
  /** Where the segments are in the playlist that says where they end; absent: that is this one. */
  placeOf?(startUs: number): SegmentPlace | undefined;
  /** Stream time that becomes zero in the files, microseconds, where other playlists have to have the same. */
  baseUs?(): number | undefined;
}

/** Muxes parts and puts them together to segments of a window. */
export class Assembly {
  readonly #options: AssemblyOptions;
  #muxer: SegmentMuxer | undefined;
  #fragments = 0;
  #initNumber: number | undefined;
  #tracks: CutTracks | undefined;
  #pictureSize: { readonly width: number; readonly height: number } | undefined;
  #baseUs: number | undefined;
  #failed = false;
  /** True when the beginning of the current segment could not be muxed, so that the rest is of no use. */
  #skipsSegment = false;

  constructor(options: AssemblyOptions) {
    this.#options = options;
  }

  /** The tracks of what was muxed last. */
  get tracks(): CutTracks | undefined {
    return this.#tracks;
  }

  /** Of the present configuration, for codecs whose parameters do not tell it. */
  get pictureSize(): { readonly width: number; readonly height: number } | undefined {
    return this.#pictureSize;
  }

  /** Stream time that is zero in the files, microseconds; undefined before the first one. */
  get baseUs(): number | undefined {
    return this.#baseUs;
  }

  /**
   * Adds a part to the window; true when its segment is complete with it. Of a segment that can't begin nothing is added,
   * a part that is broken is a gap; the next segment is a discontinuity then.
   * @throws whatever the muxer throws for broken media, once it is noted so
   */
  add(cut: Cut): boolean {
    if (cut.opens) this.#skipsSegment = false;
    if (this.#skipsSegment) return false;
    try {
      return this.#mux(cut);
    } catch (error) {
      this.#failed = true;
      if (cut.opens) this.#skipsSegment = true;
      else this.#append(cut, {});
      throw error;
    }
  }

  #mux(cut: Cut): boolean {
    if (this.#muxer?.accepts(cut.tracks) !== true) this.#changeMuxer(cut);
    this.#tracks = cut.tracks;
    const bytes = this.#muxer?.part(++this.#fragments, cut) ?? {};
    if (cut.opens) {
      const { window, wallOfZeroMs, placeOf } = this.#options;
      const start = {
        init: this.#initNumber,
        programDateMs: wallOfZeroMs() + cut.startUs / 1000,
        discontinuity: cut.discontinuity || this.#failed,
        independent: cut.independent,
        mediaUs: cut.startUs - (this.#baseUs ?? 0),
      };
      window.open(start, placeOf?.(cut.startUs));
      this.#failed = false;
    }
    return this.#append(cut, bytes);
  }

  #append({ durationUs, independent, segmentUs }: Cut, bytes: TrackBytes): boolean {
    const { window } = this.#options;
    window.addPart({ durationUs, independent, bytes });
    if (segmentUs === undefined) return false;
    window.close(segmentUs);
    return true;
  }

  #changeMuxer(cut: Cut): void {
    const { container, form, window, createMuxer, baseUs } = this.#options;
    const firstUs = Math.min(...[cut.video[0], cut.audio[0]].map((s) => s?.packet.dtsUs ?? 0));
    // Times in a file can't be negative; the second is room for the other track (see MediaSegmentOptions.baseUs).
    this.#baseUs ??= baseUs?.() ?? (firstUs < 0 ? firstUs - 1_000_000 : 0);
    this.#muxer = createMuxer({ container, form, baseUs: this.#baseUs }, cut);
    this.#pictureSize = pictureSizeOf(cut);
    const place = this.#options.placeOf?.(cut.startUs);
    this.#initNumber = this.#muxer.init && window.addInit(this.#muxer.init, place?.sequence);
  }
}
