import type { AmfValue, MediaPacket } from '@sluice/media';
import {
  type MediaSession,
  type PublicationToRecord,
  type Publisher,
  publisherFacts,
  type SessionDescription,
  type SessionFacts,
  type Stream,
} from '../../core/index.ts';
import { InBuffer } from './in-buffer.ts';
import { MediaActivity } from './media-activity.ts';
import type { AdmittedRequest, Outcome, RtmpPeer } from './peer.ts';
import type { RtmpContext } from './server.ts';
import { RtmpToStream } from './to-stream.ts';

/** What one RTMP connection publishes: its stream, the way there, and the checks on it. */
export class RtmpPublication implements MediaSession, Publisher {
  readonly mediaSessionId: string;
  readonly sessionId: string;
  readonly name: string;
  /** The name that the peer knows. */
  readonly askedName: string;
  readonly recording: PublicationToRecord;
  readonly #peer: RtmpPeer;
  readonly #request: AdmittedRequest;
  readonly #context: RtmpContext;
  readonly #onClose: (reason: string) => void;
  readonly #createdAt = Date.now();
  readonly #stream: Stream;
  readonly #registration: Disposable;
  readonly #buffer: InBuffer | undefined;
  readonly #input: RtmpToStream;
  readonly #activity: MediaActivity;
  #timer: NodeJS.Timeout | undefined;
  #bytesIn = 0;
  #stopping = false;
  #ended = false;

  /**
   * Takes the stream of that name. `onClose` is called when somebody else than its peer wants the publication gone.
   * @throws MediaServerError when the name is taken or not allowed, or there are too many streams
   */
  constructor(peer: RtmpPeer, request: AdmittedRequest, context: RtmpContext, onClose: (reason: string) => void) {
    const { options, counters } = context;
    this.#peer = peer;
    this.#request = request;
    this.#context = context;
    this.#onClose = onClose;
    this.sessionId = peer.sessionId;
    this.mediaSessionId = request.mediaSessionId;
    this.name = request.name;
    this.askedName = request.askedName;
    const { access } = request;
    this.recording = {
      mediaSessionId: request.mediaSessionId,
      login: peer.login,
      appKey: peer.appKey,
      wanted: access.fields['record'] === true,
      onEvent: (event) => access.recorded(event),
    };
    this.#stream = context.streams.publish(request.name, this);
    const stream = this.#stream;
    this.#buffer = options.inBuffer && new InBuffer(options.inBuffer, (packet) => stream.publishCopy(packet));
    this.#input = new RtmpToStream(stream, {
      counters,
      media: options.publishMedia,
      maxDecFrameBuffering: options.maxDecFrameBuffering,
      delayed: this.#buffer !== undefined,
      emit: this.#buffer === undefined ? (packet) => stream.publishCopy(packet) : (packet) => this.#hold(packet),
    });
    this.#activity = new MediaActivity(options.activity, request.name, performance.now());
    this.#registration = context.sessions.add(this);
    // It publishes from the moment that the name is taken: from then on nobody else can, and players find it.
    request.access.active(this);
  }

  describe(): SessionDescription {
    const { broken, notCarried, packets } = this.#input.counts;
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: this.#peer.appKey,
      protocol: 'rtmp',
      mediaProvider: 'Flash',
      mediaType: 'publish',
      streamName: this.name,
      status: this.#ended ? 'STOPPED' : 'PUBLISHING',
      createDate: this.#createdAt,
      transport: 'TCP',
      remoteAddress: this.#peer.remoteAddress,
      bytesIn: this.#bytesIn,
      bytesOut: 0,
      packets: packets.audio + packets.video,
      queuedBytes: this.#buffer?.queuedBytes ?? 0,
      drops: { broken, not_carried: notCarried, overflow: this.#buffer?.dropped ?? 0 },
      custom: this.#request.custom,
    };
  }

  explain(): SessionFacts {
    const { chunkBytes, secure } = this.#peer;
    const queuedBytes = this.#buffer?.queuedBytes ?? 0;
    return { tcp: { queuedBytes, chunkBytes, secure }, media: publisherFacts(this.#stream) };
  }

  /** True while nobody waits for its packets. */
  get unwatched(): boolean {
    return this.#buffer === undefined && this.#stream.readerCount === 0;
  }

  /** A video message's body. @throws like {@link RtmpToStream.video} */
  video(body: Uint8Array, timestamp: number): void {
    this.#bytesIn += body.length;
    this.#input.video(body, timestamp);
  }

  /** An audio message's body. @throws like {@link RtmpToStream.audio} */
  audio(body: Uint8Array, timestamp: number): void {
    this.#bytesIn += body.length;
    this.#input.audio(body, timestamp);
  }

  /** A data message. */
  data(values: readonly AmfValue[]): void {
    this.#input.data(values);
  }

  /** Called about once a second; tells why the publication should end, or undefined. */
  check(nowMs: number): string | undefined {
    return this.#activity.check(nowMs, this.#input.counts.packets);
  }

  /** Somebody waits for its packets now. */
  watched(): void {
    this.#peer.watched();
  }

  close(reason: string): void {
    this.#onClose(reason);
  }

  /** The peer itself wants to end it. Idempotent: encoders say so twice. */
  stopping(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#request.access.stopping();
  }

  /** Gives the stream back; what is buffered goes out before. Called by the connection. Idempotent. */
  end(reason: string, outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#buffer?.flush();
    this.#context.streams.unpublish(this.#stream, this, reason);
    this.#registration[Symbol.dispose]();
    this.#request.access.ended(outcome.failed ? 'FAILED' : 'UNPUBLISHED', outcome.info);
  }

  #hold(packet: MediaPacket): void {
    const units = packet.units.map((unit) => new Uint8Array(unit));
    this.#buffer?.push({ ...packet, units }, performance.now());
    this.#arm();
  }

  /** Waits for the next packet that the buffer lets go. */
  #arm(): void {
    const dueMs = this.#buffer?.nextDueMs ?? Number.POSITIVE_INFINITY;
    if (this.#timer !== undefined || !Number.isFinite(dueMs)) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#buffer?.release(performance.now());
        this.#arm();
      },
      Math.max(1, dueMs - performance.now()),
    );
  }
}
