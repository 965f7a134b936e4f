import { randomUUID } from 'node:crypto';
import {
  type MediaSession,
  type ProtocolDeps,
  type PublicationToRecord,
  type Publisher,
  publisherFacts,
  type SessionDescription,
  type SessionFacts,
  type Stream,
  type TransportStreamInput,
} from '../../core/index.ts';
import type { InputPort } from './input-port.ts';
import { TsToStream } from './to-stream.ts';

const MAX_NOTES = 32;

export type TransportInputDeps = Pick<ProtocolDeps, 'streams' | 'sessions' | 'log' | 'counters'>;

/** What is wanted of an input, complete. */
export interface TransportInputSpec {
  readonly streamName: string;
  readonly transport: 'udp' | 'srt';
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
  readonly timeoutMs: number;
  readonly maxTimestampDiffS: number;
  readonly allowedList: readonly string[];
  readonly record: boolean;
  readonly appKey: string;
  /** In the URI: name or address of this server, or the multicast group. */
  readonly host: string;
}

/** One port that takes a transport stream, and what it publishes: from the call that opened it to its end. */
export class TransportInput implements MediaSession, Publisher {
  readonly mediaSessionId = randomUUID();
  readonly recording: PublicationToRecord;
  readonly spec: TransportInputSpec;
  readonly #deps: TransportInputDeps;
  readonly #onEnd: (input: TransportInput, closed: Promise<void>) => void;
  readonly #stream: Stream;
  readonly #input: TsToStream;
  readonly #notes = new Set<string>();
  readonly #createdAt = Date.now();
  #port: InputPort | undefined;
  #registration: Disposable | undefined;
  #senders = 0;
  #denied = 0;
  #remoteAddress = '';
  #heardMs = performance.now();
  #ended = false;

  /**
   * Takes the name. `onEnd` is called once, with a promise of the time when the port is free again.
   * @throws MediaServerError STREAM_NAME_BUSY, STREAM_NAME_INVALID or STREAM_LIMIT
   */
  constructor(
    spec: TransportInputSpec,
    deps: TransportInputDeps,
    onEnd: (input: TransportInput, closed: Promise<void>) => void,
  ) {
    const { appKey, hasAudio, hasVideo, maxTimestampDiffS, record } = spec;
    this.spec = spec;
    this.#deps = deps;
    this.#onEnd = onEnd;
    this.recording = { mediaSessionId: this.mediaSessionId, login: 'mpegts', appKey, wanted: record };
    this.#stream = deps.streams.publish(spec.streamName, this);
    this.#input = new TsToStream(this.#stream, {
      counters: deps.counters,
      maxTimestampDiffS,
      hasVideo,
      hasAudio,
      onMedia: () => this.#hasMedia(),
      onNote: (text) => this.#note(text),
    });
  }

  get sessionId(): string {
    return `/${this.#remoteAddress}:0/${this.spec.host}:${this.#port?.port ?? 0}`;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The port that was opened for it; it is closed with the input, unless that is over already. */
  opened(port: InputPort): void {
    this.#port = port;
  }

  /** A sender was let in. One after another begins anew. */
  sender(remoteAddress: string): void {
    if (this.#ended) return;
    if (this.#senders++ > 0) this.#input.beginAnew();
    this.#remoteAddress = remoteAddress;
    this.#deps.log.info({ stream: this.spec.streamName, remoteAddress }, 'transport stream is sent');
  }

  denied(count: number): void {
    if (this.#denied === 0) this.#note('somebody who is not in the list of allowed senders has tried to send');
    this.#denied += count;
    this.#deps.counters.count('mpegts_denied', count);
  }

  data(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#heardMs = performance.now();
    this.#input.push(bytes);
  }

  /** So much is missing that nothing else tells of it. */
  lost(): void {
    this.#input.lost();
  }

  /** Ends it when nothing has come for too long. */
  check(nowMs: number): void {
    const { timeoutMs } = this.spec;
    if (nowMs - this.#heardMs < timeoutMs) return;
    this.close(`nothing has come for ${timeoutMs / 1000} s`);
  }

  facts(): TransportStreamInput {
    const { transport, streamName, host, timeoutMs, maxTimestampDiffS, allowedList } = this.spec;
    const { video, audio } = this.#stream.state;
    const receiving = this.#registration !== undefined;
    const shownHost = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
    return {
      mediaSessionId: this.mediaSessionId,
      streamName,
      uri: `${transport}://${shownHost}:${this.#port?.port ?? 0}`,
      protocol: transport === 'srt' ? 'srt' : 'mpegts',
      receiving,
      hasVideo: receiving && video !== undefined,
      hasAudio: receiving && audio !== undefined,
      timeoutMs,
      maxTimestampDiffS,
      allowedList,
      notes: [...this.#notes],
    };
  }

  describe(): SessionDescription {
    const { bytes, published, brokenUnits, withheld, gaps } = this.#input.counts;
    const { transport, streamName, appKey } = this.spec;
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey,
      protocol: transport === 'srt' ? 'srt' : 'mpegts',
      mediaProvider: 'MPEGTS',
      mediaType: 'publish',
      streamName,
      status: this.#ended ? 'STOPPED' : 'PUBLISHING',
      createDate: this.#createdAt,
      transport: 'UDP',
      remoteAddress: this.#remoteAddress,
      bytesIn: bytes,
      bytesOut: 0,
      packets: published,
      queuedBytes: 0,
      drops: { broken: brokenUnits + withheld },
      lostPackets: gaps,
      custom: {},
    };
  }

  explain(): SessionFacts {
    return { media: publisherFacts(this.#stream) };
  }

  close(reason: string): void {
    if (this.#ended) return;
    this.#input.end();
    this.#ended = true;
    const closed = this.#port?.close() ?? Promise.resolve();
    this.#deps.streams.unpublish(this.#stream, this, reason);
    this.#registration?.[Symbol.dispose]();
    this.#deps.log.info({ stream: this.spec.streamName, reason }, 'transport stream ended');
    this.#onEnd(this, closed);
  }

  #hasMedia(): void {
    this.#registration ??= this.#deps.sessions.add(this);
  }

  #note(text: string): void {
    if (this.#notes.has(text) || this.#notes.size === MAX_NOTES) return;
    this.#notes.add(text);
    this.#deps.log.warn({ stream: this.spec.streamName }, `transport stream: ${text}`);
  }
}
