import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { type AmfObject, type AmfValue, codecTitle, ProtocolError, UnsupportedCodecError } from '@sluice/media';
import {
  type ConnectionDescription,
  type CounterName,
  type Log,
  MediaServerError,
  type Stream,
} from '../../core/index.ts';
import { connectionName, plainAddress } from '../../io/index.ts';
import { CAPABILITY, type ConnectFacts, readConnect } from './connect.ts';
import { PLAY_STREAM_ID } from './packager.ts';
import { APP_KEY, type NamedRequest, type RtmpPeer } from './peer.ts';
import { RtmpPlayback } from './playback.ts';
import { RtmpPublication } from './publication.ts';
import { commandMessage, connectReply, reconnectRequest, sampleAccessMessage, statusMessage } from './replies.ts';
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
/** How long a closed session's last messages may take to leave. */
const CLOSE_LINGER_MS = 2000;
/** Connection parameter that asks for silence in place of the sound (functions-1 §1.2). */
const SUPPRESS_SOUND = 'suppress_sound';

/** One RTMP peer: the commands of NetConnection and NetStream (Adobe RTMP 1.0 §7.2) around one role. */
export class RtmpSession implements RtmpPeer {
  readonly sessionId: string;
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #context: RtmpContext;
  readonly #connection: RtmpConnection;
  readonly #supervision: Supervision;
  readonly #registration: Disposable;
  readonly #login = randomBytes(15).toString('base64url');
  readonly #createdAt = Date.now();
  readonly #openedMs = performance.now();
  #log: Log;
  #app = '';
  #connectParameters: Readonly<Record<string, string>> = {};
  /** Undefined before `connect`. */
  #facts: ConnectFacts | undefined;
  #role: RtmpPublication | RtmpPlayback | undefined;
  /** Set while a player waits for its stream. */
  #wait: AbortController | undefined;
  /** Of playbacks that are over: their last write may still be waiting. */
  #largestWrite = 0;
  #commands = 0;
  #closed = false;

