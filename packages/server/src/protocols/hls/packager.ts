import { codecString, videoSize } from '@sluice/media';
import { type Counters, KeyFrameRetry, type LeftOut, type Log, type Reader, type Stream } from '../../core/index.ts';
import { Carriage } from './carriage.ts';
import type { Cut, CutTracks } from './cut.ts';
import { SegmentCutter } from './cutter.ts';
import type { HlsOptions } from './options.ts';
import { renderMasterPlaylist, renderMediaPlaylist } from './playlist.ts';
import type { FoundMedia, MediaPlaylistRequest, MediaTarget, PlaylistPosition } from './position.ts';
import type { SegmentArchive } from './segment-archive.ts';
import { createMuxer, pictureSizeOf, type SegmentMuxer } from './segment-muxer.ts';
import { type Segment, SegmentWindow } from './segment-window.ts';

export interface HlsPackagerDeps {
  readonly stream: Stream;
  /** Tracks of the source that the stream was made without; none when left out. */
  leftOut?(): LeftOut;
  /** Where segments go that leave the memory. */
  readonly archive?: SegmentArchive | undefined;
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

/** A segment may take this part of the memory of its stream before it is cut by force. */
const SEGMENT_SHARE = 1 / 4;

/**
 * Cuts one stream into segments and renders its playlists. Reads the stream like any viewer; muxes each segment
 * once, whatever the number of viewers.
 */
export class HlsPackager {
  readonly stream: Stream;
  readonly window: SegmentWindow;
  readonly #log: Log;
  readonly #counters: Counters;
  readonly #options: HlsPackagerOptions;
  readonly #leftOut: () => LeftOut;
  readonly #archive: SegmentArchive | undefined;
  readonly #wallMs: () => number;
  readonly #createMuxer: typeof createMuxer;
  readonly #cutter: SegmentCutter;
  readonly #carriage: Carriage;
  readonly #waiters = new Set<() => void>();
  #reader: Reader | undefined;
  #muxer: SegmentMuxer | undefined;
  #initNumber: number | undefined;
  #tracks: CutTracks | undefined;
  /** Of the present configuration, for codecs whose parameters do not tell it. */
  #pictureSize: { readonly width: number; readonly height: number } | undefined;
  /** Wall time of media time zero in the present epoch; undefined before its first packet. */
  #anchor: { readonly epoch: number; readonly zeroMs: number } | undefined;
  #baseUs: number | undefined;
  readonly #keyFrames = new KeyFrameRetry();
  #failed = false;
  #ended = false;

