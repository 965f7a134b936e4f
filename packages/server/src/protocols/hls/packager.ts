import type { MediaPacket } from '@sluice/media';
import {
  type Counters,
  KeyFrameRetry,
  type LeftOut,
  type Log,
  type Reader,
  type Stream,
  type StreamEntry,
} from '../../core/index.ts';
import { Carriage } from './carriage.ts';
import type { Cut } from './cut.ts';
import { SegmentCutter } from './cutter.ts';
import { ManifestRenderer } from './dash/mpd.ts';
import type { SegmentTimeline } from './ladder/segment-timeline.ts';
import type { HlsPackagerDeps, HlsPackagerOptions, Leader } from './packager-deps.ts';
import { Assembly } from './packaging/assembly.ts';
import { Availability } from './packaging/availability.ts';
import { contentOf, type PackagedContent } from './packaging/content.ts';
import { PlaylistRenderer } from './packaging/media-playlist.ts';
import { filePrefix } from './packaging/names.ts';
import { PartRule } from './packaging/part-rule.ts';
import { Progress } from './packaging/progress.ts';
import type { SegmentPlace } from './packaging/segment.ts';
import { renderMasterPlaylist } from './playlist.ts';
import type { FoundMedia, HlsForm, HlsTrack, MediaPlaylistRequest, MediaTarget, PlaylistPosition } from './position.ts';
import type { ClipFeed } from './preloader/clip-feed.ts';
import type { SegmentArchive } from './segment-archive.ts';
import { createMuxer } from './segment-muxer.ts';
import { SegmentWindow } from './segment-window.ts';

/** A segment may take this part of the memory of its stream before it is cut by force. */
const SEGMENT_SHARE = 1 / 4;

export type { HlsPackagerDeps, HlsPackagerOptions } from './packager-deps.ts';

/**
 * Cuts one stream into segments, and these into parts, and renders its playlists. Reads the stream like any viewer; muxes
 * each part once, whatever the number of viewers.
 */
export class HlsPackager {
  readonly stream: Stream;
  readonly form: HlsForm;
  readonly window: SegmentWindow;
  readonly archive: SegmentArchive | undefined;
  /** True when its playlists can be waited for and may have parts (RFC 8216bis §6.2.5.2). */
  readonly lowLatency: boolean;
  readonly #log: Log;
  readonly #counters: Counters;
  readonly #options: HlsPackagerOptions;
  readonly #leftOut: () => LeftOut;
  readonly #wallMs: () => number;
  readonly #cutter: SegmentCutter;
  readonly #parts: PartRule | undefined;
  readonly #assembly: Assembly;
  readonly #availability: Availability;
  readonly #carriage: Carriage;
  readonly #timeline: SegmentTimeline | undefined;
  readonly #leader: Leader | undefined;
  readonly #progress = new Progress();
  readonly #manifest: ManifestRenderer;
  readonly #renderers = new Map<HlsTrack, PlaylistRenderer>();
  #reader: Reader | undefined;
  /** Listed until there is a segment. */
  #clip: ClipFeed | undefined;
  /** Read, but it is not known yet to which segment it belongs. */
  #undecided: StreamEntry | undefined;
  #following: Disposable | undefined;
  /** Of the segment that is being cut. */
  #place: SegmentPlace | undefined;
  /** Wall time of media time zero in the present epoch; undefined before its first packet. */
  #anchor: { readonly epoch: number; readonly zeroMs: number } | undefined;
  readonly #keyFrames = new KeyFrameRetry();
  #failed = false;
  #toldOfParts = false;
  #ended = false;
  /** Changes whenever the playlists do. */
  #version = 0;

