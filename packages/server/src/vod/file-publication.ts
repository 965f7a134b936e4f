import { randomUUID } from 'node:crypto';
import {
  type Counters,
  END_OF_FILE,
  ENDING_INFO,
  type FileStream,
  type Log,
  type MediaServerError,
  type MediaSession,
  type PublicationToRecord,
  type Publisher,
  type SessionDescription,
  type SessionRegistry,
  Stream,
  type StreamRegistry,
} from '../core/index.ts';
import type { Ticker } from '../io/index.ts';
import type { MediaFile } from './media-file.ts';
import { ReadAhead } from './read-ahead.ts';

export interface VodDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly log: Log;
  readonly counters: Counters;
  readonly ticker: Ticker;
}

/**
 * `live`: a stream of the registry, the same for all; it begins at once. `personal`: a stream for one viewer, which
 * begins when that one is ready and ends when it is gone.
 */
export type Audience = 'live' | 'personal';

export interface FilePlayOptions {
  readonly streamName: string;
  /** `vod://…` or `vod-live://…`; for the server's own files whatever names them. */
  readonly uri: string;
  readonly audience: Audience;
  readonly startUs: number;
  readonly loop: boolean;
  /** Of `live`: it ends when nobody has watched for this long; undefined: never. Milliseconds. */
  readonly idleTimeoutMs: number | undefined;
  /** How much of the file is read ahead, milliseconds. */
  readonly readAheadMs: number;
}

/** The process may have slept, or the storage been slow: what is due is then sent on from here, not in one burst. */
const MAX_LATE_MS = 1000;
/** Packets of a file that wait in memory at most, whatever its bit rate. */
const READ_AHEAD_BYTES = 4 * 1024 * 1024;
/** Between two rounds that reach the stream again: what it sent last was not an instant ago. */
const RESUME_GAP_US = 20_000;
/** A viewer that was given a stream and does not begin is not waited for longer. */
const FIRST_VIEWER_MS = 30_000;
/** Conversions and the buffers of players are behind: they get this long before they are told of the end. */
const END_LINGER_MS = 500;
/** A personal stream needs no past but what a slow viewer has not read yet. */
const PERSONAL_STREAM = { gopCacheMaxMs: 10_000, gopCacheMaxBytes: 16 * 1024 * 1024 };

/** A file that plays as a stream, at the speed of its clock. */
export class FilePublication implements Publisher, MediaSession {
  readonly sessionId: string;
  readonly mediaSessionId = randomUUID();
  readonly tracksComplete = true;
  readonly stream: Stream;
  readonly options: FilePlayOptions;
  /** Resolves after `close`, when everything is released. */
  readonly closed: Promise<void>;
  readonly #deps: VodDeps;
  readonly #file: MediaFile;
  readonly #ahead: ReadAhead;
  readonly #createdAt = Date.now();
  readonly #registration: Disposable;
  readonly #tick: Disposable;
  #onClosed: () => void = () => {};
  #bytes = 0;
  #packets = 0;
  #positionUs: number;
  /** Time of the ticker at which the stream's time was 0; undefined until it begins. */
  #startMs: number | undefined;
  #watchedMs = performance.now();
  #wasWatched = false;
  #over = false;

  /**
   * Begins to publish, or to wait for the viewer. The file is its own from then on, whatever becomes of it.
   * @throws MediaServerError FILE_INVALID, FILE_UNREADABLE, and what `StreamRegistry.publish` throws
   */
  static async start(deps: VodDeps, file: MediaFile, options: FilePlayOptions): Promise<FilePublication> {
    const { streamName, startUs: fromUs, loop, readAheadMs: maxMs } = options;
    // Readers that waited for the name to be published again go on after what they have.
    const lastUs = options.audience === 'live' ? (deps.streams.get(streamName)?.lastDtsUs ?? 0) : 0;
    const baseUs = lastUs > 0 ? lastUs + RESUME_GAP_US : 0;
    const ahead = new ReadAhead(file, { fromUs, loop, maxMs, baseUs, maxBytes: READ_AHEAD_BYTES });
    try {
      await ahead.start();
      return new FilePublication(deps, { file, ahead, baseUs }, options);
    } catch (error) {
      ahead.close();
      await file.close();
      throw error;
    }
  }

  private constructor(
    deps: VodDeps,
    { file, ahead, baseUs }: { readonly file: MediaFile; readonly ahead: ReadAhead; readonly baseUs: number },
    options: FilePlayOptions,
  ) {
    this.#deps = deps;
    this.#file = file;
    this.#ahead = ahead;
    this.options = options;
    this.sessionId = `vod/${this.mediaSessionId}`;
    this.#positionUs = ahead.peek()?.fileUs ?? 0;
    this.stream = this.#newStream();
    for (const track of file.tracks) this.stream.setTrack(track);
    this.#registration = deps.sessions.add(this);
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    if (options.audience === 'live') this.#startMs = performance.now() - baseUs / 1000;
    this.#tick = deps.ticker.on((nowMs) => this.#onTick(nowMs));
  }

