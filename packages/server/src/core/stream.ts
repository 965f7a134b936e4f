import type { MediaPacket, Track } from '@sluice/media';
import { ArrivalMeter } from './arrival-meter.ts';
import type { StreamLayer } from './layers.ts';
import { Loudness } from './loudness.ts';
import { RateMeter } from './rate-meter.ts';
import { Reader, type ReaderOptions } from './reader.ts';
import type { PublicationToRecord } from './recording.ts';
import { AUDIO_LANE, RtpLane, type RtpLanes, VIDEO_LANE } from './rtp-lane.ts';
import { type StreamEntry, StreamLog } from './stream-log.ts';
import { StreamSignals } from './stream-signals.ts';

/** Free-form facts that an encoder sends about its stream (RTMP's onMetaData); passed on as they are. */
export type StreamMetadata = Readonly<Record<string, unknown>>;

/**
 * All that a decoder needs at a point of the stream. Replaced as a whole whenever a track or the metadata
 * changes, so comparing references tells whether a viewer must be sent new configuration.
 */
export interface StreamState {
  readonly video: Track | undefined;
  readonly audio: Track | undefined;
  readonly metadata: StreamMetadata | undefined;
  /** Counts source restarts: a packet with a higher epoch than the one before is discontinuous with it. */
  readonly epoch: number;
}

/** What source and server agreed on for one kind of media before anything of it came. */
export interface AgreedTrack {
  readonly kind: Track['kind'];
  readonly codec: Track['codec'];
}

/** What the hub asks of whoever feeds a stream. */
export interface Publisher {
  /** The session that publishes, as the session registry knows it. */
  readonly sessionId: string;
  /** What the recorder must know; absent for what is never recorded. Settled before the stream is published. */
  readonly recording?: PublicationToRecord | undefined;
  /** Ends the publication; the reason reaches the encoder and the log. */
  close(reason: string): void;
  /** Asks the source for a key frame. Absent when the protocol has no means for it (RTMP). */
  requestKeyFrame?(): void;
  /** True when all tracks are declared before the first packet: nobody need wait whether another one comes (files). */
  readonly tracksComplete?: boolean | undefined;
  /** The media that may be sent, where that is agreed on first (WebRTC): it is in these codecs when it comes, if ever. */
  readonly agreedTracks?: readonly AgreedTrack[] | undefined;
  /** For a source that waits for its only viewer (`vod://`): see {@link Stream.viewerReady}. */
  viewerReady?(): void;
  /** For a source that takes its time while nobody reads the stream: somebody does now. */
  watched?(): void;
}

export interface StreamOptions {
  readonly gopCacheMaxMs: number;
  readonly gopCacheMaxBytes: number;
}

export const DEFAULT_STREAM_OPTIONS: StreamOptions = { gopCacheMaxMs: 20_000, gopCacheMaxBytes: 32 * 1024 * 1024 };

/** Names and values as objects take about this many times what they take on the wire. */
const METADATA_COST = 4;

const EMPTY_STATE: StreamState = { video: undefined, audio: undefined, metadata: undefined, epoch: 0 };

/**
 * One live stream: packets of one publisher at a time, fanned out to any number of readers.
 *
 * The stream outlives its publisher while readers wait, so that a publisher that reconnects goes on for them.
 */
export class Stream {
  readonly name: string;
  readonly options: StreamOptions;
  readonly createdAt = Date.now();
  readonly videoRate = new RateMeter();
  readonly audioRate = new RateMeter();
  readonly arrivals = new ArrivalMeter();
  readonly log: StreamLog;
  /** RTP packets of publishers that speak it, for viewers that do: see RtpLane. */
  readonly rtp: RtpLanes = { video: new RtpLane(VIDEO_LANE), audio: new RtpLane(AUDIO_LANE) };
  readonly loudness = new Loudness();
  /** Words of the publisher to the viewers. */
  readonly signals: StreamSignals;
  #layers: readonly StreamLayer[] = [];
  #state: StreamState = EMPTY_STATE;
  /** Cost of what `#state` holds that no entry of the log has been charged with yet. */
  #stateBytes = 0;
  #publisher: Publisher | undefined;
  #readers: Reader[] = [];
  #viewers = 0;
  #publications = 0;
  #lastDtsUs = 0;
  #highestPtsUs = Number.NEGATIVE_INFINITY;
  #reordersVideo = false;
  #ended = false;

  /** `signals` are those of another stream that this one is made from. */
  constructor(name: string, options: StreamOptions = DEFAULT_STREAM_OPTIONS, signals = new StreamSignals()) {
    this.name = name;
    this.options = options;
    this.signals = signals;
    this.log = new StreamLog({ maxDurationMs: options.gopCacheMaxMs, maxBytes: options.gopCacheMaxBytes });
  }

  get state(): StreamState {
    return this.#state;
  }

  get publisher(): Publisher | undefined {
    return this.#publisher;
  }

  /**
   * The encodings that the publisher sends of its picture, best first; empty when it sends but one. The log and `rtp.video`
   * have the best of them that comes.
   */
  get layers(): readonly StreamLayer[] {
    return this.#layers;
  }

  /** For the publisher: which encodings there are. Replaces those before; nobody need be told. */
  setLayers(layers: readonly StreamLayer[]): void {
    this.#layers = layers;
  }

  /** True while a publisher is attached. */
  get live(): boolean {
    return this.#publisher !== undefined;
  }

  /** True when the source can be asked for a key frame. */
  get canRequestKeyFrame(): boolean {
    return this.#publisher?.requestKeyFrame !== undefined;
  }

  /** Asks the source for a key frame, if it has a means for it; it throttles requests itself. */
  requestKeyFrame(): void {
    this.#publisher?.requestKeyFrame?.();
  }

