import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { type AmfObject, type AmfValue, codecTitle, ProtocolError, UnsupportedCodecError } from '@sluice/media';
import {
  type ClientAccess,
  type ConnectionDescription,
  type CounterName,
  ENDING_INFO,
  type Log,
  startUsOf,
} from '../../core/index.ts';
import {
  bytesReadFrom,
  bytesWrittenTo,
  connectionName,
  plainAddress,
  type RestedReader,
  readShared,
} from '../../io/index.ts';
import { Admission } from './admission.ts';
import { CAPABILITY, type ConnectFacts, readConnect } from './connect.ts';
import { appKeyOf, connectFields } from './introduction.ts';
import { NetStream } from './net-stream.ts';
import { PLAY_STREAM_ID } from './packager.ts';
import type { NamedRequest, Outcome, RtmpPeer } from './peer.ts';
import type { RtmpPublication } from './publication.ts';
import { commandMessage, connectRefusal, connectReply, reconnectRequest, statusMessage } from './replies.ts';
import type { RtmpContext } from './server.ts';
import { Supervision } from './supervision.ts';
import { splitNameAndQuery } from './url.ts';
import { USER_CONTROL, userControl } from './wire/chunk-writer.ts';
import { RtmpConnection } from './wire/connection.ts';

/** Commands that encoders send and nobody needs an answer to (functions-1 §1.1). */
const IGNORED = new Set(['FCSubscribe', 'FCPublish', 'FCUnpublish', 'onStatus', 'onUpstreamBase', 'releaseStream']);
/** Encoders and players send about ten when they begin and few after that. */
const MAX_COMMANDS_A_SECOND = 200;
/** Bytes beyond a viewer's own write that may wait for a peer that does not read: answers, pings, status. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** What a peer that has not connected yet may have the server hold: handshake and one command. */
const MAX_STRANGER_BYTES = 64 * 1024;
/** What a peer may send ahead while the back end is asked: then its socket is not read. */
const MAX_HELD_BYTES = 256 * 1024;
/** How long a closed session's last messages may take to leave. */
const CLOSE_LINGER_MS = 2000;
/** Connection parameter that asks for silence in place of the sound (functions-1 §1.2). */
const SUPPRESS_SOUND = 'suppress_sound';

const LEFT: Outcome = { failed: false, info: ENDING_INFO.sessionDisconnect };

/** One RTMP peer: its connection and the commands of it (Adobe RTMP 1.0 §7.2.1), around one {@link NetStream}. */
export class RtmpSession implements RtmpPeer, RestedReader {
  readonly sessionId: string;
  readonly remoteAddress: string;
  readonly socket: Socket;
  /** Its socket may be read beside Node. */
  readonly #canRest: boolean;
  readonly #context: RtmpContext;
  readonly #connection: RtmpConnection;
  readonly #supervision: Supervision;
  readonly #registration: Disposable;
  readonly #admission: Admission;
  readonly #stream: NetStream;
  readonly #ownLogin = randomBytes(15).toString('base64url');
  readonly #createdAt = Date.now();
  readonly #openedMs = performance.now();
  #log: Log;
  #app = '';
  #connectParameters: Readonly<Record<string, string>> = {};
  /** Undefined before `connect`. */
  #facts: ConnectFacts | undefined;
  #commands = 0;
  #closed = false;

