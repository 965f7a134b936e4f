import { aacCodecString, avcCodecString, videoSize } from '@sluice/media';
import { SegmentCutter } from './cutter.js';
import { renderMasterPlaylist, renderMediaPlaylist } from './playlist.js';
import { createMuxer } from './segment-muxer.js';
import { SegmentWindow } from './segment-window.js';

/** A segment may take this part of the memory of its stream before it is cut by force. */
const SEGMENT_SHARE = 1 / 4;
/**
 * Cuts one stream into segments and renders its playlists. Reads the stream like any viewer; muxes each segment
 * once, whatever the number of viewers.
 */
export class HlsPackager {
  stream;
  window;
  #log;
  #counters;
  #options;
  #wallMs;
  #createMuxer;
  #cutter;
  #waiters = new Set();
  #reader;
  #muxer;
  #initNumber;
  #tracks;
  /** Wall time of media time zero in the present epoch; undefined before its first packet. */
  #anchor;
  #baseUs;
  #failed = false;
  #ended = false;
  /** `window` is that of an earlier publication of the same name: numbers go on, with a discontinuity. */
  constructor(deps, options, window) {
    this.stream = deps.stream;
    this.#log = deps.log.child({ stream: deps.stream.name });
    this.#counters = deps.counters;
    this.#options = options;
    this.#wallMs = deps.wallMs ?? Date.now;
    this.#createMuxer = deps.createMuxer ?? createMuxer;
    // Seconds since 1970 grow faster than segments do, so a name never comes back with other content, even after
    // a restart of the server: segments are cached by browsers and proxies.
    const firstSequence = Math.floor(this.#wallMs() / 1000);
    this.window = window ?? new SegmentWindow({ ...options, firstSequence });
    window?.restart();
    this.#cutter = new SegmentCutter({
      segmentMinMs: options.segmentMinMs,
      maxSegmentMs: options.maxSegmentMs,
      maxSegmentBytes: options.maxBytes * SEGMENT_SHARE,
      onCut: (cut) => this.#add(cut),
    });
  }
  /** True when there is a segment to play. */
  get ready() {
    return this.window.listed.length > 0;
  }
  /** True when no segment will follow. */
  get ended() {
    return this.#ended;
  }
  /** True when the present configuration has no picture. */
  get audioOnly() {
    return this.#tracks !== undefined && this.#tracks.video === undefined;
  }
  /**
   * Starts reading with all that the stream keeps: a player then finds several segments at once, which it needs to
   * play without a stall from the first picture on.
   */
  start() {
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
  /** Calls `callback` once, when there is a segment or there will never be one. Dispose of the result to forget it. */
  onceReady(callback) {
    this.#waiters.add(callback);
    return { [Symbol.dispose]: () => void this.#waiters.delete(callback) };
  }
  /** The media playlist, with `query` on each URI. */
  mediaPlaylist(query) {
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
  masterPlaylist(query) {
    const segments = this.window.listed;
    const video = this.#tracks?.video;
    const { peakBandwidth, averageBandwidth } = bandwidths(segments);
    return renderMasterPlaylist({
      streamName: this.stream.name,
      codecs: [codecString(video), codecString(this.#tracks?.audio)].filter((c) => c !== undefined),
      peakBandwidth,
      averageBandwidth,
      size: video && videoSize(video),
      query,
    });
  }
  /** Stops cutting and lets go of all segments. Idempotent. */
  close() {
    this.#reader?.close();
    this.#ended = true;
    this.#wake();
    this.window.clear();
  }
  #drain() {
    for (let entry = this.#reader?.read(); entry !== undefined; entry = this.#reader?.read()) {
      // Before the new anchor is set: the first packet of an epoch ends the last segment of the one before.
      this.#cutter.push(entry);
      if (entry.state.epoch !== this.#anchor?.epoch) this.#setAnchor(entry.state.epoch, entry.packet.ptsUs);
    }
  }
  /** A packet from the cache arrived as long ago as the stream has gone on since. */
  #setAnchor(epoch, ptsUs) {
    const ageUs = Math.max(0, this.stream.lastDtsUs - ptsUs);
    this.#anchor = { epoch, zeroMs: this.#wallMs() - (ageUs + ptsUs) / 1000 };
  }
  #add(cut) {
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
  #mux(cut) {
    const discontinuity = cut.discontinuity || this.#failed;
    if (this.#muxer?.accepts(cut.tracks) !== true) {
      const firstUs = Math.min(...[cut.video[0], cut.audio[0]].map((s) => s?.packet.dtsUs ?? 0));
      // Times in a file can't be negative; the second is room for the other track (see MediaSegmentOptions.baseUs).
      this.#baseUs ??= firstUs < 0 ? firstUs - 1_000_000 : 0;
      this.#muxer = this.#createMuxer(this.#options.container, cut.tracks, this.#baseUs);
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
  #end() {
    if (this.#ended) return;
    this.#cutter.end();
    this.#ended = true;
    this.#wake();
  }
  #wake() {
    if (this.#waiters.size === 0) return;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter();
  }
}
function codecString(track) {
  if (track === undefined) return undefined;
  const asc = track.parameters[0];
  if (track.kind === 'video') return avcCodecString(track.parameters);
  return asc && aacCodecString(asc);
}
function bandwidths(segments) {
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
//# sourceMappingURL=packager.js.map
