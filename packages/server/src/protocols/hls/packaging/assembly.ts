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
  /** Where the segment is in its playlist that is being cut. */
  placeOf(cut: Cut): SegmentPlace;
  /** The place of a segment that other playlists have, by its number. */
  passed?(sequence: number): SegmentPlace | undefined;
  /** True when other playlists have the same segments: none is left out, those that are broken are gaps. */
  readonly isAligned: boolean;
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
   * Adds a part to the window; true when its segment is complete with it. Of a segment that can't begin nothing is added
   * (but gaps where others are aligned with it), a part that is broken is a gap; the next segment is a discontinuity then.
   * @throws whatever the muxer throws for broken media, once it is noted so
   */
  add(cut: Cut): boolean {
    if (cut.opens) this.#skipsSegment = false;
    if (this.#skipsSegment) return this.#options.isAligned && this.#append(cut, {});
    try {
      return this.#mux(cut);
    } catch (error) {
      this.#failed = true;
      if (cut.opens) this.#skipsSegment = true;
      if (cut.opens && this.#options.isAligned) this.#open(cut);
      if (!cut.opens || this.#options.isAligned) this.#append(cut, {});
      throw error;
    }
  }

  #mux(cut: Cut): boolean {
    if (this.#muxer?.accepts(cut.tracks) !== true) this.#changeMuxer(cut);
    this.#tracks = cut.tracks;
    const bytes = this.#muxer?.part(++this.#fragments, cut) ?? {};
    if (cut.opens) {
      this.#open(cut);
      this.#failed = false;
    }
    return this.#append(cut, bytes);
  }

  #open(cut: Cut): void {
    const { window, placeOf, isAligned } = this.#options;
    const place = placeOf(cut);
    const start = { init: this.#initNumber, independent: cut.independent, mediaUs: cut.startUs - (this.#baseUs ?? 0) };
    this.#fillUpTo(place);
    window.open(start, { ...place, discontinuity: place.discontinuity || (this.#failed && !isAligned) });
  }

  /** Segments of which nothing came are gaps: the others have them. */
  #fillUpTo({ sequence, programDateMs }: SegmentPlace): void {
    const { window, passed } = this.#options;
    if (passed === undefined || window.isEmpty) return;
    while (window.nextSequence < sequence) {
      const place = passed(window.nextSequence);
      const nextMs = passed(window.nextSequence + 1)?.programDateMs ?? programDateMs;
      if (place === undefined) return;
      window.open({ init: this.#initNumber, independent: true, mediaUs: 0 }, place);
      window.close(Math.max(1, Math.round((nextMs - place.programDateMs) * 1000)));
    }
  }

  #append({ durationUs, independent, segmentUs }: Cut, bytes: TrackBytes): boolean {
    const { window } = this.#options;
    window.addPart({ durationUs, independent, bytes });
    if (segmentUs === undefined) return false;
    window.close(segmentUs);
    return true;
  }

  #changeMuxer(cut: Cut): void {
    const { container, form, window, baseUs } = this.#options;
    const firstUs = Math.min(...[cut.video[0], cut.audio[0]].map((s) => s?.packet.dtsUs ?? 0));
    // Times in a file can't be negative; the second is room for the other track (see MediaSegmentOptions.baseUs).
    this.#baseUs ??= baseUs?.() ?? (firstUs < 0 ? firstUs - 1_000_000 : 0);
    this.#muxer = this.#options.createMuxer({ container, form, baseUs: this.#baseUs }, cut);
    this.#pictureSize = pictureSizeOf(cut);
    this.#initNumber = this.#muxer.init && window.addInit(this.#muxer.init, this.#options.placeOf(cut).sequence);
  }
}
