import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { ConnectionRequest, MediaTransportRequest, STREAM_INFO, StreamRequest } from '@sluice/contract';
import type { RawData, WebSocket } from 'ws';
import {
  type ClientAccess,
  type ClientConnection,
  type ConnectionDescription,
  infoOfError,
  type Log,
  type LogLevel,
  MediaServerError,
} from '../../core/index.ts';
import { bytesWrittenTo, connectionName, plainAddress } from '../../io/index.ts';
import { connectFields, DEFAULT_APP, userData, withoutPassword } from './client-introduction.ts';
import type { ClientLink } from './client-link.ts';
import { type ClientMessage, objectOf, parseMessage, readFields } from './client-message.ts';
import { ClientSession } from './client-session.ts';
import { MediaTransport } from './media-transport.ts';
import { RoomVisitor } from './rooms/room-visitor.ts';
import type { SignallingContext } from './signalling-context.ts';
import { SignsOfLife } from './signs-of-life.ts';
import { TokenBucket } from './token-bucket.ts';
import { WaitingMessages } from './waiting-messages.ts';

/** RFC 6455 §7.4.1. */
export const CLOSE_NORMAL = 1000;
export const CLOSE_GOING_AWAY = 1001;
const CLOSE_POLICY = 1008;
/** Most bytes of the reason in a close frame. */
const MAX_REASON_BYTES = 123;
/** The client has so long to answer a close frame. */
const LINGER_MS = 1000;
const TOKEN_BYTES = 24;
/** A long message counts as several. */
const BYTES_PER_TOKEN = 4096;
const BAD_MESSAGES_PER_SECOND = 1;
const BAD_MESSAGES_BURST = 20;
/** Messages that may wait for the answer whether the client may connect. */
const MAX_WAITING = 256;
/**
 * A frame of a kind that does not exist. The SDK's session is FAILED only after an error of the WebSocket, and
 * DISCONNECTED after any close frame (websdk-signalling.md §2.1); browsers must report this one as an error
 * (RFC 6455 §5.2).
 */
const ERROR_FRAME = Buffer.from([0x83, 0x00]);

/** One WebSocket of a Web SDK client: the question whether it is let in, and the session that it has then. */
export class SignallingConnection implements ClientConnection, ClientLink {
  readonly sessionId: string;
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Tells the client apart from others of its address; nothing can be done with it. */
  readonly #login = randomBytes(8).toString('hex');
  readonly #createDate = Date.now();
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #origin: string;
  readonly #context: SignallingContext;
  readonly #registration: Disposable;
  readonly #messages: TokenBucket;
  readonly #badMessages = new TokenBucket(BAD_MESSAGES_PER_SECOND, BAD_MESSAGES_BURST);
  readonly #signs = new SignsOfLife();
  readonly #openedMs = performance.now();
  #log: Log;
  #nextPingMs: number;
  #unanswered = 0;
  /** While the access control is asked whether the client may connect. */
  #waiting: WaitingMessages | undefined;
  #session: ClientSession | undefined;
  #access: ClientAccess | undefined;
  /** Of a connection that only carries media of another one's session. */
  #transport: MediaTransport | undefined;
  #said: Partial<ConnectionRequest> = {};
  #resumed = false;
  #authToken = '';
  #ended: { readonly reason: string } | undefined;

