import {
  type AmfValue,
  codecTitle,
  encodeEcmaArray,
  FlvAudioReader,
  type FlvFrame,
  FlvVideoReader,
  type MediaPacket,
  ProtocolError,
  sameParameters,
  type Track,
  UnsupportedCodecError,
  withMaxDecFrameBuffering,
} from '@sluice/media';
import { type Counters, type Stream, type StreamMetadata, Timeline, Unwrapper32 } from '../../core/index.ts';
import type { PublishMedia } from './options.ts';

const VIDEO_TRACK_ID = 0;
const AUDIO_TRACK_ID = 1;
/** A broken frame is dropped; this many in a row mean that the source is broken. */
const MAX_ERRORS_IN_A_ROW = 100;
/** No codec makes more of one packet of sound. */
const MAX_AUDIO_BYTES = 64 * 1024;
/** NAL unit type of an SPS, H.264 §7.4.1. */
const NAL_SPS = 7;

export interface RtmpToStreamOptions {
  readonly counters: Counters;
  readonly media: PublishMedia;
  /** See {@link withMaxDecFrameBuffering}; -1 leaves the SPS as it is. */
  readonly maxDecFrameBuffering: number;
  /**
   * Packets reach the stream later than they come (in-buffer): a track that replaces another one is then declared by
   * its first packet only, not while packets of the earlier one are on their way.
   */
  readonly delayed: boolean;
  /** Takes each packet on its way to the stream. Its units lie in memory that is written again after the call. */
  emit(packet: MediaPacket): void;
}

/** Converts one publisher's RTMP messages to packets of a stream. */
export class RtmpToStream {
  readonly counts = { packets: { audio: 0, video: 0 }, broken: 0, notCarried: 0 };
  readonly #stream: Stream;
  readonly #options: RtmpToStreamOptions;
  readonly #timeline: Timeline;
  readonly #clock = new Unwrapper32();
  readonly #videoReader = new FlvVideoReader(VIDEO_TRACK_ID);
  readonly #audioReader = new FlvAudioReader(AUDIO_TRACK_ID);
  /** The readers' tracks, as they go into the stream. */
  #video: { readonly read: Track; readonly sent: Track } | undefined;
  #audio: Track | undefined;
  #lastVideoDtsUs = -1;
  #lastAudioDtsUs = -1;
  /** The metadata as players get it, to see when it changes. */
  #metadata: Uint8Array | undefined;
  #errors = 0;

  constructor(stream: Stream, options: RtmpToStreamOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#timeline = new Timeline(stream.lastDtsUs);
  }

