import { randomBytes, randomUUID } from 'node:crypto';
import {
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
  tracksSettled,
  ViewerAccess,
  type ViewerEnding,
  viewerFacts,
} from '../../core/index.ts';
import {
  bearerToken,
  bytesWrittenTo,
  connectionName,
  plainAddress,
  textFrame,
  WEB_SOCKET_CLOSE,
  type WebSocketSink,
  type WebSocketViewer,
} from '../../io/index.ts';
import type { MseTarget, Refusal } from './request.ts';
import type { MseContext, MsePlace } from './server.ts';

const MAX_AGENT_CHARACTERS = 256;
/** Close codes of applications begin here (RFC 6455 §7.4.2): the rest is the status that HTTP would have. */
const CLOSE_STATUS = 4000;
/** The source of the stream failed (a camera, a file). */
const SOURCE_FAILED = 502;
/** The size that was asked for can't be made now. */
const GIVEN_UP = 503;

interface Playback {
  readonly place: MsePlace;
  readonly viewer: FanOutViewer;
  readonly registrations: readonly Disposable[];
}

/**
 * One viewer of a stream as fragmented MP4 by WebSocket: is admitted, waits for the stream and its tracks, then plays. The
 * socket is opened at once, because a page sees no answer but what comes by it: `{"type":"error"|"end", …}` before the
 * close frame, and `{"type":"clock", …}` now and then.
 */
export class MseSession implements MediaSession {
  readonly mediaSessionId = randomUUID();
  readonly sessionId: string;
  /** Resolves when the connection is released. */
  readonly closed: Promise<void>;
  readonly #target: MseTarget;
  readonly #transport: WebSocketViewer;
  readonly #context: MseContext;
  readonly #log: Log;
  readonly #remoteAddress: string;
  readonly #login = randomBytes(15).toString('base64url');
  readonly #createdAt = Date.now();
  readonly #search = new AbortController();
  readonly #access: ViewerAccess;
  #sink: WebSocketSink | undefined;
  /** The stream that was found and since when; its tracks may not be known yet. */
  #found: { readonly stream: Stream; readonly atMs: number } | undefined;
  #playback: Playback | undefined;
  #clockToldMs = 0;
  #saidBytes = 0;
  /** Undefined until it is over. */
  #ending: ViewerEnding | undefined;

  constructor(target: MseTarget, transport: WebSocketViewer, context: MseContext) {
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

  describe(): SessionDescription {
    const playback = this.#playback;
    const over = this.#ending !== undefined;
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: this.#appKey,
      protocol: 'mse',
      mediaProvider: 'MSE',
      mediaType: 'play',
      streamName: this.#streamName,
      status: over ? 'STOPPED' : playback === undefined ? 'PENDING' : 'PLAYING',
      createDate: this.#createdAt,
      transport: 'TCP',
      remoteAddress: this.#remoteAddress,
      bytesIn: 0,
      bytesOut: this.#saidBytes + (playback?.viewer.bytesSent ?? 0),
      packets: playback?.viewer.packetsSent ?? 0,
      queuedBytes: this.#transport.request.socket.writableLength,
      drops: playback === undefined ? {} : { slow_viewer: playback.viewer.dropped },
      custom: this.#target.custom,
    };
  }