  constructor(socket: Socket, context: RtmpContext) {
    this.socket = socket;
    this.#context = context;
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.sessionId = connectionName(socket);
    this.#log = context.log.child({ session: this.sessionId });
    this.#supervision = new Supervision(context.options.supervision, this.#openedMs);
    this.#connection = new RtmpConnection(
      {
        send: (bytes) => this.#send(bytes),
        command: (name, id, args) => this.#onCommand(name, id, args),
        data: (values) => this.#publication?.data(values),
        audio: (body, timestamp) => this.#publication?.audio(body, timestamp),
        video: (body, timestamp) => this.#publication?.video(body, timestamp),
        pong: () => {},
      },
      { maxMessageBytes: MAX_STRANGER_BYTES, maxPendingBytes: MAX_STRANGER_BYTES },
    );
    this.#admission = new Admission(context.access, {
      hold: () => this.#connection.hold(),
      goOn: () => this.#goOn(),
      failed: (error) => this.#onInputError(error),
    });
    this.#stream = new NetStream({
      peer: this,
      socket,
      context,
      admission: this.#admission,
      log: () => this.#log,
      closed: () => this.#closed,
      send: (bytes) => this.#send(bytes),
      noteRefusal: (fields, reason) => this.#noteRefusal(fields, reason),
      terminate: (reason) => this.terminate(reason),
      close: (reason, outcome) => this.close(reason, outcome),
      failed: (error) => this.#onInputError(error),
    });
    this.#registration = context.connections.add({
      sessionId: this.sessionId,
      describe: () => this.#describe(),
      close: (reason) => this.terminate(reason),
      setLogLevel: (level) => {
        this.#log = context.log.child({ session: this.sessionId, app: this.#app }, { level });
      },
    });
    this.#canRest = readShared(socket, (bytes) => this.onBytes(bytes));
    socket.on('error', (error) => this.#onSocketError(error));
    socket.on('close', () => this.close('peer left', LEFT));
    socket.on('end', () => this.close('peer left', LEFT));
  }

  /** The application that the peer belongs to, or asks for. */
  get appKey(): string {
    return this.#admission.client?.appKey ?? appKeyOf(this.#connectParameters);
  }

  get secure(): boolean {
    return 'encrypted' in this.socket;
  }

  get chunkBytes(): number {
    return this.#connection.peerChunkBytes;
  }

  get #publication(): RtmpPublication | undefined {
    return this.#closed ? undefined : this.#stream.publication;
  }

  /** Names the peer in files of recordings: as the back end knows it. */
  get login(): string {
    return this.#admission.client?.login ?? this.#ownLogin;
  }

  #describe(): ConnectionDescription {
    return {
      sessionId: this.sessionId,
      appKey: this.appKey,
      protocol: 'rtmp',
      mediaProvider: 'Flash',
      status: this.#admission.client === undefined ? 'PENDING' : 'ESTABLISHED',
      login: this.login,
      clientVersion: this.#facts?.flashVer ?? '',
      remoteAddress: this.remoteAddress,
      createDate: this.#createdAt,
      keepAlive: this.#context.options.supervision.keepAlive,
      bytesIn: bytesReadFrom(this.socket),
      bytesOut: bytesWrittenTo(this.socket),
      custom: this.#connectParameters,
    };
  }

  /** Called about once a second: handshake, keep-alive, timeouts and stalls. */
  check(nowMs: number): void {
    const { options } = this.#context;
    this.#commands = 0;
    // A peer that waits for an answer is neither late nor silent.
    if (this.#admission.asking) return this.#supervision.excuse(nowMs);
    if (this.#facts === undefined && nowMs - this.#openedMs > options.handshakeTimeoutMs) {
      return this.#fail('handshake not finished in time', 'rtmp_refused');
    }
    if (this.#stream.playback?.viewer.isStalled(nowMs)) {
      return this.#fail(`viewer has not read for ${options.viewerStallTimeoutMs} ms`, 'rtmp_slow_viewers');
    }
    const silence = this.#publication?.check(nowMs);
    if (silence !== undefined) {
      this.#context.counters.count('rtmp_silent_peers');
      this.#log.warn({ stream: this.#stream.name }, `publisher dropped: ${silence}`);
      return this.terminate(silence, { failed: true, info: ENDING_INFO.rtpActivity });
    }
    this.#supervise(nowMs);
    if (this.mayRest) this.#context.rested?.add(this);
  }

  /** True while nobody waits for what the peer sends: it publishes, and the stream has no reader. */
  get mayRest(): boolean {
    if (!this.#canRest || this.#closed || this.#admission.asking) return false;
    return this.#publication?.unwatched === true;
  }

  /** Somebody reads what the peer publishes, and gets it as it comes from now on. */
  watched(): void {
    this.#context.rested?.wake(this);
  }

  /** Tells the peer why, then ends the session: somebody other than the peer wants it gone. Idempotent. */
  terminate(reason: string, outcome: Outcome = { failed: false, info: reason }): void {
    if (this.#closed) return;
    if (this.#publication !== undefined) this.#status('error', 'NetStream.Publish.Failed', reason);
    if (this.#stream.playback !== undefined) this.#status('status', 'NetStream.Play.Stop', reason);
    this.close(reason, outcome);
  }

  /** Ends the session; a publisher's stream and a player's place are given back. Idempotent. */
  close(reason: string, outcome: Outcome): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.end(reason, outcome);
    this.#admission.end(outcome.info);
    this.#registration[Symbol.dispose]();
    this.#context.rested?.wake(this);
    this.#context.sessionClosed(this);
    this.socket.end();
    // What nobody reads any more must not keep the peer's goodbye from being seen.
    this.socket.resume();
    // A peer that never reads would hold the socket: what it has not taken by then is let go.
    setTimeout(() => this.socket.destroy(), CLOSE_LINGER_MS).unref();
  }

  /** Asks the peer to reconnect, to `url` if that is not empty; false when it has not said that it can. */
  requestReconnect(url: string): boolean {
    if (this.#closed || this.#admission.client === undefined) return false;
    if (((this.#facts?.capabilities ?? 0) & CAPABILITY.reconnect) === 0) return false;
    this.#send(reconnectRequest(this.#context.options.chunkSize, url));
    return true;
  }

  /** Takes what the peer sent; nothing of it is kept that is not copied. */
  onBytes(bytes: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#connection.push(bytes);
      if (this.#connection.heldBytes > MAX_HELD_BYTES) this.socket.pause();
    } catch (error) {
      this.#onInputError(error);
    }
  }

  /** Handles what came while a question was open. */
  #goOn(): void {
    try {
      this.#connection.resume();
      if (this.#connection.heldBytes <= MAX_HELD_BYTES) this.socket.resume();
    } catch (error) {
      this.#onInputError(error);
    }
  }

  #onSocketError(error: Error): void {
    const reason = `connection broke: ${error.message}`;
    // Before `connect` it may be the TLS handshake that failed.
    if (this.#facts === undefined) this.#fail(reason, 'rtmp_refused');
    else this.close(reason, LEFT);
  }

  #onInputError(error: unknown): void {
    if (error instanceof UnsupportedCodecError) {
      const { publishMedia } = this.#context.options;
      const instead = [...publishMedia[error.kind]].map(codecTitle).join(', ');
      const text = `${error.message}; set the encoder to one of ${instead}`;
      this.#log.warn({ stream: this.#stream.name }, `publish refused: ${text}`);
      this.#context.counters.count('rtmp_refused');
      return this.terminate(text, { failed: true, info: ENDING_INFO.noCommonCodecs });
    }
    if (error instanceof ProtocolError) return this.#fail(`${error.code}: ${error.message}`, 'rtmp_protocol_errors');
    // A fault of ours that this peer's input brings out must cost this peer only.
    this.#log.error({ err: error, stream: this.#stream.name }, 'unexpected error while reading from an RTMP peer');
    this.#fail('internal error', 'rtmp_internal_errors');
  }

  /** Ends the session for a fault of the peer: counted, logged at a limited rate. */
  #fail(reason: string, counter: CounterName): void {
    if (this.#closed) return;
    this.#context.counters.count(counter);
    const held = this.#context.faults.take();
    if (held >= 0) this.#log.warn({ reason, stream: this.#stream.name, suppressed: held }, 'rtmp peer dropped');
    this.close(reason, outcomeOfFault(counter, reason));
    this.socket.destroy();
  }

  #onCommand(name: string, id: number, args: AmfValue[]): void {
    // A message before this one, in the same bytes, may have ended the session.
    if (this.#closed) return;
    if (++this.#commands > MAX_COMMANDS_A_SECOND)
      throw new ProtocolError('RTMP_TOO_MANY_COMMANDS', `over ${MAX_COMMANDS_A_SECOND} commands a second`);
    if (name === 'connect') return this.#onConnect(id, args);
    const facts = this.#facts;
    const { client } = this.#admission;
    if (facts === undefined || client === undefined)
      throw new ProtocolError('RTMP_BAD_COMMAND', 'command before connect');
    if (name === 'FCUnpublish') this.#publication?.stopping();
    if (name === 'releaseStream') this.#holderMayBeGone(args[1]);
    switch (name) {
      case 'createStream':
        return this.#command('_result', id, null, PLAY_STREAM_ID);
      case 'publish':
        return this.#stream.publish(this.#requestOf(args[1]), client);
      case 'play':
        return args[1] === false ? this.#stream.stop() : this.#play(this.#playRequestOf(args), { client, facts });
      case 'play2':
        return this.#play(this.#requestOf((args[1] as AmfObject | null)?.['streamName']), { client, facts });
      case 'pause':
      case 'pauseRaw':
        return this.#stream.pause(args[1] === true);
      case 'getStreamLength':
        return this.#command('_result', id, null, 0);
      case 'deleteStream':
      case 'closeStream':
        return this.#stream.stop();
      default:
        // Answered, so that an encoder that waits goes on; the rest of what is known needs no answer.
        if (IGNORED.has(name) && id !== 0) this.#command('_result', id, null, undefined);
    }
  }

  /** A peer that comes back asks for its name anew: whether it left before must not be found out later than that. */
  #holderMayBeGone(name: AmfValue | undefined): void {
    if (typeof name !== 'string') return;
    this.#context.streams.get(splitNameAndQuery(name).name)?.publisher?.watched?.();
  }

  #onConnect(id: number, args: AmfValue[]): void {
    if (this.#facts !== undefined) throw new ProtocolError('RTMP_BAD_COMMAND', 'second connect');
    const object = args[0];
    const properties: AmfObject = typeof object === 'object' && object !== null && !Array.isArray(object) ? object : {};
    const app = splitNameAndQuery(typeof properties['app'] === 'string' ? properties['app'] : '');
    this.#connectParameters = app.parameters;
    this.#app = app.name;
    this.#log = this.#log.child({ app: app.name });
    const facts = readConnect(properties);
    this.#facts = facts;
    const { sessionId, remoteAddress } = this;
    const fields = connectFields(properties, { login: this.#ownLogin, facts });
    const close = (reason: string): void => this.terminate(reason);
    const custom = this.#connectParameters;
    this.#admission.connect(
      { sessionId, remoteAddress, appKey: appKeyOf(custom), protocol: 'rtmp', custom, fields, close },
      {
        yes: (client) => {
          const { maxMessageBytes, chunkSize } = this.#context.options;
          this.#connection.setLimits({ maxMessageBytes, maxPendingBytes: maxMessageBytes + maxMessageBytes / 2 });
          client.established();
          this.#send(connectReply(chunkSize, id, facts.objectEncoding));
        },
        no: (reason) => {
          this.#noteRefusal({ code: 'NetConnection.Connect.Rejected' }, reason);
          this.#send(connectRefusal(this.#context.options.chunkSize, id, reason));
          this.close(reason, { failed: true, info: reason });
        },
      },
    );
  }

  #play(
    request: NamedRequest,
    { client, facts }: { readonly client: ClientAccess; readonly facts: ConnectFacts },
  ): void {
    const silent = this.#connectParameters[SUPPRESS_SOUND] === 'true';
    this.#stream.play(request, { client, wish: { facts, silent } });
  }

  /** The place in a file where to begin is told in seconds by the address, or in milliseconds by the command. */
  #playRequestOf([, name, startMs]: AmfValue[]): NamedRequest {
    const request = this.#requestOf(name);
    const commandUs = typeof startMs === 'number' && startMs > 0 ? Math.round(startMs * 1000) : undefined;
    return { ...request, startUs: startUsOf(request.custom['start']) ?? commandUs };
  }

  /** Reads the name from a command; its parameters become the session's `custom`. */
  #requestOf(value: AmfValue): NamedRequest {
    if (typeof value !== 'string') throw new ProtocolError('RTMP_BAD_COMMAND', 'command without a stream name');
    const { name, parameters } = splitNameAndQuery(value);
    const merge = this.#context.options.mergeConnectionParameters;
    return { name, custom: merge ? { ...this.#connectParameters, ...parameters } : parameters };
  }

  #noteRefusal(fields: object, reason: string): void {
    this.#context.counters.count('rtmp_refused');
    if (this.#context.faults.take() >= 0) this.#log.warn(fields, reason);
  }

  #supervise(nowMs: number): void {
    const traffic = {
      bytesReceived: bytesReadFrom(this.socket),
      bytesSent: bytesWrittenTo(this.socket) - this.socket.writableLength,
    };
    // A peer whose socket is full can't answer: its stall limit decides then.
    const canPing = this.#admission.client !== undefined && !this.socket.writableNeedDrain;
    const verdict = this.#supervision.check(nowMs, traffic, canPing);
    if (verdict.kind === 'dead') this.#fail(verdict.reason, 'rtmp_silent_peers');
    else if (verdict.kind === 'ping') this.#send(userControl(USER_CONTROL.pingRequest, Math.floor(nowMs)));
  }

  #status(level: 'status' | 'error', code: string, description: string): void {
    this.#send(statusMessage(this.#context.options.chunkSize, { level, code, description }));
  }

  #command(name: string, id: number, ...values: AmfValue[]): void {
    this.#send(commandMessage(this.#context.options.chunkSize, name, id, ...values));
  }

  #send(bytes: Uint8Array): void {
    if (this.socket.destroyed || !this.socket.writable) return;
    this.socket.write(bytes);
    if (this.socket.writableLength > MAX_WAITING_BYTES + this.#stream.largestWrite)
      this.#fail('peer does not read what it asked for', 'rtmp_slow_viewers');
  }
}

/** Peers that are gone without a word have left like others; the rest has failed. */
function outcomeOfFault(counter: CounterName, reason: string): Outcome {
  if (counter === 'rtmp_silent_peers') return LEFT;
  return { failed: true, info: counter === 'rtmp_internal_errors' ? ENDING_INFO.error : reason };
}
