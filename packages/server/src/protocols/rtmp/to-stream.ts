import {
  type AmfValue,
  aacTrack,
  canonicalUnits,
  encodeEcmaArray,
  h264Track,
  type MediaPacket,
  ProtocolError,
  parseAacConfig,
  parseAudioTag,
  parseAvcConfig,
  parseVideoTag,
  sameParameters,
  splitAvcc,
  type Track,
  writeAvcConfig,
} from '@sluice/media';
import { type Counters, type Stream, type StreamMetadata, Timeline, Unwrapper32 } from '../../core/index.ts';

const VIDEO_TRACK_ID = 0;
const AUDIO_TRACK_ID = 1;
/** Frame type of "video info/command frame" (Adobe FLV E.4.3.1). */
const COMMAND_FRAME = 5;
/** Bytes of a message that a kept unit may hold on to without being part of it. */
const MAX_WASTE_BYTES = 1024;
/** A broken frame is dropped; this many in a row mean that the source is broken. */
const MAX_ERRORS_IN_A_ROW = 100;

/** Thrown when a publisher sends a codec that RTMP publishing does not take; names it. */
export class UnsupportedCodec extends Error {
  constructor(kind: 'video' | 'audio', name: string) {
    super(`${kind} codec ${name} is not supported, use ${kind === 'video' ? 'H.264' : 'AAC'}`);
    this.name = 'UnsupportedCodec';
  }
}

/** Converts one publisher's RTMP messages to packets of a stream. Payloads are taken over, not copied. */
export class RtmpToStream {
  readonly #stream: Stream;
  readonly #counters: Counters;
  readonly #timeline: Timeline;
  readonly #clock = new Unwrapper32();
  #video: Track | undefined;
  #audio: Track | undefined;
  #lengthSize: 1 | 2 | 4 = 4;
  #lastVideoDtsUs = -1;
  #lastAudioDtsUs = -1;
  #errors = 0;

  constructor(stream: Stream, counters: Counters) {
    this.#stream = stream;
    this.#counters = counters;
    this.#timeline = new Timeline(stream.lastDtsUs);
  }

  /** A video message's body. @throws UnsupportedCodec, or ProtocolError when nothing but broken frames come */
  video(body: Uint8Array, timestamp: number): void {
    if (body.length === 0) return;
    this.#guard(() => this.#video_(body, timestamp));
  }

  /** An audio message's body. @throws like `video` */
  audio(body: Uint8Array, timestamp: number): void {
    if (body.length === 0) return;
    this.#guard(() => this.#audio_(body, timestamp));
  }

  /** A data message: onMetaData is kept for the players, the rest is left alone. */
  data(values: readonly AmfValue[]): void {
    const named = values[0] === '@setDataFrame' ? values.slice(1) : values;
    const metadata = named[1];
    if (named[0] !== 'onMetaData' || typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
      return;
    this.#guard(() => {
      // What can't be written to players is refused here, where it hurts only its publisher.
      encodeEcmaArray(metadata);
      this.#stream.setMetadata(metadata as StreamMetadata);
    });
  }

  #video_(body: Uint8Array, timestamp: number): void {
    const tag = parseVideoTag(body);
    switch (tag.kind) {
      case 'config': {
        const config = parseAvcConfig(tag.data);
        this.#lengthSize = config.lengthSize;
        this.#setVideo([...config.sps, ...config.pps]);
        return;
      }
      case 'frame':
        return this.#frame(tag.data, { timestamp, compositionMs: tag.compositionMs, key: tag.key });
      case 'end':
        return;
      case 'other':
        // A command frame (a server-side seek) carries no picture, whatever its codec says.
        if (tag.frameType === COMMAND_FRAME) return;
        throw new UnsupportedCodec('video', tag.name);
    }
  }

  #frame(data: Uint8Array, time: { timestamp: number; compositionMs: number; key: boolean }): void {
    const { units, key, parameters } = canonicalUnits(splitAvcc(data, this.#lengthSize));
    if (parameters.length > 0) this.#setVideo(parameters.map((unit) => unit.slice()));
    // Without its parameter sets nobody can decode the frame.
    if (this.#video === undefined || units.length === 0) return;
    const owned = ownedUnits(units, data.length);
    const dtsUs = Math.max(this.#time(time.timestamp), this.#lastVideoDtsUs);
    this.#lastVideoDtsUs = dtsUs;
    // An open GOP begins with a recovery point that is no IDR; its encoder marks it as a place to start.
    const start = key || time.key;
    this.#publish(this.#video, owned, { dtsUs, ptsUs: dtsUs + time.compositionMs * 1000, key: start });
  }

  #audio_(body: Uint8Array, timestamp: number): void {
    const tag = parseAudioTag(body);
    switch (tag.kind) {
      case 'config': {
        if (tag.data.length === 0) return;
        parseAacConfig(tag.data);
        if (this.#audio !== undefined && sameParameters(this.#audio.parameters, [tag.data])) return;
        this.#audio = aacTrack(AUDIO_TRACK_ID, tag.data.slice());
        this.#stream.setTrack(this.#audio);
        return;
      }
      case 'frame': {
        if (this.#audio === undefined || tag.data.length === 0) return;
        const dtsUs = Math.max(this.#time(timestamp), this.#lastAudioDtsUs);
        this.#lastAudioDtsUs = dtsUs;
        this.#publish(this.#audio, [tag.data], { dtsUs, ptsUs: dtsUs, key: true });
        return;
      }
      case 'other':
        throw new UnsupportedCodec('audio', tag.name);
    }
  }

  #setVideo(parameters: Uint8Array[]): void {
    // A frame may repeat only some parameter sets in-band: a set without SPS or PPS is not a configuration.
    const hasSps = parameters.some((unit) => ((unit[0] ?? 0) & 0x1f) === 7);
    const hasPps = parameters.some((unit) => ((unit[0] ?? 0) & 0x1f) === 8);
    if (!hasSps || !hasPps || (this.#video !== undefined && sameParameters(this.#video.parameters, parameters))) return;
    // Refused here, where it hurts only its publisher: every packager will have to write it.
    writeAvcConfig(parameters);
    this.#video = h264Track(VIDEO_TRACK_ID, parameters);
    this.#stream.setTrack(this.#video);
  }

  #time(timestamp: number): number {
    const breaks = this.#timeline.breaks;
    const time = this.#timeline.map(this.#clock.unwrap(timestamp) * 1000);
    if (this.#timeline.breaks > breaks) this.#counters.count('source_clock_breaks');
    return time;
  }

  #publish(track: Track, units: readonly Uint8Array[], time: { dtsUs: number; ptsUs: number; key: boolean }): void {
    let byteLength = 0;
    for (const unit of units) byteLength += unit.length;
    const packet: MediaPacket = { track, units, ptsUs: time.ptsUs, dtsUs: time.dtsUs, key: time.key, byteLength };
    this.#stream.publish(packet);
  }

  /** Runs a step; a broken frame is counted and dropped, the stream goes on. */
  #guard(step: () => void): void {
    try {
      step();
      this.#errors = 0;
    } catch (error) {
      if (!(error instanceof ProtocolError) || ++this.#errors >= MAX_ERRORS_IN_A_ROW) throw error;
      this.#counters.count('media_errors');
    }
  }
}

/** The units as they are, or copied where views into the message would hold on to much more than they show. */
function ownedUnits(units: readonly Uint8Array[], messageBytes: number): readonly Uint8Array[] {
  let bytes = 0;
  for (const unit of units) bytes += unit.length;
  return messageBytes - bytes > MAX_WASTE_BYTES + bytes ? units.map((unit) => unit.slice()) : units;
}