  explain(): SessionFacts {
    const { socket } = this.#transport.request;
    const connection = { queuedBytes: socket.writableLength, secure: 'encrypted' in socket };
    if (this.#playback === undefined) return { tcp: connection, media: [] };
    const { place, viewer } = this.#playback;
    return viewerFacts({ ...place, viewer, wants: this.#target.wants, ...connection }, this.#context.adaptations);
  }

  /** Opens the socket, asks whether it may play, and looks for the stream; it goes on by itself from here. */
  begin(): void {
    this.#sink = this.#transport.open();
    // A bad handshake has been answered; the connection ends by itself.
    if (this.#sink === undefined) return this.#end({ status: 'STOPPED', info: ENDING_INFO.sessionDisconnect });
    void this.#admit()
      .then(() => (this.#ending === undefined ? this.#findStream() : undefined))
      .then((stream) => {
        if (this.#ending !== undefined) return;
        if (stream === undefined) return this.#refuseNotFound();
        this.#found = { stream, atMs: performance.now() };
        if (this.poll(performance.now())) this.#context.sessionWaits(this);
      })
      .catch((error: unknown) => this.#onError(error));
  }

  /** Called on every tick while the stream's tracks are not known; false when that wait is over. */
  poll(nowMs: number): boolean {
    const found = this.#found;
    if (this.#ending !== undefined || this.#playback !== undefined || found === undefined) return false;
    const { stream, atMs } = found;
    const { trackWaitMs, mediaWaitMs } = this.#context.options;
    const { video, audio } = stream.state;
    if (stream.ended) this.#refuseNotFound();
    else if (video === undefined && audio === undefined) {
      if (nowMs - atMs <= mediaWaitMs) return true;
      const message = `stream "${this.#target.streamName}" is published but has sent no picture and no sound yet, try again`;
      this.#refuse({ status: 503, message }, message);
    } else if (this.#isComplete(stream) || tracksSettled(stream, nowMs - atMs, trackWaitMs)) this.#start(stream);
    else return true;
    return false;
  }

  /** Called about once a second. */
  check(nowMs: number): void {
    if (this.#ending !== undefined) return;
    const { viewerStallTimeoutMs, keepAliveIntervalMs } = this.#context.options;
    const stalled =
      this.#playback?.viewer.isStalled(nowMs) === true
        ? `viewer has not read for ${viewerStallTimeoutMs} ms`
        : this.#transport.check(nowMs);
    const givenUp = this.#target.picture && this.#playback?.place.lease.leftOut.video;
    if (stalled === undefined && givenUp !== undefined) return this.#giveUp(givenUp);
    if (stalled === undefined) {
      if (nowMs - this.#clockToldMs >= keepAliveIntervalMs) this.#tellClock(nowMs);
      return;
    }
    this.#context.counters.count('mse_slow_viewers');
    this.#warn(stalled);
    this.#leave(stalled, { status: 'FAILED', info: stalled });
    this.#transport.destroy();
  }

  /** Ends the playback, or the wait for it. The connection is released a little later, see `closed`. Idempotent. */
  close(reason: string, info = reason, code: number = WEB_SOCKET_CLOSE.normal): void {
    if (this.#ending !== undefined) return;
    this.#leave(reason, { status: 'STOPPED', info });
    this.#bye({ type: 'end', status: 'STOPPED', reason: info }, reason, code);
  }

  get #streamName(): string {
    return this.#access.streamName ?? this.#target.streamName;
  }

  get #appKey(): string {
    return this.#access.appKey ?? this.#target.appKey;
  }

  #isComplete({ state }: Stream): boolean {
    const { wants } = this.#target;
    return (!wants.video || state.video !== undefined) && (!wants.audio || state.audio !== undefined);
  }

  #findStream(): Promise<Stream | undefined> {
    const startUs = startUsOf(this.#target.custom['start']);
    return this.#context.findStream(this.#streamName, { signal: this.#search.signal, startUs });
  }

  /** @throws MediaServerError when it may not */
  #admit(): Promise<void> {
    const { streamName, appKey, wants, picture } = this.#target;
    const { width = 0, height = 0, bitrateBps = 0 } = picture ?? {};
    const { origin, authorization, 'user-agent': agent = '' } = this.#transport.request.headers;
    const token = bearerToken(authorization);
    // A token that came in a header counts as one of the address.
    const custom = { ...this.#target.custom, ...(token === undefined ? {} : { token }) };
    const clientVersion = agent.slice(0, MAX_AGENT_CHARACTERS);
    const fields = { login: this.#login, keepAlive: false, clientVersion, ...(origin === undefined ? {} : { origin }) };
    const { sessionId, mediaSessionId } = this;
    const remoteAddress = this.#remoteAddress;
    return this.#access.ask(
      { sessionId, appKey, protocol: 'mse', remoteAddress, custom, fields, close: (why) => this.close(why) },
      {
        mediaSessionId,
        name: streamName,
        mediaProvider: 'MSE',
        hasVideo: wants.video,
        hasAudio: wants.audio,
        custom,
        fields: { record: false, width, height, bitrate: bitrateBps / 1000, minBitrate: 0, maxBitrate: 0, quality: 0 },
      },
    );
  }

  #start(stream: Stream): void {
    const sink = this.#sink;
    if (sink === undefined || sink.destroyed) return;
    const { picture } = this.#target;
    try {
      if (picture !== undefined && stream.state.video !== undefined) this.#context.renditions?.admit(stream, picture);
    } catch (error) {
      return this.#onError(error);
    }
    if (!this.#context.isPlayable(stream, this.#target)) return this.#refuseCodecs(stream);
    const place = this.#context.placeFor(stream, this.#target);
    const { fanOut } = place;
    const { options, sessions, connections } = this.#context;
    const viewer = new FanOutViewer(sink, fanOut, {
      maxWriteBytes: options.viewerWriteBytes,
      stallTimeoutMs: options.viewerStallTimeoutMs,
      onEnded: (reason) => this.#streamEnded(reason),
    });
    fanOut.stream.addViewers(1);
    const connection = {
      sessionId: this.sessionId,
      describe: () => this.#describeConnection(),
      close: (reason: string) => this.close(reason),
    };
    this.#playback = { place, viewer, registrations: [sessions.add(this), connections.add(connection)] };
    this.#log.info({ by: 'MSE', mediaSessionId: this.mediaSessionId }, 'play started');
    this.#access.active(this);
    viewer.pump();
    stream.viewerReady();
  }

  #streamEnded(reason: string): void {
    if (this.#ending !== undefined) return;
    const { failed, info } = playerEnd(reason);
    const status = failed ? 'FAILED' : 'STOPPED';
    this.#leave(reason, { status, info });
    const code = failed ? CLOSE_STATUS + SOURCE_FAILED : WEB_SOCKET_CLOSE.normal;
    this.#bye({ type: 'end', status, reason: info }, reason, code);
  }

  #leave(reason: string, ending: ViewerEnding): void {
    const playback = this.#playback;
    playback?.viewer.close();
    this.#end(ending);
    if (playback === undefined) return;
    for (const registration of playback.registrations) registration[Symbol.dispose]();
    playback.place.fanOut.stream.addViewers(-1);
    this.#context.viewerLeft(playback.place);
    this.#log.info({ reason, bytesOut: playback.viewer.bytesSent }, 'play ended');
  }

  /** The size that it asks for is not made any more: sound alone is not what it wants. */
  #giveUp(reason: string): void {
    this.#leave(reason, { status: 'FAILED', info: ENDING_INFO.transcodingDisabled });
    this.#context.counters.count('mse_refused');
    this.#warn(reason);
    this.#bye({ type: 'error', status: GIVEN_UP, message: reason }, reason, CLOSE_STATUS + GIVEN_UP);
  }

  #describeConnection(): ConnectionDescription {
    const { request } = this.#transport;
    return {
      sessionId: this.sessionId,
      appKey: this.#appKey,
      protocol: 'mse',
      mediaProvider: 'MSE',
      status: 'ESTABLISHED',
      login: this.#login,
      clientVersion: (request.headers['user-agent'] ?? '').slice(0, MAX_AGENT_CHARACTERS),
      remoteAddress: this.#remoteAddress,
      createDate: this.#createdAt,
      keepAlive: this.#context.options.keepAlive,
      bytesIn: request.socket.bytesRead,
      bytesOut: bytesWrittenTo(request.socket),
      custom: this.#target.custom,
    };
  }

  /** Where the stream is, for players that tell how far they are behind: the time of the newest frame, and when it came. */
  #tellClock(nowMs: number): void {
    const { place, viewer } = this.#playback ?? {};
    // The first that it hears are the codecs.
    if (place === undefined || viewer?.packetsSent === 0 || this.#sink?.writableNeedDrain !== false) return;
    const { stream } = place.fanOut;
    this.#clockToldMs = nowMs;
    this.#say({ type: 'clock', streamMs: Math.round(stream.lastDtsUs / 1000), serverMs: Date.now() });
  }

  #say(message: object): void {
    if (this.#sink === undefined || this.#sink.destroyed) return;
    const frame = textFrame(JSON.stringify(message));
    this.#saidBytes += frame.length;
    this.#sink.write(frame);
  }

  #bye(message: object, reason: string, code: number): void {
    this.#say(message);
    this.#transport.end(reason, code);
  }

  #refuseNotFound(): void {
    const message = `no stream "${this.#target.streamName}" is live: publish it first, or look into /rest-api/stream/find_all for the names that are`;
    this.#refuse({ status: 404, message }, ENDING_INFO.notFound);
  }

  #refuseCodecs({ state: { video, audio } }: Stream): void {
    const has = [video?.codec, audio?.codec].filter((codec) => codec !== undefined).join(' and ');
    const message = `stream "${this.#target.streamName}" has ${has}, of which nothing can be sent as asked: it can not be converted, or video=0 or audio=0 leaves it out`;
    this.#refuse({ status: 415, message }, ENDING_INFO.noCommonCodecs);
  }

  #refuse({ status, message }: Refusal, info: string): void {
    this.#end({ status: 'FAILED', info });
    this.#context.counters.count('mse_refused');
    this.#warn(message);
    this.#bye({ type: 'error', status, message }, message, CLOSE_STATUS + status);
  }

  #onError(error: unknown): void {
    if (this.#ending !== undefined) return;
    if (error instanceof MediaServerError) {
      const info = infoOfError(error);
      // The text may have a name that the back end keeps from the viewer.
      const message = this.#streamName === this.#target.streamName ? error.message : info;
      return this.#refuse({ status: error.status, message }, info);
    }
    this.#log.error({ err: error }, 'unexpected error while starting an MSE viewer');
    if (this.#playback === undefined)
      return this.#refuse({ status: 500, message: 'internal error' }, ENDING_INFO.error);
    this.#leave('internal error', { status: 'FAILED', info: ENDING_INFO.error });
    this.#transport.destroy();
  }

  #end(ending: ViewerEnding): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#search.abort();
    this.#access.end(ending);
  }

  #warn(reason: string): void {
    const held = this.#context.faults.take();
    if (held >= 0) this.#log.warn({ reason, suppressed: held }, 'MSE viewer refused or dropped');
  }
}