  /**
   * To be called by every viewer once media can flow to it: a source that plays to one viewer alone begins now, so that
   * the viewer misses nothing of its beginning. Other sources do not care.
   */
  viewerReady(): void {
    this.publisher?.viewerReady?.();
  }

  /** True after `end`: no more packets will ever come and readers have been told. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * True once a picture came that is shown before one that came earlier (B-frames), until the codec or the publisher
   * changes. A source that reorders is known by its second or third picture.
   */
  get reordersVideo(): boolean {
    return this.#reordersVideo;
  }

  /** Time of the newest packet, microseconds on the stream's timeline. */
  get lastDtsUs(): number {
    return this.#lastDtsUs;
  }

  get readerCount(): number {
    return this.#readers.length;
  }

  /** Readers that have a use for the picture. */
  get pictureReaderCount(): number {
    const readers = this.#readers;
    let count = 0;
    for (let i = 0; i < readers.length; i++) if (readers[i]?.withoutPicture === false) count++;
    return count;
  }

  /** People watching, over all protocols (a packager is one reader but may serve many viewers). */
  get viewers(): number {
    return this.#viewers;
  }

  addViewers(delta: number): void {
    this.#viewers += delta;
  }

  /** Makes `publisher` the source. The caller has checked that there is none (see StreamRegistry.publish). */
  attachPublisher(publisher: Publisher): void {
    this.#publisher = publisher;
    // What an earlier publisher declared says nothing about this one.
    if (this.#publications++ > 0) {
      this.restart(this.#state.epoch + 1);
      this.signals.reset();
    }
  }

  /** Forgets all tracks and packets, for another source. */
  protected restart(epoch: number): void {
    this.#state = { ...EMPTY_STATE, epoch };
    this.log.clear();
    this.rtp.video.reset();
    this.rtp.audio.reset();
    this.#layers = [];
    this.loudness.reset();
    this.#forgetOrder();
    for (const meter of [this.videoRate, this.audioRate, this.arrivals]) meter.restart();
  }

  /**
   * For a publisher whose source begins anew (a camera that came back): its tracks and packets are forgotten, viewers go
   * on with what comes, time goes on too.
   */
  beginAnew(): void {
    this.restart(this.#state.epoch + 1);
  }

  detachPublisher(publisher: Publisher): void {
    if (this.#publisher === publisher) this.#publisher = undefined;
  }

  /** Declares or replaces a track before its first packet, so that viewers know what will come. */
  setTrack(track: Track): void {
    for (const unit of track.parameters) this.#stateBytes += unit.length;
    if (track.kind === 'video' && track.codec !== this.#state.video?.codec) this.#forgetOrder();
    this.#state = track.kind === 'video' ? { ...this.#state, video: track } : { ...this.#state, audio: track };
  }

  /** Takes a track back: no packet of it will come for now. */
  protected removeTrack(kind: Track['kind']): void {
    this.#state = { ...this.#state, [kind]: undefined };
  }

  /** Replaces the metadata. `byteLength` is what it takes on the wire. */
  setMetadata(metadata: StreamMetadata, byteLength: number): void {
    this.#stateBytes += byteLength * METADATA_COST;
    this.#state = { ...this.#state, metadata };
  }

  /**
   * Hands a packet to every reader. Synchronous; a reader can't hurt the publisher.
   * Hot path: one allocation for the entry, whatever the number of readers.
   */
  publish(packet: MediaPacket): void {
    this.log.append(this.#entryOf(packet));
    this.#wake();
  }

  /**
   * The same for a packet whose units lie in memory that is written again: it is copied, and kept as bytes until somebody
   * reads it.
   */
  publishCopy(packet: MediaPacket): void {
    this.log.appendCopy(this.#entryOf(packet));
    this.#wake();
  }

  /** What the packet changes, and what is counted of it. */
  #entryOf(packet: MediaPacket): StreamEntry {
    const video = packet.track.kind === 'video';
    if ((video ? this.#state.video : this.#state.audio) !== packet.track) this.setTrack(packet.track);
    if (video) {
      if (packet.ptsUs > this.#highestPtsUs) this.#highestPtsUs = packet.ptsUs;
      else if (packet.ptsUs < this.#highestPtsUs) this.#reordersVideo = true;
    }
    const nowMs = performance.now();
    this.arrivals.count(nowMs);
    (video ? this.videoRate : this.audioRate).count(packet, nowMs);
    if (packet.dtsUs > this.#lastDtsUs) this.#lastDtsUs = packet.dtsUs;
    const byteLength = packet.byteLength + this.#stateBytes;
    this.#stateBytes = 0;
    const startPoint = packet.key && (video || this.#state.video === undefined);
    return { packet, state: this.#state, dtsUs: packet.dtsUs, byteLength, startPoint };
  }

  #wake(): void {
    const readers = this.#readers;
    for (let i = 0; i < readers.length; i++) readers[i]?.wake();
  }

  #forgetOrder(): void {
    this.#highestPtsUs = Number.NEGATIVE_INFINITY;
    this.#reordersVideo = false;
  }

  /** Attaches a reader; it is woken after each packet from now on and pulls at its own pace. */
  attach(options: ReaderOptions): Reader {
    const reader = new Reader(this, options, () => {
      this.#readers = this.#readers.filter((r) => r !== reader);
    });
    if (this.#readers.length === 0) this.#publisher?.watched?.();
    // Replaced, not mutated: a reader may attach or close while `publish` walks the list.
    this.#readers = [...this.#readers, reader];
    return reader;
  }

  /** Ends the stream for all readers. Idempotent. */
  end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const reader of this.#readers) reader.end(reason);
    this.#readers = [];
    this.#layers = [];
    this.log.clear();
    this.rtp.video.reset();
    this.rtp.audio.reset();
  }
}