  /** A stream for one viewer is a copy of a file, and nobody else's to record. */
  get recording(): PublicationToRecord | undefined {
    if (this.options.audience === 'personal') return undefined;
    return { mediaSessionId: this.mediaSessionId, login: 'vod', appKey: 'defaultApp', wanted: false };
  }

  describe(): SessionDescription {
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: 'defaultApp',
      protocol: 'vod',
      mediaProvider: 'VOD',
      mediaType: 'publish',
      streamName: this.options.streamName,
      status: this.#over ? 'STOPPED' : this.#startMs === undefined ? 'PENDING' : 'PUBLISHING',
      createDate: this.#createdAt,
      transport: 'TCP',
      remoteAddress: '',
      bytesIn: this.#bytes,
      bytesOut: 0,
      packets: this.#packets,
      queuedBytes: 0,
      drops: {},
      custom: {},
    };
  }

  /** Where it is, for REST. */
  facts(): FileStream {
    const { streamName, uri, loop } = this.options;
    const { video, audio } = this.stream.state;
    return {
      mediaSessionId: this.mediaSessionId,
      streamName,
      uri,
      hasVideo: video !== undefined,
      hasAudio: audio !== undefined,
      loop,
      positionMs: Math.max(0, Math.round(this.#positionUs / 1000)),
      durationMs: Math.round(this.#file.durationUs / 1000),
    };
  }

  /** The one who watches a personal stream can take it from now on. */
  viewerReady(): void {
    this.#startMs ??= performance.now();
  }

  /** Ends the stream for all who watch it. Idempotent; `closed` resolves when the file is closed as well. */
  close(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#tick[Symbol.dispose]();
    this.#registration[Symbol.dispose]();
    this.#ahead.close();
    this.#endStream(reason);
    const { streamName, audience } = this.options;
    this.#deps.log.info({ stream: streamName, audience, reason, packets: this.#packets }, 'file played');
    void this.#file.close().then(this.#onClosed);
  }

  #newStream(): Stream {
    const { streamName, audience } = this.options;
    if (audience === 'live') return this.#deps.streams.publish(streamName, this);
    const stream = new Stream(streamName, PERSONAL_STREAM);
    stream.attachPublisher(this);
    return stream;
  }

  #endStream(reason: string): void {
    // Nobody waits whether a file comes back, as for a publisher.
    if (this.options.audience === 'live') return this.#deps.streams.end(this.stream, reason);
    this.stream.detachPublisher(this);
    this.stream.end(reason);
  }

  #onTick(nowMs: number): void {
    this.#checkViewers(nowMs);
    if (this.#over || this.#startMs === undefined) return;
    for (let next = this.#ahead.peek(); next !== undefined; next = this.#ahead.peek()) {
      const { packet, fileUs } = next;
      const lateMs = nowMs - this.#startMs - packet.dtsUs / 1000;
      if (lateMs < 0) return;
      if (lateMs > MAX_LATE_MS) this.#startMs += lateMs;
      this.#ahead.take();
      this.#packets++;
      this.#bytes += packet.byteLength;
      this.#positionUs = fileUs;
      this.stream.publish(packet);
      // A reader may have ended it.
      if (this.#over) return;
    }
    const { failure } = this.#ahead;
    if (failure !== undefined) this.#fail(failure);
    else if (this.#ahead.finished && nowMs - this.#startMs > this.#ahead.endUs / 1000 + END_LINGER_MS)
      this.close(END_OF_FILE);
  }

  #fail(failure: MediaServerError): void {
    this.#deps.counters.count('vod_bad_files');
    this.#deps.log.warn({ stream: this.options.streamName, reason: failure.message }, 'file can not be played on');
    this.close(failure.code === 'FILE_UNREADABLE' ? ENDING_INFO.unreadableFile : ENDING_INFO.brokenFile);
  }

  #checkViewers(nowMs: number): void {
    const { audience, idleTimeoutMs } = this.options;
    // Not readers: what packages or converts the stream outlives its viewers.
    if (this.stream.viewers > 0) {
      this.#wasWatched = true;
      this.#watchedMs = nowMs;
      return;
    }
    const waitMs = audience === 'personal' ? 0 : idleTimeoutMs;
    if (waitMs === undefined) return;
    const patienceMs = this.#wasWatched ? waitMs : Math.max(waitMs, FIRST_VIEWER_MS);
    if (nowMs - this.#watchedMs > patienceMs) this.close('nobody watches');
  }
}