  /** `before` is that of an earlier publication of the same name: numbers go on, with a discontinuity. */
  constructor(deps: HlsPackagerDeps, options: HlsPackagerOptions, before?: HlsPackager) {
    this.stream = deps.stream;
    this.form = deps.form ?? 'muxed';
    this.#timeline = deps.timeline;
    this.#leader = deps.follows;
    this.archive = before?.archive ?? deps.archive;
    this.lowLatency = options.lowLatency && options.container === 'fmp4';
    this.#log = deps.log.child({ stream: deps.stream.name });
    this.#counters = deps.counters;
    this.#options = options;
    this.#leftOut = () => deps.leftOut?.() ?? {};
    this.#wallMs = deps.wallMs ?? Date.now;
    this.window = before?.window ?? this.#createWindow();
    if (before !== undefined) this.window.restart();
    this.#carriage = new Carriage({
      container: options.container,
      onLeftOut: (message) => {
        this.#counters.count('hls_left_out_tracks');
        this.#log.warn({}, message);
      },
    });
    const partUs = options.partMs * 1000;
    this.#parts = this.lowLatency ? new PartRule(partUs, (before ?? this.#leader?.packager)?.partTargetUs) : undefined;
    this.#cutter = new SegmentCutter({
      container: options.container,
      segmentMinMs: options.segmentMinMs,
      maxSegmentMs: options.maxSegmentMs,
      maxSegmentBytes: options.maxBytes * SEGMENT_SHARE,
      parts: this.#parts,
      follows: this.#leader?.timeline,
      onBegin: (first, facts) => this.#begin(first, facts),
      onCut: (cut) => this.#add(cut),
      // Browsers that publish send hardly any by themselves; a source that can't be asked has its own rhythm.
      onKeyFrameWanted: () => this.#keyFrames.ask(this.stream),
    });
    this.#assembly = new Assembly({
      container: options.container,
      form: this.form,
      window: this.window,
      createMuxer: deps.createMuxer ?? createMuxer,
      placeOf: (cut) => this.#placeOf(cut),
      passed: (sequence) => this.#leader?.timeline.of(sequence)?.place,
      isAligned: this.#timeline !== undefined || this.#leader !== undefined,
      baseUs: () => this.#leader?.packager.baseUs,
    });
    this.#availability = new Availability({
      window: this.window,
      archived: this.archive !== undefined,
      partTargetUs: () => this.partTargetUs,
    });
    this.#manifest = new ManifestRenderer(deps.stream.name, this.window);
    for (const track of this.tracks) {
      this.#renderers.set(
        track,
        new PlaylistRenderer({
          window: this.window,
          container: options.container,
          track,
          prefix: filePrefix(deps.stream.name, track),
          lowLatency: this.lowLatency,
        }),
      );
    }
  }

  #createWindow(): SegmentWindow {
    const { listSize, lowLatencyListSize, maxBytes, segmentMinMs, dvrWindowMs } = this.#options;
    return new SegmentWindow({
      listSize: this.lowLatency ? lowLatencyListSize : listSize,
      maxBytes,
      segmentMinMs,
      windowMs: dvrWindowMs,
      // Seconds since 1970 grow faster than segments do, so a name never comes back with other content, even after
      // a restart of the server: segments are cached by browsers and proxies.
      firstSequence: Math.floor(this.#wallMs() / 1000),
      lowLatency: this.lowLatency,
      leader: this.#leader?.packager.window,
      archive: this.archive,
    });
  }

  /** The tracks that there are playlists of. */
  get tracks(): readonly HlsTrack[] {
    if (this.#leader !== undefined) return ['video'];
    return this.form === 'split' ? ['video', 'audio'] : ['main'];
  }

  /** True when there is a segment to play. */
  get ready(): boolean {
    return this.window.listed.length > 0;
  }

  /** True when a player that knows parts has something to play: parts of the first segment are enough for it. */
  get partsReady(): boolean {
    return this.ready || (this.partTargetUs !== undefined && (this.window.growing?.parts.length ?? 0) > 0);
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
    if (this.#progress.waiting > 0 && this.refusal !== undefined) this.#progress.wakeAll();
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
    return this.#assembly.tracks !== undefined && this.#assembly.tracks.video === undefined;
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
    this.#following = this.#leader?.timeline.onAdvance(() => {
      if (this.#undecided !== undefined) this.#drain();
    });
    this.#reader = this.stream.attach({
      startAt: 'oldest',
      onReadable: () => this.#drain(),
      onEnd: () => this.#end(),
    });
    this.#drain();
  }

  /**
   * Has the playlist list a clip for as long as the stream has nothing to list; a discontinuity follows then. False when it
   * has something already, or will have nothing.
   */
  preload(clip: ClipFeed): boolean {
    if (this.ready || this.window.growing !== undefined || this.#ended || this.#clip !== undefined) return false;
    this.#clip = clip;
    return true;
  }

  /** Lets the clip go on; false when there is none any more. */
  advanceClip(nowMs: number): boolean {
    if (this.#clip === undefined) return false;
    if (this.refusal !== undefined) this.#dropClip();
    else if (!this.#clip.advance(nowMs)) return true;
    this.#version++;
    this.#progress.advance();
    return this.#clip !== undefined;
  }

  /**
   * Calls `callback` once, when there is a segment (or a part of one, with `parts`) or there will be none (the stream ends,
   * or see `refusal`). Dispose of the result to forget it.
   */
  onceReady(callback: () => void, { parts } = { parts: false }): Disposable {
    const isDue = (): boolean => (parts ? this.partsReady : this.ready);
    return this.#progress.once(isDue, callback);
  }

  /** EXT-X-TARGETDURATION of the playlists, seconds. */
  get targetSeconds(): number {
    return this.window.targetSeconds;
  }

  /** Duration of a part at most, microseconds; undefined while its playlists have no parts. */
  get partTargetUs(): number | undefined {
    return this.#parts?.targetUs;
  }

  /** The same in milliseconds. */
  get partTargetMs(): number | undefined {
    return this.partTargetUs === undefined ? undefined : this.partTargetUs / 1000;
  }

  /** Why its playlists have no parts although they could, for people. */
  get partsNote(): string | undefined {
    return this.#parts?.note;
  }

  /** The newest segment or part that can be fetched; undefined while there is none. */
  position(): PlaylistPosition | undefined {
    return this.#availability.position();
  }

  /** The same as other playlists report it (RFC 8216bis §4.4.5.4): a complete segment by its last part. */
  reported(): PlaylistPosition | undefined {
    return this.#availability.reported();
  }

  /**
   * Calls `callback` once, when the playlist has that segment or part, or one after it, or nothing more will come; undefined
   * when that is so already. A part that its segment ended without counts as the first one of the next (RFC 8216bis
   * §6.2.5.2). Dispose of the result to forget it.
   */
  onceAvailable(msn: number, part: number | undefined, callback: () => void): Disposable | undefined {
    const has = (): boolean => this.#availability.has(msn, part);
    return this.#ended || has() ? undefined : this.#progress.once(has, callback);
  }

  /** True when nobody who reads the playlists would ask for that yet: 400 (RFC 8216bis §6.2.5.2). */
  farAhead(msn: number, part: number | undefined): boolean {
    return this.#availability.farAhead(msn, part);
  }

  /** What can be fetched; see {@link FoundMedia}. */
  media(target: MediaTarget): FoundMedia {
    return this.#availability.media(target, this.#ended);
  }

  /** The bytes of a segment that `media` found to be `archived`; undefined when they are not kept any more. */
  async readArchived({ msn, track }: MediaTarget): Promise<Uint8Array | undefined> {
    return await this.archive?.read(msn, track);
  }

  /** The media playlist of a track, as its kind of container has it; empty for a track that is not of this form. */
  mediaPlaylist(request: MediaPlaylistRequest): string {
    const renderer = this.#renderers.get(request.track ?? 'main');
    const state = { version: this.#version, partTargetUs: this.partTargetUs, ended: this.#ended };
    return renderer?.render(request, state) ?? '';
  }

  /** Stream time that is zero in its files, microseconds; undefined before the first one. */
  get baseUs(): number | undefined {
    return this.#assembly.baseUs;
  }

  /** What is in its files by now: for master playlists and manifests. */
  get content(): PackagedContent {
    const { tracks, pictureSize } = this.#assembly;
    return contentOf(this.window, tracks ?? this.#clip?.tracks, pictureSize);
  }

  /** The master playlist, with bandwidths measured over the listed segments. */
  masterPlaylist(query: string): string {
    const { video, audio, size, peakBandwidth, averageBandwidth } = this.content;
    const codecs = [video, audio].filter((codec) => codec !== undefined);
    return renderMasterPlaylist({ streamName: this.stream.name, codecs, peakBandwidth, averageBandwidth, size, query });
  }

  /**
   * The dynamic DASH manifest, with `query` on each URI; of the form `split` alone. It tells the time of the server, so it is
   * to be rendered for each request.
   */
  mpd(query: string): string {
    const { content, partTargetUs } = this;
    return this.#manifest.render({ content, partTargetUs, ended: this.#ended, nowMs: this.#wallMs(), query });
  }

  /** Stops cutting and lets go of all segments. Idempotent. */
  close(): void {
    this.#reader?.close();
    this.#following?.[Symbol.dispose]();
    this.#timeline?.end();
    this.#clip = undefined;
    this.#ended = true;
    this.#version++;
    this.#progress.wakeAll();
    this.window.clear();
  }

  #drain(): void {
    for (let entry = this.#take(); entry !== undefined; entry = this.#take()) {
      const { state, packet } = entry;
      if (state.epoch !== this.#anchor?.epoch) this.#setAnchor(state.epoch, packet.ptsUs);
      this.#cutter.push(entry);
      this.#carriage.observe(entry);
      if (packet.track.kind === 'video') this.#timeline?.advance(state.epoch, packet.ptsUs);
    }
    if (this.refusal !== undefined) this.#progress.wakeAll();
  }

  /** The next packet; who follows another one takes none before that has decided where it belongs. */
  #take(): StreamEntry | undefined {
    const entry = this.#undecided ?? this.#reader?.read();
    const isDue =
      entry === undefined || (this.#leader?.timeline.isKnown(entry.state.epoch, entry.packet.ptsUs) ?? true);
    this.#undecided = isDue ? undefined : entry;
    return isDue ? entry : undefined;
  }

  #begin({ ptsUs }: MediaPacket, { epoch, discontinuity }: { epoch: number; discontinuity: boolean }): void {
    const programDateMs = (this.#anchor?.zeroMs ?? this.#wallMs()) + ptsUs / 1000;
    this.#place = this.window.nextPlace({ discontinuity, programDateMs });
    this.#timeline?.begin({ epoch, startUs: ptsUs, place: this.#place });
  }

  #placeOf({ epoch, startUs, discontinuity }: Cut): SegmentPlace {
    const place = this.#leader?.timeline.at(epoch, startUs)?.place ?? this.#place;
    return place ?? this.window.nextPlace({ discontinuity, programDateMs: this.#wallMs() });
  }

  /** A packet from the cache arrived as long ago as the stream has gone on since. */
  #setAnchor(epoch: number, ptsUs: number): void {
    const ageUs = Math.max(0, this.stream.lastDtsUs - ptsUs);
    this.#anchor = { epoch, zeroMs: this.#wallMs() - (ageUs + ptsUs) / 1000 };
  }

  #add(cut: Cut): void {
    this.#endClip();
    try {
      if (this.#assembly.add(cut)) this.#counters.count('hls_segments');
      this.#failed = false;
    } catch (error) {
      this.#counters.count('media_errors', cut.packets.length);
      if (!this.#failed) this.#log.warn({ error: String(error) }, 'hls segment left out, its media is broken');
      this.#failed = true;
    }
    this.#tellOfParts();
    this.#version++;
    this.#progress.advance();
  }

  /** What comes now follows the clip. */
  #endClip(): void {
    if (this.#clip === undefined) return;
    this.#clip = undefined;
    const programDateMs = this.#place?.programDateMs ?? this.#wallMs();
    this.#place = this.window.nextPlace({ discontinuity: true, programDateMs });
  }

  /** Nothing follows the clip, so that there is nothing to play. */
  #dropClip(): void {
    this.#clip = undefined;
    this.window.clear();
  }

  #tellOfParts(): void {
    const note = this.partsNote;
    if (note === undefined || this.#toldOfParts) return;
    this.#toldOfParts = true;
    this.#log.warn({}, `${note}: its playlists have no parts`);
  }

  #end(): void {
    if (this.#ended) return;
    this.#following?.[Symbol.dispose]();
    this.#cutter.end();
    this.#timeline?.end();
    if (this.#clip !== undefined) this.#dropClip();
    this.#ended = true;
    this.#version++;
    this.#progress.wakeAll();
  }
}
