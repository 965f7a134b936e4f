import { randomBytes, randomUUID } from 'node:crypto';
import { writeFlvHeader } from '@sluice/media';
import {
  type ClientConnection,
  type ClientIntroduction,
  type ConnectionDescription,
  ENDING_INFO,
  FanOutViewer,
  infoOfError,
  type Log,
  MediaServerError,
  type MediaSession,
  playerEnd,
  type SessionDescription,
  type SessionFacts,
  type Stream,
  startUsOf,
  ViewerAccess,
  type ViewerEnding,
  viewerFacts,
} from '../../core/index.ts';
import { bearerToken, bytesWrittenTo, connectionName, plainAddress } from '../../io/index.ts';
import type { FlvTarget, Refusal, WantedKinds } from './request.ts';
import type { FlvContext, FlvPlace } from './server.ts';
import { announcedTracks } from './start.ts';
import type { Transport } from './transport.ts';

const MAX_AGENT_CHARACTERS = 256;

interface Playback {
  readonly stream: Stream;
  readonly place: FlvPlace;
  readonly viewer: FanOutViewer;
  readonly leftOutBefore: number;
  readonly headerBytes: number;
  readonly registrations: readonly Disposable[];
}

/** One viewer of a stream as FLV, by HTTP or WebSocket: is admitted, waits for the stream and its tracks, then plays. */
export class FlvSession implements MediaSession {
  readonly mediaSessionId = randomUUID();
  readonly sessionId: string;
  /** Resolves when the connection is released. */
  readonly closed: Promise<void>;
  readonly #target: FlvTarget;
  readonly #transport: Transport;
  readonly #context: FlvContext;
  readonly #log: Log;
  readonly #remoteAddress: string;
  readonly #login = randomBytes(15).toString('base64url');
  readonly #createdAt = Date.now();
  readonly #search = new AbortController();
  readonly #access: ViewerAccess;
  /** The stream that was found and since when; its tracks may not be known yet. */
  #found: { readonly stream: Stream; readonly atMs: number; tracksAtMs: number | undefined } | undefined;
  #playback: Playback | undefined;
  /** Undefined until it is over. */
  #ending: ViewerEnding | undefined;

  constructor(target: FlvTarget, transport: Transport, context: FlvContext) {
    this.#target = target;
    this.#transport = transport;
    this.#context = context;
    this.#access = new ViewerAccess(context.access);
    const { socket } = transport.request;
    this.#remoteAddress = plainAddress(socket.remoteAddress);
    this.sessionId = connectionName(socket);
    this.#log = context.log.child({ session: this.sessionId, stream: target.streamName });
    this.closed = new Promise((resolve) => {
      transport.onGone = (reason) => {
        this.close(reason, ENDING_INFO.sessionDisconnect);
        context.sessionGone(this);
        resolve();
      };
    });
  }