  constructor(socket: Socket, context: RtmpContext) {
    this.#socket = socket;
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
    this.#registration = context.connections.add({
      sessionId: this.sessionId,
      describe: () => this.#describe(),
      close: (reason) => this.terminate(reason),
    });
    socket.on('data', (bytes) => this.#onData(bytes));
    socket.on('error', (error) => this.#onSocketError(error));
    socket.on('close', () => this.close('peer left'));
    socket.on('end', () => this.close('peer left'));
  }

  get #publication(): RtmpPublication | undefined {
    return this.#role instanceof RtmpPublication && !this.#closed ? this.#role : undefined;
  }

  get #playback(): RtmpPlayback | undefined {
    return this.#role instanceof RtmpPlayback ? this.#role : undefined;
  }

  #describe(): ConnectionDescription {
    return {
      sessionId: this.sessionId,
      appKey: APP_KEY,
      protocol: 'rtmp',
      mediaProvider: 'Flash',
      status: this.#facts === undefined ? 'PENDING' : 'ESTABLISHED',
      login: this.#login,
      clientVersion: this.#facts?.flashVer ?? '',
      remoteAddress: this.remoteAddress,
      createDate: this.#createdAt,
      keepAlive: this.#context.options.supervision.keepAlive,
      bytesIn: this.#socket.bytesRead,
      bytesOut: this.#socket.bytesWritten,
      custom: this.#connectParameters,
    };
  }

  /** Called about once a second: handshake, keep-alive, timeouts and stalls. */
  check(nowMs: number): void {
    const { options } = this.#context;
    this.#commands = 0;
    if (this.#facts === undefined && nowMs - this.#openedMs > options.handshakeTimeoutMs) {
      return this.#fail('handshake not finished in time', 'rtmp_refused');
    }
    if (this.#playback?.viewer.isStalled(nowMs)) {
      return this.#fail(`viewer has not read for ${options.viewerStallTimeoutMs} ms`, 'rtmp_slow_viewers');
    }
    const silence = this.#publication?.check(nowMs);
    if (silence !== undefined) {
      this.#context.counters.count('rtmp_silent_peers');
      this.#log.warn({ stream: this.#role?.name }, `publisher dropped: ${silence}`);
      return this.terminate(silence);
    }
    this.#supervise(nowMs);
  }

  /** Tells the peer why, then ends the session: somebody other than the peer wants it gone. Idempotent. */
  terminate(reason: string): void {
    if (this.#closed) return;
    if (this.#publication !== undefined) this.#status('error', 'NetStream.Publish.Failed', reason);
    if (this.#playback !== undefined) this.#status('status', 'NetStream.Play.Stop', reason);
    this.close(reason);
  }

  /** Ends the session; a publisher's stream and a player's place are given back. Idempotent. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelWait();
    const role = this.#role;
    if (role !== undefined) {
      role.end(reason);
      this.#log.info({ reason, bytesIn: this.#socket.bytesRead }, `${kindOf(role)} ended`);
    }
    this.#registration[Symbol.dispose]();
    this.#context.sessionClosed(this);
    this.#socket.end();
    // A peer that never reads would hold the socket: what it has not taken by then is let go.
    setTimeout(() => this.#socket.destroy(), CLOSE_LINGER_MS).unref();
  }

  /** Asks the peer to reconnect, to `url` if that is not empty; false when it has not said that it can. */
  requestReconnect(url: string): boolean {
    if (this.#closed || ((this.#facts?.capabilities ?? 0) & CAPABILITY.reconnect) === 0) return false;
    this.#send(reconnectRequest(this.#context.options.chunkSize, url));
    return true;
  }

  #onData(bytes: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#connection.push(bytes);
    } catch (error) {
      this.#onInputError(error);
    }
  }

  #onSocketError(error: Error): void {
    const reason = `connection broke: ${error.message}`;
    // Before `connect` it may be the TLS handshake that failed.
    if (this.#facts === undefined) this.#fail(reason, 'rtmp_refused');
    else this.close(reason);
  }

  #onInputError(error: unknown): void {
    if (error instanceof UnsupportedCodecError) {
      const { publishMedia } = this.#context.options;
      const instead = [...publishMedia[error.kind]].map(codecTitle).join(', ');
      const text = `${error.message}; set the encoder to one of ${instead}`;
      this.#log.warn({ stream: this.#role?.name }, `publish refused: ${text}`);
      this.#context.counters.count('rtmp_refused');
      return this.terminate(text);
    }
    if (error instanceof ProtocolError) return this.#fail(`${error.code}: ${error.message}`, 'rtmp_protocol_errors');
    // A fault of ours that this peer's input brings out must cost this peer only.
    this.#log.error({ err: error, stream: this.#role?.name }, 'unexpected error while reading from an RTMP peer');
    this.#fail('internal error', 'rtmp_internal_errors');
  }

  /** Ends the session for a fault of the peer: counted, logged at a limited rate. */
  #fail(reason: string, counter: CounterName): void {
    if (this.#closed) return;
    this.#context.counters.count(counter);
    const held = this.#context.faults.take();
    if (held >= 0) this.#log.warn({ reason, stream: this.#role?.name, suppressed: held }, 'rtmp peer dropped');
    this.close(reason);
    this.#socket.destroy();
  }

  #onCommand(name: string, id: number, args: AmfValue[]): void {
    // A message before this one, in the same bytes, may have ended the session.
    if (this.#closed) return;
    if (++this.#commands > MAX_COMMANDS_A_SECOND)
      throw new ProtocolError('RTMP_TOO_MANY_COMMANDS', `over ${MAX_COMMANDS_A_SECOND} commands a second`);
    if (name === 'connect') return this.#onConnect(id, args);
    if (this.#facts === undefined) throw new ProtocolError('RTMP_BAD_COMMAND', 'command before connect');
    switch (name) {
      case 'createStream':
        return this.#command('_result', id, null, PLAY_STREAM_ID);
      case 'publish':
        return this.#onPublish(args);
      case 'play':
        return args[1] === false ? this.#onStop() : this.#onPlay(args[1], this.#facts);
      case 'play2':
        return this.#onPlay((args[1] as AmfObject | null)?.['streamName'], this.#facts);
      case 'pause':
      case 'pauseRaw':
        return this.#onPause(args[1] === true);
      case 'getStreamLength':
        return this.#command('_result', id, null, 0);
      case 'deleteStream':
      case 'closeStream':
        return this.#onStop();
      default:
        // Answered, so that an encoder that waits goes on; the rest of what is known needs no answer.
        if (IGNORED.has(name) && id !== 0) this.#command('_result', id, null, undefined);
    }
  }

  #onConnect(id: number, args: AmfValue[]): void {
    if (this.#facts !== undefined) throw new ProtocolError('RTMP_BAD_COMMAND', 'second connect');
    const object = args[0];
    const properties: AmfObject = typeof object === 'object' && object !== null && !Array.isArray(object) ? object : {};
    const app = splitNameAndQuery(typeof properties['app'] === 'string' ? properties['app'] : '');
    this.#app = app.name;
    this.#connectParameters = app.parameters;
    this.#facts = readConnect(properties);
    const { maxMessageBytes } = this.#context.options;
    this.#connection.setLimits({ maxMessageBytes, maxPendingBytes: maxMessageBytes + maxMessageBytes / 2 });
    this.#send(connectReply(this.#context.options.chunkSize, id, this.#facts.objectEncoding));
  }

  #onPublish(args: AmfValue[]): void {
    const request = this.#requestOf(args[1]);
    if (this.#role !== undefined || this.#wait !== undefined)
      return this.#refuse('NetStream.Publish.Failed', 'this connection is already in use', request);
    let publication: RtmpPublication;
    try {
      publication = new RtmpPublication(this, request, this.#context, (reason) => this.terminate(reason));
    } catch (error) {
      if (!(error instanceof MediaServerError)) throw error;
      const code = error.code === 'STREAM_NAME_BUSY' ? 'NetStream.Publish.BadName' : 'NetStream.Publish.Failed';
      return this.#refuse(code, error.message, request);
    }
    this.#begin(publication);
    this.#send(userControl(USER_CONTROL.streamBegin, PLAY_STREAM_ID));
    this.#status('status', 'NetStream.Publish.Start', `${request.name} is now published.`);
  }

  /** Plays a stream, in place of the one that is being played, if any (NetStream.play). */
  #onPlay(value: AmfValue, facts: ConnectFacts): void {
    const request = this.#requestOf(value);
    if (this.#role instanceof RtmpPublication)
      return this.#refuse('NetStream.Play.Failed', 'this connection is already in use', request);
    this.#onStop();
    if (!this.#context.options.playbackEnabled)
      return this.#refuse('NetStream.Play.Failed', 'RTMP playback is turned off (rtmp_playback_enabled)', request);
    const wait = new AbortController();
    this.#wait = wait;
    void this.#context
      .findStream(request.name, wait.signal)
      .then((stream) => {
        if (this.#wait === wait) this.#startPlayback(request, stream, facts);
      })
      .catch((error: unknown) => {
        if (!(error instanceof MediaServerError)) return this.#onInputError(error);
        if (this.#wait === wait) this.#refuse('NetStream.Play.Failed', error.message, request);
      });
  }

  #startPlayback(request: NamedRequest, stream: Stream | undefined, facts: ConnectFacts): void {
    this.#wait = undefined;
    const { name } = request;
    if (stream === undefined || stream.ended)
      return this.#refuse('NetStream.Play.StreamNotFound', `no stream "${name}"`, request);
    this.#send(userControl(USER_CONTROL.streamBegin, PLAY_STREAM_ID));
    this.#status('status', 'NetStream.Play.Reset', `playing and resetting ${name}.`);
    this.#status('status', 'NetStream.Play.Start', `started playing ${name}.`);
    this.#send(sampleAccessMessage(this.#context.options.chunkSize));
    // A peer that does not read is closed by one of these.
    if (this.#closed) return;
    const silent = this.#connectParameters[SUPPRESS_SOUND] === 'true';
    const place = this.#context.placeFor(stream, { facts, silent });
    const events = {
      ended: (reason: string) => this.#onStreamEnded(reason),
      closed: (reason: string) => this.terminate(reason),
    };
    const viewer = { peer: this, socket: this.#socket, place };
    const playback = new RtmpPlayback(viewer, request, { context: this.#context, events });
    this.#begin(playback);
    for (const text of place.leftOut) this.#log.warn({}, text);
    playback.viewer.pump();
  }

  #onStreamEnded(reason: string): void {
    this.#status('status', 'NetStream.Play.UnpublishNotify', `${this.#role?.name} is now unpublished.`);
    this.#send(userControl(USER_CONTROL.streamEof, PLAY_STREAM_ID));
    this.#status('status', 'NetStream.Play.Stop', reason);
    this.close(reason);
  }

  #onPause(paused: boolean): void {
    const playback = this.#playback;
    if (playback === undefined) return;
    playback.viewer.setPaused(paused);
    this.#status('status', paused ? 'NetStream.Pause.Notify' : 'NetStream.Unpause.Notify', playback.name);
  }

  /** The peer ends its stream in good order; the connection may then publish or play again. */
  #onStop(): void {
    this.#cancelWait();
    const role = this.#role;
    if (role === undefined) return;
    this.#role = undefined;
    if (role instanceof RtmpPlayback) this.#largestWrite = Math.max(this.#largestWrite, role.viewer.largestWrite);
    role.end('publisher stopped');
    if (role instanceof RtmpPublication)
      this.#status('status', 'NetStream.Unpublish.Success', `${role.name} is now unpublished.`);
    this.#log.info({}, `${kindOf(role)} stopped`);
  }

  #cancelWait(): void {
    const wait = this.#wait;
    this.#wait = undefined;
    wait?.abort();
  }

  /** Reads the name from a command; its parameters become the session's `custom`. */
  #requestOf(value: AmfValue): NamedRequest {
    if (typeof value !== 'string') throw new ProtocolError('RTMP_BAD_COMMAND', 'command without a stream name');
    const { name, parameters } = splitNameAndQuery(value);
    const merge = this.#context.options.mergeConnectionParameters;
    return { name, custom: merge ? { ...this.#connectParameters, ...parameters } : parameters };
  }

  #begin(role: RtmpPublication | RtmpPlayback): void {
    this.#role = role;
    this.#log = this.#context.log.child({ session: this.sessionId, stream: role.name });
    this.#log.info({ app: this.#app, mediaSessionId: role.mediaSessionId }, `${kindOf(role)} started`);
  }

  #refuse(code: string, description: string, request: NamedRequest): void {
    if (this.#closed) return;
    this.#context.counters.count('rtmp_refused');
    if (this.#context.faults.take() >= 0) this.#log.warn({ code, stream: request.name }, description);
    this.#status('error', code, description);
    if (this.#role === undefined) this.close(description);
  }

  #supervise(nowMs: number): void {
    const traffic = {
      bytesReceived: this.#socket.bytesRead,
      bytesSent: this.#socket.bytesWritten - this.#socket.writableLength,
    };
    // A peer whose socket is full can't answer: its stall limit decides then.
    const canPing = this.#facts !== undefined && !this.#socket.writableNeedDrain;
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
    if (this.#socket.destroyed || !this.#socket.writable) return;
    this.#socket.write(bytes);
    const ownWrite = Math.max(this.#largestWrite, this.#playback?.viewer.largestWrite ?? 0);
    if (this.#socket.writableLength > MAX_WAITING_BYTES + ownWrite)
      this.#fail('peer does not read what it asked for', 'rtmp_slow_viewers');
  }
}

function kindOf(role: RtmpPublication | RtmpPlayback): 'publish' | 'play' {
  return role instanceof RtmpPublication ? 'publish' : 'play';
}