  constructor(webSocket: WebSocket, request: IncomingMessage, context: SignallingContext) {
    this.#webSocket = webSocket;
    this.#socket = request.socket;
    this.#context = context;
    this.#origin = request.headers.origin ?? '';
    this.localAddress = plainAddress(request.socket.localAddress);
    this.remoteAddress = plainAddress(request.socket.remoteAddress);
    this.sessionId = connectionName(request.socket);
    this.#log = context.log.child({ session: this.sessionId });
    this.#messages = new TokenBucket(context.options.messagesPerSecond, context.options.messageBurst);
    this.#nextPingMs = this.#openedMs + context.options.keepAliveIntervalMs;
    webSocket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    webSocket.on('error', (error) => this.#broken(error));
    webSocket.on('close', () => this.#end('lost', 'client left'));
    this.#registration = context.connections.add(this);
  }

  get appKey(): string {
    return this.#access?.appKey ?? this.#said.appKey ?? DEFAULT_APP;
  }

  get log(): Log {
    return this.#log;
  }

  /** Names the session to a client that comes back; empty before it is established. */
  get authToken(): string {
    return this.#authToken;
  }

  /** What the client said of itself, without its password. */
  get said(): Partial<ConnectionRequest> {
    return this.#said;
  }

  /** True when the client may come back with its token after its connection was lost. */
  get resumable(): boolean {
    return this.keepAlive && (this.#session !== undefined || this.#resumed);
  }

  get keepAlive(): boolean {
    return this.#said.keepAlive === true;
  }

  describe(): ConnectionDescription {
    const { clientVersion, clientOSVersion, clientBrowserVersion, mediaProviders, custom } = this.#said;
    return {
      sessionId: this.sessionId,
      appKey: this.appKey,
      protocol: 'webrtc',
      mediaProvider: 'WebRTC',
      mediaProviders,
      status: this.#session === undefined ? 'PENDING' : 'ESTABLISHED',
      login: this.#login,
      clientVersion: clientVersion ?? '',
      clientOsVersion: clientOSVersion,
      clientBrowserVersion,
      origin: this.#origin,
      remoteAddress: this.remoteAddress,
      createDate: this.#createDate,
      keepAlive: this.keepAlive,
      bytesIn: this.#socket.bytesRead,
      bytesOut: bytesWrittenTo(this.#socket),
      custom: objectOf(this.#access?.fields['custom'] ?? custom),
    };
  }

  /** Hands an object to the application; does nothing before the session is established. */
  sendData(operationId: string, payload: unknown): void {
    this.#session?.sendData(operationId, payload);
  }

  setLogLevel(level: LogLevel): void {
    this.#log = this.#context.log.child({ session: this.sessionId }, { level });
  }

  /** Ends all that the client does, then the connection; it can't be resumed. Idempotent. */
  close(reason: string): void {
    this.disconnect(reason);
  }

  disconnect(reason: string, code = CLOSE_NORMAL): void {
    this.#stop('over', reason, code);
  }

  /** Ends the connection because its session goes on in another one. Idempotent. */
  giveWay(): void {
    this.#stop('resumed', 'session goes on in another connection', CLOSE_NORMAL);
  }

  send(message: string, ...data: readonly unknown[]): void {
    if (this.#ended !== undefined || this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    this.#webSocket.send(JSON.stringify({ message, data }));
    if (this.#webSocket.bufferedAmount <= this.#context.options.maxUnsentBytes) return;
    this.#context.counters.count('signalling_slow_clients');
    this.#cutOff('client does not read');
  }

  responds(withinMs: number): Promise<boolean> {
    if (this.#ended !== undefined) return Promise.resolve(false);
    // One that is read more slowly has said too much, but is there.
    if (this.#webSocket.isPaused) return Promise.resolve(true);
    const alive = this.#signs.within(withinMs);
    this.send('ping');
    return alive;
  }

  fault(error: unknown, what: string): void {
    const suppressed = this.#context.faults.take();
    if (suppressed >= 0) this.#log.error({ err: error, suppressed }, what);
  }

  /** A transport for the media of one of its players; false when none waits for it. */
  takeTransport(transport: MediaTransport): boolean {
    return this.#session?.streams.transports.take(transport) === true;
  }

  /** Looks after timeouts and pings; called a few times a second. */
  check(nowMs: number): void {
    const { firstMessageTimeoutMs, keepAlive, keepAliveIntervalMs, keepAliveProbes } = this.#context.options;
    this.#session?.streams.transports.check(nowMs);
    if (this.#session === undefined && this.#waiting === undefined && this.#transport === undefined) {
      if (nowMs - this.#openedMs >= firstMessageTimeoutMs) this.#silent('no "connection" message came in time');
      return;
    }
    if (this.#webSocket.isPaused) {
      // What it answers is not read either.
      if (!this.#messages.empty(nowMs)) this.#webSocket.resume();
      return;
    }
    if (!keepAlive || nowMs < this.#nextPingMs) return;
    this.#nextPingMs += keepAliveIntervalMs;
    // A player that is full of media can't be asked: how long it may be is for who sends that.
    if (this.#transport?.writableNeedDrain === true) return;
    if (this.#unanswered >= keepAliveProbes) return this.#silent(`client silent for ${keepAliveProbes} pings`);
    this.#unanswered++;
    this.send('ping');
  }

  /** See ClientStreams.tellVideoRates. */
  tellVideoRates(nowMs: number): void {
    this.#session?.streams.tellVideoRates(nowMs);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#ended !== undefined) return;
    this.#unanswered = 0;
    this.#signs.seen();
    // A client that says too much is not refused but read more slowly.
    const bytes = Buffer.isBuffer(data) ? data : Buffer.alloc(0);
    const affordable = this.#messages.spend(Math.ceil(bytes.length / BYTES_PER_TOKEN));
    if (!affordable && !this.#webSocket.isPaused) this.#webSocket.pause();
    const message = isBinary ? undefined : parseMessage(bytes.toString());
    if (message === undefined) return this.#bad('', 'Message can not be read');
    if (this.#waiting === undefined || message.name === 'ping' || message.name === 'pong') return this.#act(message);
    if (this.#waiting.add(message, bytes.length)) return;
    this.#context.counters.count('signalling_bad_messages');
    this.disconnect('too many messages before the session is established', CLOSE_POLICY);
  }

  #act(message: ClientMessage): void {
    try {
      const wrong = this.#handle(message);
      if (wrong !== undefined) this.#bad(message.name, wrong);
    } catch (error) {
      this.fault(error, `message ${message.name} failed`);
      this.disconnect('internal error');
    }
  }

  /** Gives what is wrong with the message, if anything is. */
  #handle(message: ClientMessage): string | undefined {
    const { name, body } = message;
    if (name === 'ping' || name === 'pong') return undefined;
    if (this.#transport !== undefined) return 'This connection is for media';
    if (name === 'connectMediaTransport' && this.#session === undefined) return this.#carryMedia(body);
    if (this.#session !== undefined)
      return name === 'connection' ? 'Session is established' : this.#session.receive(message);
    if (name === 'connection') return this.#introduce(body);
    if (name === 'pushLogs') return undefined;
    const { mediaSessionId } = readFields(StreamRequest, body);
    if (mediaSessionId === undefined) return STREAM_INFO.sessionNotReady;
    const refusal = { apiMethod: 'StreamStatusEvent', id: mediaSessionId, status: 'FAILED' };
    this.send('fail', { ...refusal, info: STREAM_INFO.sessionNotReady });
    return undefined;
  }

  /** Becomes the media transport of a session. It is no connection of a client then. */
  #carryMedia(body: object): undefined {
    const { authToken = '' } = readFields(MediaTransportRequest, body);
    const transport = new MediaTransport(this.#webSocket, this.#socket, (reason) => this.disconnect(reason));
    this.#transport = transport;
    this.#registration[Symbol.dispose]();
    this.#nextPingMs = performance.now() + this.#context.options.keepAliveIntervalMs;
    if (this.#context.transport(authToken, transport)) return;
    this.#context.counters.count('signalling_refused');
    this.disconnect('no player waits for this media transport', CLOSE_POLICY);
  }

  /** Takes the client's own words, and asks whether it may connect. A session that is resumed is asked for again. */
  #introduce(body: object): undefined {
    const asked = readFields(ConnectionRequest, body);
    const kept = asked.authToken === undefined ? undefined : this.#context.resume(asked.authToken);
    const said = { ...kept, ...asked };
    this.#said = withoutPassword(said);
    this.#resumed = kept !== undefined;
    this.#authToken = (kept && asked.authToken) ?? randomBytes(TOKEN_BYTES).toString('base64url');
    this.#nextPingMs = performance.now() + this.#context.options.keepAliveIntervalMs;
    this.#waiting = new WaitingMessages(MAX_WAITING, this.#context.options.maxMessageBytes);
    void this.#ask(said, kept && asked.authToken);
  }

  /** Never rejects. The answer may come when the client is gone. */
  async #ask(said: Partial<ConnectionRequest>, authToken: string | undefined): Promise<void> {
    let access: ClientAccess;
    try {
      access = await this.#context.access.connect({
        sessionId: this.sessionId,
        appKey: said.appKey ?? DEFAULT_APP,
        protocol: 'webrtc',
        remoteAddress: this.remoteAddress,
        custom: objectOf(said.custom),
        fields: connectFields(said, { origin: this.#origin, authToken }),
        close: (reason) => this.disconnect(reason),
      });
    } catch (error) {
      return this.#refuse(error);
    }
    if (this.#ended !== undefined) return access.end(this.#ended.reason);
    try {
      this.#establish(access);
    } catch (error) {
      this.fault(error, 'session could not be established');
      this.disconnect('internal error');
    }
  }

  #establish(access: ClientAccess): void {
    this.#access = access;
    const { appKey, authToken } = this;
    const { options, rooms } = this.#context;
    const visitor = options.roomApps.includes(appKey)
      ? new RoomVisitor({ directory: rooms, link: this, access, authToken })
      : undefined;
    this.#session = new ClientSession({ ...this.#context.media, options, access, link: this, rooms: visitor });
    this.#context.established(this);
    const { clientVersion, sipRegisterRequired } = this.#said;
    this.#log.info({ appKey, resumed: this.#resumed, clientVersion }, 'web client connected');
    access.established({ authToken });
    const data = { ...userData(access.fields, this.#said), appKey, authToken, status: 'ESTABLISHED' };
    this.send('getUserData', access.forClient('ConnectionStatusEvent', access.forClient('connect', data)));
    if (sipRegisterRequired === true) {
      // Only a closed connection gets the client out of its wait for "registered" (§11.1).
      const info = 'SIP is not available';
      this.send('fail', { apiMethod: 'RegistrationStatusEvent', status: 'FAILED', info });
      this.disconnect(info);
    }
    const waiting = this.#waiting?.take() ?? [];
    this.#waiting = undefined;
    for (const message of waiting) if (this.#ended === undefined) this.#act(message);
  }

  /** Not let in: the SDK warns with the reason, and its session is FAILED. */
  #refuse(error: unknown): void {
    const info = infoOfError(error);
    if (!(error instanceof MediaServerError)) this.fault(error, 'client could not be asked for');
    if (this.#ended !== undefined) return;
    this.#context.counters.count('signalling_refused');
    const suppressed = this.#context.faults.take();
    if (suppressed >= 0) this.#log.warn({ appKey: this.appKey, info, suppressed }, 'web client refused');
    this.send('fail', { apiMethod: 'ConnectionStatusEvent', status: 'FAILED', info });
    if (this.#ended !== undefined) return;
    this.#end('over', info);
    this.#socket.write(ERROR_FRAME);
    setTimeout(() => this.#webSocket.terminate(), LINGER_MS).unref();
  }

  /** Answers a message that nothing can be done with. A client that keeps sending such is disconnected. */
  #bad(apiMethod: string, info: string): void {
    this.#context.counters.count('signalling_bad_messages');
    const suppressed = this.#context.faults.take();
    if (suppressed >= 0) this.#log.warn({ apiMethod, info, suppressed }, 'message of a web client refused');
    this.send('fail', { apiMethod, status: 'FAILED', info });
    if (!this.#badMessages.spend()) this.disconnect('too many messages that can not be answered', CLOSE_POLICY);
  }

  #broken(error: Error): void {
    this.#context.counters.count('signalling_bad_messages');
    const suppressed = this.#context.faults.take();
    if (suppressed >= 0) this.#log.warn({ error: error.message, suppressed }, 'WebSocket of a web client broke');
  }

  #silent(reason: string): void {
    this.#context.counters.count('signalling_silent_clients');
    this.#cutOff(reason);
  }

  /** For clients that would not read a close frame. Their session may be resumed. */
  #cutOff(reason: string): void {
    this.#end('lost', reason);
    this.#webSocket.terminate();
  }

  #stop(how: 'over' | 'resumed', reason: string, code: number): void {
    if (this.#ended !== undefined) return;
    this.#end(how, reason);
    this.#webSocket.close(code, Buffer.from(reason).subarray(0, MAX_REASON_BYTES));
    setTimeout(() => this.#webSocket.terminate(), LINGER_MS).unref();
  }

  #end(how: 'over' | 'lost' | 'resumed', reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    this.#waiting = undefined;
    this.#signs.gone();
    this.#session?.close(reason, how === 'resumed' || (how === 'lost' && this.resumable));
    this.#transport?.gone();
    this.#registration[Symbol.dispose]();
    this.#context.ended(this, how);
    if (this.#session !== undefined) this.#log.info({ reason }, 'web client left');
  }
}
