import { randomUUID } from 'node:crypto';
import { type MediaPacket, Mp4Reader, writeAvcConfig } from '@sluice/media';
import {
  type Log,
  MediaServerError,
  type MediaSession,
  type Publisher,
  type SessionDescription,
  type SessionRegistry,
  type Stream,
  type StreamRegistry,
  Timeline,
} from '../core/index.ts';
import type { Ticker } from '../io/index.ts';
import { FileSource } from './file-source.ts';

export interface VodDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly log: Log;
  readonly ticker: Ticker;
}

export interface VodLiveOptions {
  /** The name that the stream is published under. */
  readonly streamName: string;
  readonly path: string;
  /** Ends the publication when nobody has watched for this long; 0 keeps it for ever. Milliseconds. */
  readonly idleTimeoutMs: number;
}

/** The process may have slept: what is due is then sent on from here instead of in one burst. */
const MAX_LATE_MS = 1000;

/** A publisher that reads an MP4 file at the speed of its clock, over and over, as if it were live. */
export class VodLive implements Publisher, MediaSession {
  readonly sessionId: string;
  readonly mediaSessionId = randomUUID();
  readonly #deps: VodDeps;
  readonly #options: VodLiveOptions;
  readonly #source: FileSource;
  readonly #reader: Mp4Reader;
  readonly #createdAt = Date.now();
  readonly #stream: Stream;
  readonly #registration: Disposable;
  readonly #tick: Disposable;
  readonly #done: Promise<void>;
  #bytes = 0;
  #packets = 0;
  #closed = false;
  #dueMs = 0;
  #wake: (() => void) | undefined;
  #idleSinceMs = performance.now();

  /**
   * Opens the file and starts publishing.
   * @throws MediaServerError FILE_INVALID, or what `StreamRegistry.publish` throws
   */
  static async start(deps: VodDeps, options: VodLiveOptions): Promise<VodLive> {
    const source = await FileSource.open(options.path);
    try {
      const reader = await Mp4Reader.open(source);
      if (reader.tracks.length === 0) {
        throw new MediaServerError(
          'FILE_INVALID',
          `${options.path} has no track that can be played (H.264, H.265, AV1, VP9, AAC or Opus)`,
        );
      }
      for (const { track } of reader.tracks) if (track.codec === 'h264') writeAvcConfig(track.parameters);
      return new VodLive(deps, options, { source, reader });
    } catch (error) {
      await source.close();
      if (error instanceof MediaServerError) throw error;
      throw new MediaServerError('FILE_INVALID', `${options.path} can not be played: ${String(error)}`, {
        cause: error,
      });
    }
  }

  private constructor(deps: VodDeps, options: VodLiveOptions, file: { source: FileSource; reader: Mp4Reader }) {
    this.#deps = deps;
    this.#options = options;
    this.#source = file.source;
    this.#reader = file.reader;
    this.sessionId = `vod/${this.mediaSessionId}`;
    this.#stream = deps.streams.publish(options.streamName, this);
    for (const { track } of file.reader.tracks) this.#stream.setTrack(track);
    this.#registration = deps.sessions.add(this);
    this.#tick = deps.ticker.on((now) => this.#onTick(now));
    this.#done = this.#run();
  }

  get stream(): Stream {
    return this.#stream;
  }

  describe(): SessionDescription {
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: 'defaultApp',
      protocol: 'vod',
      mediaProvider: 'VOD',
      mediaType: 'publish',
      streamName: this.#options.streamName,
      status: this.#closed ? 'STOPPED' : 'PUBLISHING',
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

  /** Ends the publication. Idempotent; `closed` resolves when the file is closed as well. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tick[Symbol.dispose]();
    this.#registration[Symbol.dispose]();
    this.#deps.streams.unpublish(this.#stream, this, reason);
    this.#wake?.();
  }

  /** Resolves after `close`, when everything is released. */
  get closed(): Promise<void> {
    return this.#done;
  }

  async #run(): Promise<void> {
    try {
      await this.#loop();
    } catch (error) {
      this.#deps.log.error({ stream: this.#options.streamName, error: String(error) }, 'file can not be played on');
      this.close('file can not be played on');
    } finally {
      await this.#source.close();
    }
  }

  async #loop(): Promise<void> {
    const timeline = new Timeline(this.#stream.lastDtsUs);
    const lengthUs = Math.max(this.#reader.durationUs, 1000);
    let startMs = performance.now();
    for (let round = 0; !this.#closed; round++) {
      const offsetUs = round * lengthUs;
      const bytesBefore = this.#bytes;
      for await (const packet of this.#reader.readSamples()) {
        if (this.#closed) return;
        const dueMs = startMs + (packet.dtsUs + offsetUs) / 1000;
        await this.#until(dueMs);
        if (this.#closed) return;
        const lateMs = performance.now() - dueMs;
        if (lateMs > MAX_LATE_MS) startMs += lateMs;
        this.#publish(packet, timeline.map(packet.dtsUs + offsetUs, packet.track.id));
      }
      // A round without a sample would be followed by the next one at once, for ever.
      if (this.#bytes === bytesBefore) throw new MediaServerError('FILE_INVALID', 'the file has no samples');
    }
  }

  #publish(packet: MediaPacket, dtsUs: number): void {
    this.#packets++;
    this.#bytes += packet.byteLength;
    const { track, units, key, byteLength } = packet;
    this.#stream.publish({ track, units, ptsUs: dtsUs + packet.ptsUs - packet.dtsUs, dtsUs, key, byteLength });
  }

  #until(dueMs: number): Promise<void> | undefined {
    if (dueMs <= performance.now()) return undefined;
    this.#dueMs = dueMs;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #onTick(nowMs: number): void {
    if (nowMs >= this.#dueMs) this.#wake?.();
    const { idleTimeoutMs } = this.#options;
    if (idleTimeoutMs <= 0 || this.#stream.readerCount > 0) this.#idleSinceMs = nowMs;
    else if (nowMs - this.#idleSinceMs > idleTimeoutMs) this.close('nobody watches');
  }
}