  /** A video message's body. @throws UnsupportedCodecError, or ProtocolError when nothing but broken frames come */
  video(body: Uint8Array, timestamp: number): void {
    if (body.length === 0) return;
    if (this.#options.media.video.size === 0) return void this.counts.notCarried++;
    this.#take(body, timestamp, true);
  }

  /** An audio message's body. @throws like `video` */
  audio(body: Uint8Array, timestamp: number): void {
    if (body.length === 0) return;
    if (this.#options.media.audio.size === 0) return void this.counts.notCarried++;
    this.#take(body, timestamp, false);
  }

  /** A data message: onMetaData is kept for the players, the rest is left alone. */
  data(values: readonly AmfValue[]): void {
    const named = values[0] === '@setDataFrame' ? values.slice(1) : values;
    const metadata = named[1];
    if (named[0] !== 'onMetaData' || typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
      return;
    try {
      // What can't be written to players is refused here, where it hurts only its publisher.
      const encoded = encodeEcmaArray(metadata);
      this.#errors = 0;
      if (this.#metadata !== undefined && sameParameters([this.#metadata], [encoded])) return;
      this.#metadata = encoded;
      this.#stream.setMetadata(metadata as StreamMetadata, encoded.length);
    } catch (error) {
      this.#onBroken(error);
    }
  }

  /** Hot path: makes a packet of a message's body; a broken one is counted and dropped, the stream goes on. */
  #take(body: Uint8Array, timestamp: number, isVideo: boolean): void {
    try {
      if (isVideo) this.#takeVideo(body, timestamp);
      else this.#takeAudio(body, timestamp);
      this.#errors = 0;
    } catch (error) {
      this.#onBroken(error);
    }
  }

  #takeVideo(body: Uint8Array, timestamp: number): void {
    const unit = this.#videoReader.read(body);
    const track = this.#videoTrack();
    if (unit === undefined || track === undefined || unit.units.length === 0) return;
    const dtsUs = Math.max(this.#time(timestamp, VIDEO_TRACK_ID), this.#lastVideoDtsUs);
    this.#lastVideoDtsUs = dtsUs;
    this.counts.packets.video++;
    this.#emit(track, unit, dtsUs);
  }

  #takeAudio(body: Uint8Array, timestamp: number): void {
    if (body.length > MAX_AUDIO_BYTES)
      throw new ProtocolError('RTMP_AUDIO_TOO_LONG', `${body.length} bytes in one audio message`);
    const unit = this.#audioReader.read(body);
    const track = this.#audioTrack();
    if (unit === undefined || track === undefined) return;
    const dtsUs = Math.max(this.#time(timestamp, AUDIO_TRACK_ID), this.#lastAudioDtsUs);
    this.#lastAudioDtsUs = dtsUs;
    this.counts.packets.audio++;
    this.#emit(track, unit, dtsUs);
  }

  /** The video track of this moment; a new one is declared, so that players know it before its first picture. */
  #videoTrack(): Track | undefined {
    const read = this.#videoReader.track;
    if (read === undefined || read === this.#video?.read) return this.#video?.sent;
    if (read.kind === 'video') this.#refuseUnlessAllowed(read);
    this.#video = { read, sent: this.#rewritten(read) };
    this.#declare(this.#video.sent);
    return this.#video.sent;
  }

  #audioTrack(): Track | undefined {
    const read = this.#audioReader.track;
    if (read === undefined || read === this.#audio) return this.#audio;
    this.#refuseUnlessAllowed(read);
    this.#audio = read;
    this.#declare(read);
    return read;
  }

  #declare(track: Track): void {
    if (this.#options.delayed && this.#stream.state[track.kind] !== undefined) return;
    this.#stream.setTrack(track);
  }

  #refuseUnlessAllowed(track: Track): void {
    const { video, audio } = this.#options.media;
    const allowed: ReadonlySet<string> = track.kind === 'video' ? video : audio;
    if (!allowed.has(track.codec)) throw new UnsupportedCodecError(track.kind, codecTitle(track.codec));
  }

  #rewritten(track: Track): Track {
    const { maxDecFrameBuffering } = this.#options;
    if (track.codec !== 'h264' || maxDecFrameBuffering < 0) return track;
    const parameters = track.parameters.map((unit) =>
      ((unit[0] ?? 0) & 0x1f) === NAL_SPS ? withMaxDecFrameBuffering(unit, maxDecFrameBuffering) : unit,
    );
    return { ...track, parameters };
  }

  #time(timestamp: number, trackId: number): number {
    const breaks = this.#timeline.breaks;
    const time = this.#timeline.map(this.#clock.unwrap(timestamp) * 1000, trackId);
    if (this.#timeline.breaks > breaks) this.#options.counters.count('source_clock_breaks');
    return time;
  }

  #emit(track: Track, { units, compositionUs, key }: FlvFrame, dtsUs: number): void {
    let byteLength = 0;
    for (const unit of units) byteLength += unit.length;
    const ptsUs = track.kind === 'video' ? dtsUs + compositionUs : dtsUs;
    this.#options.emit({ track, units, ptsUs, dtsUs, key, byteLength });
  }

  /** A broken frame is dropped, unless nothing else comes. */
  #onBroken(error: unknown): void {
    if (!(error instanceof ProtocolError) || ++this.#errors >= MAX_ERRORS_IN_A_ROW) throw error;
    this.counts.broken++;
    this.#options.counters.count('media_errors');
  }
}