  get #over(): boolean {
    return this.#ending !== undefined;
  }

  /** Name in the hub. */
  get #streamName(): string {
    return this.#access.streamName ?? this.#target.streamName;
  }

  get #appKey(): string {
    return this.#access.appKey ?? this.#target.appKey;
  }

  describe(): SessionDescription {
    const playback = this.#playback;
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: this.#appKey,
      protocol: 'flv',
      mediaProvider: this.#transport.mediaProvider,
      mediaType: 'play',
      streamName: this.#streamName,
      status: this.#over ? 'STOPPED' : playback === undefined ? 'PENDING' : 'PLAYING',
      createDate: this.#createdAt,
      transport: 'TCP',
      remoteAddress: this.#remoteAddress,
      bytesIn: 0,
      bytesOut: playback === undefined ? 0 : playback.headerBytes + playback.viewer.bytesSent,
      packets: playback?.viewer.packetsSent ?? 0,
      queuedBytes: this.#transport.request.socket.writableLength,
      drops: this.#drops(),
      custom: this.#target.custom,
    };
  }

  explain(): SessionFacts {
    const { socket } = this.#transport.request;
    const connection = { queuedBytes: socket.writableLength, secure: 'encrypted' in socket };
    if (this.#playback === undefined) return { tcp: connection, media: [] };
    const { place, viewer } = this.#playback;
    const { wants } = this.#target;
    return viewerFacts({ ...place, viewer, wants, ...connection }, this.#context.adaptations);
  }

  /** Asks whether it may play, and looks for the stream; the session goes on by itself from here. */
  begin(): void {
    void this.#admit()
      .then(() => (this.#over ? undefined : this.#findStream()))
      .then((stream) => {
        if (this.#over) return;
        if (stream === undefined) return this.#refuseNotFound();
        this.#found = { stream, atMs: performance.now(), tracksAtMs: undefined };
        if (this.poll(performance.now())) this.#context.sessionWaits(this);
      })
      .catch((error: unknown) => this.#onError(error));
  }

  #findStream(): Promise<Stream | undefined> {
    const startUs = startUsOf(this.#target.custom['start']);
    return this.#context.findStream(this.#streamName, { signal: this.#search.signal, startUs });
  }

  /** @throws MediaServerError when it may not */
  #admit(): Promise<void> {
    const { streamName, custom, wants } = this.#target;
    return this.#access.ask(
      { ...this.#introduction(), close: (why) => this.close(why) },
      {
        mediaSessionId: this.mediaSessionId,
        name: streamName,
        mediaProvider: this.#transport.mediaProvider,
        hasVideo: wants.video,
        hasAudio: wants.audio,
        custom: { ...custom, ...this.#token() },
        fields: { record: false, width: 0, height: 0, bitrate: 0, minBitrate: 0, maxBitrate: 0, quality: 0 },
      },
    );
  }

  /** Called on every tick while the stream's tracks are not known; false when that wait is over. */
  poll(nowMs: number): boolean {
    const found = this.#found;
    if (this.#over || this.#playback !== undefined || found === undefined) return false;
    const { stream } = found;
    if (stream.ended) {
      this.#refuseNotFound();
      return false;
    }
    if (stream.state.video !== undefined || stream.state.audio !== undefined) found.tracksAtMs ??= nowMs;
    const { trackWaitMs, mediaWaitMs } = this.#context.options;
    const waitedMs = nowMs - (found.tracksAtMs ?? nowMs);
    const receivable = { wants: this.#target.wants, carried: this.#context.carried(stream, this.#target) };
    const announced = announcedTracks(stream, receivable, { waitedMs, trackWaitMs });
    if (announced !== undefined) this.#startOrRefuse(stream, announced);
    else if (found.tracksAtMs === undefined && nowMs - found.atMs > mediaWaitMs) {
      const message = `stream "${this.#target.streamName}" is published but has sent no picture and no sound yet, try again`;
      this.#refuse({ status: 503, message }, message);
    } else return true;
    return false;
  }

  /** Called about once a second. */
  check(nowMs: number): void {
    if (this.#over || this.#playback === undefined) return;
    const { viewer } = this.#playback;
    const stalled = viewer.isStalled(nowMs)
      ? `viewer has not read for ${this.#context.options.viewerStallTimeoutMs} ms`
      : this.#transport.check(nowMs);
    if (stalled === undefined) return;
    this.#context.counters.count('flv_slow_viewers');
    this.#warn(stalled);
    this.#leave(stalled, { status: 'FAILED', info: stalled });
    this.#transport.destroy();
  }

  /** Ends the playback, or the wait for it. The connection is released a little later, see `closed`. Idempotent. */
  close(reason: string, info = reason): void {
    if (this.#over) return;
    if (this.#playback === undefined) return this.#refuse({ status: 503, message: reason }, info);
    this.#leave(reason, { status: 'STOPPED', info });
    this.#transport.end(reason);
  }

  #startOrRefuse(stream: Stream, announced: WantedKinds): void {
    if (announced.video || announced.audio) return this.#start(stream, announced);
    const { video, audio } = stream.state;
    const has = [video?.codec, audio?.codec].filter((codec) => codec !== undefined).join(' and ');
    const message = `stream "${this.#target.streamName}" has ${has}, of which nothing can be sent as asked: it can not be converted, or video=0 or audio=0 leaves it out`;
    this.#refuse({ status: 415, message }, ENDING_INFO.noCommonCodecs);
  }

  #start(stream: Stream, announced: WantedKinds): void {
    const sink = this.#transport.open();
    if (sink === undefined) return this.#end({ status: 'STOPPED', info: ENDING_INFO.sessionDisconnect });
    const header = Buffer.from(writeFlvHeader({ hasVideo: announced.video, hasAudio: announced.audio }));
    sink.write(header);
    const place = this.#context.placeFor(stream, this.#target);
    const { fanOut } = place;
    const { options, sessions, connections } = this.#context;
    const viewer = new FanOutViewer(sink, fanOut, {
      maxWriteBytes: options.viewerWriteBytes,
      stallTimeoutMs: options.viewerStallTimeoutMs,
      onEnded: (reason) => this.#streamEnded(reason),
    });
    fanOut.stream.addViewers(1);
    const connection: ClientConnection = {
      sessionId: this.sessionId,
      describe: () => this.#describeConnection(),
      close: (reason) => this.close(reason),
    };
    const registrations = [sessions.add(this), connections.add(connection)];
    const leftOutBefore = fanOut.leftOut;
    this.#playback = { stream: fanOut.stream, place, viewer, leftOutBefore, headerBytes: header.length, registrations };
    this.#log.info({ by: this.#transport.mediaProvider, mediaSessionId: this.mediaSessionId }, 'play started');
    this.#access.active(this);
    viewer.pump();
    stream.viewerReady();
  }

  #streamEnded(reason: string): void {
    if (this.#over) return;
    const { failed, info } = playerEnd(reason);
    this.#leave(reason, { status: failed ? 'FAILED' : 'STOPPED', info });
    this.#transport.end(reason);
  }

  #leave(reason: string, ending: ViewerEnding): void {
    const playback = this.#playback;
    playback?.viewer.close();
    this.#end(ending);
    if (playback === undefined) return;
    for (const registration of playback.registrations) registration[Symbol.dispose]();
    playback.stream.addViewers(-1);
    this.#context.viewerLeft(playback.place);
    this.#log.info({ reason, bytesOut: playback.viewer.bytesSent }, 'play ended');
  }

  /** Tracks that the viewer itself did not want are no drops. */
  #drops(): SessionDescription['drops'] {
    const playback = this.#playback;
    if (playback === undefined) return {};
    const { wants } = this.#target;
    const leftOut = wants.video && wants.audio ? playback.place.fanOut.leftOut - playback.leftOutBefore : 0;
    return { slow_viewer: playback.viewer.dropped, not_carried: leftOut };
  }

  #describeConnection(): ConnectionDescription {
    const { request, mediaProvider } = this.#transport;
    return {
      sessionId: this.sessionId,
      appKey: this.#appKey,
      protocol: 'flv',
      mediaProvider,
      status: 'ESTABLISHED',
      login: this.#login,
      clientVersion: this.#clientVersion,
      remoteAddress: this.#remoteAddress,
      createDate: this.#createdAt,
      keepAlive: mediaProvider === 'WS-FLV' && this.#context.options.keepAlive,
      bytesIn: request.socket.bytesRead,
      bytesOut: bytesWrittenTo(request.socket),
      custom: this.#target.custom,
    };
  }

  #refuseNotFound(): void {
    const message = `no stream "${this.#target.streamName}" is live: publish it first, or look into /rest-api/stream/find_all for the names that are`;
    this.#refuse({ status: 404, message }, ENDING_INFO.notFound);
  }

  #refuse(refusal: Refusal, info: string): void {
    this.#end({ status: 'FAILED', info });
    this.#search.abort();
    this.#context.counters.count('flv_refused');
    this.#warn(refusal.message);
    this.#transport.refuse(refusal);
  }

  #onError(error: unknown): void {
    if (this.#over) return;
    if (error instanceof MediaServerError) return this.#refuseFor(error);
    this.#log.error({ err: error }, 'unexpected error while starting an FLV viewer');
    if (this.#playback === undefined)
      return this.#refuse({ status: 500, message: 'internal error' }, ENDING_INFO.error);
    this.#leave('internal error', { status: 'FAILED', info: ENDING_INFO.error });
    this.#transport.destroy();
  }

  #refuseFor(error: MediaServerError): void {
    const { status, message } = error;
    // Its text may have a name that the back end keeps from the viewer.
    if (this.#streamName !== this.#target.streamName) {
      const info = infoOfError(error);
      return this.#refuse({ status, message: info }, info);
    }
    this.#refuse({ status, message }, this.#access.streamName === undefined ? message : infoOfError(error));
  }

  #end(ending: ViewerEnding): void {
    if (this.#over) return;
    this.#ending = ending;
    this.#access.end(ending);
  }

  #introduction(): Omit<ClientIntroduction, 'close'> {
    const { headers } = this.#transport.request;
    const { origin } = headers;
    const fields = {
      login: this.#login,
      keepAlive: false,
      clientVersion: this.#clientVersion,
      ...(origin === undefined ? {} : { origin }),
    };
    const { sessionId } = this;
    const { appKey, custom } = this.#target;
    const remoteAddress = this.#remoteAddress;
    return { sessionId, appKey, protocol: 'flv', remoteAddress, custom: { ...custom, ...this.#token() }, fields };
  }

  /** A token that came in a header counts as one of the address. */
  #token(): { readonly token?: string } {
    const token = bearerToken(this.#transport.request.headers.authorization);
    return token === undefined ? {} : { token };
  }

  get #clientVersion(): string {
    return (this.#transport.request.headers['user-agent'] ?? '').slice(0, MAX_AGENT_CHARACTERS);
  }

  #warn(reason: string): void {
    const held = this.#context.faults.take();
    if (held >= 0) this.#log.warn({ reason, suppressed: held }, 'flv viewer refused or dropped');
  }
}