  /** `window` is that of an earlier publication of the same name: numbers go on, with a discontinuity. */
  constructor(deps: HlsPackagerDeps, options: HlsPackagerOptions, window?: SegmentWindow) {
    this.stream = deps.stream;
    this.#log = deps.log.child({ stream: deps.stream.name });
    this.#counters = deps.counters;
    this.#options = options;
    this.#archive = deps.archive;
    this.#leftOut = () => deps.leftOut?.() ?? {};
    this.#wallMs = deps.wallMs ?? Date.now;
    this.#createMuxer = deps.createMuxer ?? createMuxer;
    // Seconds since 1970 grow faster than segments do, so a name never comes back with other content, even after
    // a restart of the server: segments are cached by browsers and proxies.
    const firstSequence = Math.floor(this.#wallMs() / 1000);
    this.window = window ?? new SegmentWindow({ ...options, firstSequence });
    window?.restart();
    this.#carriage = new Carriage({
      container: options.container,
      onLeftOut: (message) => {
        this.#counters.count('hls_left_out_tracks');
        this.#log.warn({}, message);
      },
    });
    this.#cutter = new SegmentCutter({
      container: options.container,
      segmentMinMs: options.segmentMinMs,
      maxSegmentMs: options.maxSegmentMs,
      maxSegmentBytes: options.maxBytes * SEGMENT_SHARE,
      onCut: (cut) => this.#add(cut),
      // Browsers that publish send hardly any by themselves; a source that can't be asked has its own rhythm.
      onKeyFrameWanted: () => this.#keyFrames.ask(this.stream),
    });
  }

  /** True when there is a segment to play. */
  get ready(): boolean {
    return this.window.listed.length > 0;
  }

  /** True when no segment will follow. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Why there is nothing to play for as long as the stream stays as it is; undefined when there is or may be. */
  get refusal(): string | undefined {
    return this.#carriage.refusal ?? this.#nothingLeft();
  }

  /** Lets viewers go that wait for a segment that will not come; called now and then. */
  checkRefusal(): void {
    if (this.#waiters.size > 0 && this.refusal !== undefined) this.#wake();
  }

  /** What can't be converted turns up in no entry of the stream. */
  #nothingLeft(): string | undefined {
    const { video, audio } = this.stream.state;
    if (video !== undefined || audio !== undefined) return undefined;
    const { video: picture, audio: sound } = this.#leftOut();
    const parts = [picture && `its picture is left out: ${picture}`, sound && `its sound is left out: ${sound}`];
    return parts.filter((part) => part !== undefined).join(' and ') || undefined;
  }

  /** True when the present configuration has no picture. */
  get audioOnly(): boolean {
    return this.#tracks !== undefined && this.#tracks.video === undefined;
  }

  /**
   * Starts reading with all that the stream keeps: a player then finds several segments at once, which it needs to
   * play without a stall from the first picture on.
   */
  start(): void {
    if (this.stream.ended) {
      this.#end();
      return;
    }
    this.#reader = this.stream.attach({
      startAt: 'oldest',
      onReadable: () => this.#drain(),
      onEnd: () => this.#end(),
    });
    this.#drain();
  }

  /** Calls `callback` once, when there is a segment or there will be none (the stream ends, or see `refusal`). Dispose of the result to forget it. */
  onceReady(callback: () => void): Disposable {
    this.#waiters.add(callback);
    return { [Symbol.dispose]: () => void this.#waiters.delete(callback) };
  }

  /** EXT-X-TARGETDURATION of the playlists, seconds. */
  get targetSeconds(): number {
    return this.window.targetSeconds;
  }

  /** Duration of a part at most, milliseconds; undefined while its playlists have no parts. */
  get partTargetMs(): number | undefined {
    return undefined;
  }

  /** The newest segment or part that can be fetched; undefined while there is none. */
  position(): PlaylistPosition | undefined {
    const newest = this.window.listed.at(-1);
    return newest && { msn: newest.sequence, part: undefined };
  }

  /**
   * Calls `callback` once, when the playlist has that segment or part, or one after it, or nothing more will come; undefined
   * when that is so already. A part that its segment ended without counts as the first one of the next (RFC 8216bis
   * §6.2.5.2). Dispose of the result to forget it.
   */
  onceAvailable(msn: number, _part: number | undefined, callback: () => void): Disposable | undefined {
    if (this.#ended || this.window.nextSequence > msn) return undefined;
    return this.onceReady(callback);
  }

  /** True when nobody who reads the playlists would ask for that yet: 400 (RFC 8216bis §6.2.5.2). */
  farAhead(msn: number, _part: number | undefined): boolean {
    return msn > this.window.nextSequence + 1;
  }

  /** What can be fetched; see {@link FoundMedia}. */
  media(target: MediaTarget): FoundMedia {
    const bytes = target.kind === 'init' ? this.window.init(target.msn) : this.window.segment(target.msn)?.bytes;
    return bytes && [bytes];
  }

  /** The bytes of a segment that `media` says is archived; undefined when it is not kept any more. */
  async readArchived({ msn, track }: MediaTarget): Promise<Uint8Array | undefined> {
    return this.#archive?.read(msn, track);
  }

  /** The media playlist of a track, as its kind of container has it. */
  mediaPlaylist({ query }: MediaPlaylistRequest): string {
    return renderMediaPlaylist({
      streamName: this.stream.name,
      container: this.#options.container,
      segments: this.window.listed,
      targetSeconds: this.window.targetSeconds,
      ended: this.#ended,
      query,
    });
  }

  /** The master playlist, with bandwidths measured over the listed segments. */
  masterPlaylist(query: string): string {
    const segments = this.window.listed;
    const video = this.#tracks?.video;
    const { peakBandwidth, averageBandwidth } = bandwidths(segments);
    return renderMasterPlaylist({
      streamName: this.stream.name,
      codecs: [video, this.#tracks?.audio].map((track) => track && codecString(track)).filter((c) => c !== undefined),
      peakBandwidth,
      averageBandwidth,
      size: (video && videoSize(video)) ?? this.#pictureSize,
      query,
    });
  }

  /** Stops cutting and lets go of all segments. Idempotent. */
  close(): void {
    this.#reader?.close();
    this.#ended = true;
    this.#wake();
    this.window.clear();
  }

  #drain(): void {
    for (let entry = this.#reader?.read(); entry !== undefined; entry = this.#reader?.read()) {
      // Before the new anchor is set: the first packet of an epoch ends the last segment of the one before.
      this.#cutter.push(entry);
      this.#carriage.observe(entry);
      if (entry.state.epoch !== this.#anchor?.epoch) this.#setAnchor(entry.state.epoch, entry.packet.ptsUs);
    }
    if (this.refusal !== undefined) this.#wake();
  }

  /** A packet from the cache arrived as long ago as the stream has gone on since. */
  #setAnchor(epoch: number, ptsUs: number): void {
    const ageUs = Math.max(0, this.stream.lastDtsUs - ptsUs);
    this.#anchor = { epoch, zeroMs: this.#wallMs() - (ageUs + ptsUs) / 1000 };
  }

  #add(cut: Cut): void {
    try {
      this.#mux(cut);
    } catch (error) {
      this.#counters.count('media_errors', cut.packets.length);
      if (!this.#failed) this.#log.warn({ error: String(error) }, 'hls segment left out, its media is broken');
      this.#failed = true;
      return;
    }
    this.#counters.count('hls_segments');
    this.#wake();
  }

  #mux(cut: Cut): void {
    const discontinuity = cut.discontinuity || this.#failed;
    if (this.#muxer?.accepts(cut.tracks) !== true) {
      const firstUs = Math.min(...[cut.video[0], cut.audio[0]].map((s) => s?.packet.dtsUs ?? 0));
      // Times in a file can't be negative; the second is room for the other track (see MediaSegmentOptions.baseUs).
      this.#baseUs ??= firstUs < 0 ? firstUs - 1_000_000 : 0;
      this.#muxer = this.#createMuxer(this.#options.container, cut, this.#baseUs);
      this.#pictureSize = pictureSizeOf(cut);
      this.#initNumber = this.#muxer.init && this.window.addInit(this.#muxer.init);
    }
    this.#tracks = cut.tracks;
    const bytes = this.#muxer.segment(this.window.nextSequence, cut);
    this.window.add({
      bytes,
      init: this.#initNumber,
      durationUs: cut.durationUs,
      programDateMs: (this.#anchor?.zeroMs ?? this.#wallMs()) + cut.startUs / 1000,
      discontinuity,
      independent: cut.independent,
    });
    this.#failed = false;
  }

  #end(): void {
    if (this.#ended) return;
    this.#cutter.end();
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    if (this.#waiters.size === 0) return;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter();
  }
}

function bandwidths(segments: readonly Segment[]): { peakBandwidth: number; averageBandwidth: number } {
  let peakBandwidth = 0;
  let bits = 0;
  let us = 0;
  for (const { bytes, durationUs } of segments) {
    peakBandwidth = Math.max(peakBandwidth, (bytes.byteLength * 8e6) / durationUs);
    bits += bytes.byteLength * 8;
    us += durationUs;
  }
  return { peakBandwidth, averageBandwidth: us === 0 ? 0 : (bits * 1e6) / us };
}
