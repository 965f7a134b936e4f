import { randomBytes, randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { type AmfObject, type AmfValue, ProtocolError } from '@sluice/media';
import {
  type ClientConnection,
  type ConnectionDescription,
  type CounterName,
  type FanOut,
  FanOutViewer,
  type Log,
  MediaServerError,
  type MediaSession,
  type Publisher,
  type SessionDescription,
  type SessionRegistry,
  type Stream,
} from '../../core/index.ts';
import { PLAY_STREAM_ID } from './packager.ts';
import { commandMessage, connectReply, sampleAccessMessage, statusMessage } from './replies.ts';
import type { RtmpContext, RtmpOptions } from './server.ts';
import { RtmpToStream, UnsupportedCodec } from './to-stream.ts';
import { splitNameAndQuery } from './url.ts';
import { USER_CONTROL, userControl } from './wire/chunk-writer.ts';
import { RtmpConnection } from './wire/connection.ts';

/** WCS's application key for RTMP sessions (functions-1 §1.1). */
const APP_KEY = 'flashStreamingApp';
/** Commands that encoders send and nobody needs an answer to (functions-1 §1.1). */
const IGNORED = new Set(['FCSubscribe', 'FCPublish', 'FCUnpublish', 'onStatus', 'onUpstreamBase', 'releaseStream']);
/** Encoders and players send about ten when they begin and few after that. */
const MAX_COMMANDS_A_SECOND = 200;
/** Bytes beyond a viewer's own write that may wait for a peer that does not read: answers, pings, status. */
const MAX_WAITING_BYTES = 1024 * 1024;

type Role = { kind: 'publish'; input: RtmpToStream } | { kind: 'play'; fanOut: FanOut; viewer: FanOutViewer };

/** One RTMP peer: the commands of NetConnection and NetStream (Adobe RTMP 1.0 §7.2) around one role. */
export class RtmpSession implements MediaSession, Publisher {
  readonly #connectionRegistration: Disposable;
  readonly #login = randomBytes(15).toString('base64url');
  #clientVersion = '';
  readonly mediaSessionId = randomUUID();
  readonly sessionId: string;
  readonly #socket: Socket;
  readonly #context: RtmpContext;
  readonly #connection: RtmpConnection;
  readonly #remoteAddress: string;
  readonly #createdAt = Date.now();
  #log: Log;
  #app = '';
  #connectParameters: Readonly<Record<string, string>> = {};
  #custom: Readonly<Record<string, string>> = {};
  #connected = false;
  #streamName = '';
  #stream: Stream | undefined;
  #role: Role | undefined;
  #registration: Disposable | undefined;
  /** Set while a player waits for its stream. */
  #wait: AbortController | undefined;
  #commands = 0;
  readonly #openedMs = performance.now();
  #lastPingMs = performance.now();
  #unanswered = 0;
  #heard = false;
  #closed = false;

  constructor(socket: Socket, context: RtmpContext) {
    this.#socket = socket;
    this.#context = context;
    this.#remoteAddress = plainAddress(socket.remoteAddress);
    this.sessionId = `/${this.#remoteAddress}:${socket.remotePort}/${plainAddress(socket.localAddress)}:${socket.localPort}`;
    this.#log = context.log.child({ session: this.sessionId });
    const { maxMessageBytes } = context.options;
    this.#connection = new RtmpConnection(
      {
        send: (bytes) => this.#send(bytes),
        command: (name, id, args) => this.#onCommand(name, id, args),
        data: (values) => this.#input?.data(values),
        audio: (body, timestamp) => this.#input?.audio(body, timestamp),
        video: (body, timestamp) => this.#input?.video(body, timestamp),
        pong: () => {},
      },
      { maxMessageBytes, maxPendingBytes: maxMessageBytes + maxMessageBytes / 2 },
    );
    this.#connectionRegistration = context.connections.add({
      sessionId: this.sessionId,
      describe: () => this.#describeConnection(),
      close: (reason) => this.close(reason),
    } satisfies ClientConnection);
    socket.on('data', (bytes) => this.#onData(bytes));
    socket.on('error', (error) => this.close(`connection broke: ${error.message}`));
    socket.on('close', () => this.close('peer left'));
    socket.on('end', () => this.close('peer left'));
  }

  get #input(): RtmpToStream | undefined {
    return this.#role?.kind === 'publish' && !this.#closed ? this.#role.input : undefined;
  }

  describe(): SessionDescription {
    const publishing = this.#role?.kind === 'publish';
    return {
      sessionId: this.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: APP_KEY,
      protocol: 'rtmp',
      mediaProvider: 'Flash',
      mediaType: publishing ? 'publish' : 'play',
      streamName: this.#streamName,
      status: this.#closed ? 'STOPPED' : publishing ? 'PUBLISHING' : 'PLAYING',
      createDate: this.#createdAt,
      transport: 'TCP',
      remoteAddress: this.#remoteAddress,
      bytesIn: this.#socket.bytesRead,
      bytesOut: this.#socket.bytesWritten,
      packets: this.#role?.kind === 'play' ? this.#role.viewer.packetsSent : 0,
      queuedBytes: this.#socket.writableLength,
      drops: this.#role?.kind === 'play' ? { slow_viewer: this.#role.viewer.dropped } : {},
      custom: this.#custom,
    };
  }

  #describeConnection(): ConnectionDescription {
    return {
      sessionId: this.sessionId,
      appKey: APP_KEY,
      protocol: 'rtmp',
      mediaProvider: 'Flash',
      status: this.#connected ? 'ESTABLISHED' : 'PENDING',
      login: this.#login,
      clientVersion: this.#clientVersion,
      remoteAddress: this.#remoteAddress,
      createDate: this.#createdAt,
      keepAlive: this.#context.options.keepAlive,
      bytesIn: this.#socket.bytesRead,
      bytesOut: this.#socket.bytesWritten,
      custom: this.#connectParameters,
    };
  }

  /** Called about once a second: handshake, keep-alive and stall limits. */
  check(nowMs: number): void {
    const { options } = this.#context;
    this.#commands = 0;
    if (!this.#connected && nowMs - this.#openedMs > options.handshakeTimeoutMs) {
      return this.#fail('handshake not finished in time', 'rtmp_refused');
    }
    if (this.#role?.kind === 'play' && this.#role.viewer.isStalled(nowMs)) {
      return this.#fail(`viewer has not read for ${options.viewerStallTimeoutMs} ms`, 'rtmp_slow_viewers');
    }
    this.#keepAlive(nowMs, options);
  }

  /** Ends the session; a publisher's stream and a player's place are given back. Idempotent. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelWait();
    const role = this.#role;
    if (role?.kind === 'publish' && this.#stream !== undefined) {
      this.#context.streams.unpublish(this.#stream, this, reason);
    }
    if (role?.kind === 'play') {
      this.#context.counters.count('rtmp_dropped_packets', role.viewer.dropped);
      this.#leavePlayback(role);
    }
    this.#registration?.[Symbol.dispose]();
    this.#connectionRegistration[Symbol.dispose]();
    this.#context.sessionClosed(this);
    if (role !== undefined) this.#log.info({ reason, bytesIn: this.#socket.bytesRead }, `${role.kind} ended`);
    this.#socket.end();
    // A peer that never reads would hold the socket: what it has not taken by then is let go.
    setTimeout(() => this.#socket.destroy(), CLOSE_LINGER_MS).unref();
  }

  #onData(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#unanswered = 0;
    this.#heard = true;
    try {
      this.#connection.push(bytes);
    } catch (error) {
      this.#onInputError(error);
    }
  }

  #onInputError(error: unknown): void {
    if (error instanceof UnsupportedCodec) {
      this.#status('error', 'NetStream.Publish.Failed', error.message);
      this.#log.warn({ stream: this.#streamName }, `publish refused: ${error.message}`);
      this.#context.counters.count('rtmp_refused');
      return this.close(error.message);
    }
    if (error instanceof ProtocolError) return this.#fail(`${error.code}: ${error.message}`, 'rtmp_protocol_errors');
    // A fault of ours that this peer's input brings out must cost this peer only.
    this.#log.error({ err: error, stream: this.#streamName }, 'unexpected error while reading from an RTMP peer');
    this.#fail('internal error', 'rtmp_internal_errors');
  }

  /** Ends the session for a fault of the peer: counted, logged at a limited rate. */
  #fail(reason: string, counter: CounterName): void {
    if (this.#closed) return;
    this.#context.counters.count(counter);
    const held = this.#context.faults.take();
    if (held >= 0)
      this.#log.warn({ reason, stream: this.#streamName || undefined, suppressed: held }, 'rtmp peer dropped');
    this.close(reason);
    this.#socket.destroy();
  }

  #onCommand(name: string, id: number, args: AmfValue[]): void {
    // A message before this one, in the same bytes, may have ended the session.
    if (this.#closed) return;
    if (++this.#commands > MAX_COMMANDS_A_SECOND)
      throw new ProtocolError('RTMP_TOO_MANY_COMMANDS', `over ${MAX_COMMANDS_A_SECOND} commands a second`);
    if (name === 'connect') return this.#onConnect(id, args);
    if (!this.#connected) throw new ProtocolError('RTMP_BAD_COMMAND', 'command before connect');
    switch (name) {
      case 'createStream':
        return this.#command('_result', id, null, PLAY_STREAM_ID);
      case 'publish':
        return this.#onPublish(args);
      case 'play':
        return args[1] === false ? this.#onStop() : this.#onPlay(args[1]);
      case 'play2':
        return this.#onPlay((args[1] as AmfObject | null)?.['streamName']);
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
    if (this.#connected) throw new ProtocolError('RTMP_BAD_COMMAND', 'second connect');
    const object = args[0];
    const properties: AmfObject = typeof object === 'object' && object !== null && !Array.isArray(object) ? object : {};
    const app = typeof properties['app'] === 'string' ? properties['app'] : '';
    const split = splitNameAndQuery(app);
    this.#app = split.name;
    this.#connectParameters = split.parameters;
    this.#connected = true;
    const version = properties['flashVer'];
    this.#clientVersion = typeof version === 'string' ? version.slice(0, 256) : '';
    const encoding = properties['objectEncoding'] === 3 ? 3 : 0;
    this.#send(connectReply(this.#context.options.chunkSize, id, encoding));
  }

  #onPublish(args: AmfValue[]): void {
    const name = this.#takeName(args[1]);
    if (this.#role !== undefined || this.#wait !== undefined)
      return this.#refuse('NetStream.Publish.Failed', 'this connection is already in use');
    try {
      this.#stream = this.#context.streams.publish(name, this);
    } catch (error) {
      if (!(error instanceof MediaServerError)) throw error;
      const code = error.code === 'STREAM_NAME_BUSY' ? 'NetStream.Publish.BadName' : 'NetStream.Publish.Failed';
      return this.#refuse(code, error.message);
    }
    this.#role = { kind: 'publish', input: new RtmpToStream(this.#stream, this.#context.counters) };
    this.#begin('publish');
    this.#send(userControl(USER_CONTROL.streamBegin, PLAY_STREAM_ID));
    this.#status('status', 'NetStream.Publish.Start', `${name} is now published.`);
  }

  /** Plays a stream, in place of the one that is being played, if any (NetStream.play). */
  #onPlay(value: AmfValue): void {
    if (this.#role?.kind === 'publish')
      return this.#refuse('NetStream.Play.Failed', 'this connection is already in use');
    this.#onStop();
    const name = this.#takeName(value);
    const wait = new AbortController();
    this.#wait = wait;
    void this.#context
      .findStream(name, wait.signal)
      .then((stream) => {
        if (this.#wait === wait) this.#startPlayback(name, stream);
      })
      .catch((error: unknown) => {
        if (this.#wait === wait)
          this.#refuse('NetStream.Play.Failed', error instanceof Error ? error.message : 'failed');
      });
  }

  #startPlayback(name: string, stream: Stream | undefined): void {
    this.#wait = undefined;
    if (stream === undefined || stream.ended)
      return this.#refuse('NetStream.Play.StreamNotFound', `no stream "${name}"`);
    this.#stream = stream;
    this.#send(userControl(USER_CONTROL.streamBegin, PLAY_STREAM_ID));
    this.#status('status', 'NetStream.Play.Reset', `playing and resetting ${name}.`);
    this.#status('status', 'NetStream.Play.Start', `started playing ${name}.`);
    this.#send(sampleAccessMessage(this.#context.options.chunkSize));
    const fanOut = this.#context.fanOutFor(stream);
    const { options } = this.#context;
    const viewer = new FanOutViewer(this.#socket, fanOut, {
      maxWriteBytes: options.viewerWriteBytes,
      stallTimeoutMs: options.viewerStallTimeoutMs,
      onEnded: (reason) => this.#onStreamEnded(reason),
    });
    this.#role = { kind: 'play', fanOut, viewer };
    stream.addViewers(1);
    this.#begin('play');
    viewer.pump();
  }

  #onStreamEnded(reason: string): void {
    this.#status('status', 'NetStream.Play.UnpublishNotify', `${this.#streamName} is now unpublished.`);
    this.#send(userControl(USER_CONTROL.streamEof, PLAY_STREAM_ID));
    this.#status('status', 'NetStream.Play.Stop', reason);
    this.close(reason);
  }

  #onPause(paused: boolean): void {
    if (this.#role?.kind !== 'play') return;
    this.#role.viewer.setPaused(paused);
    this.#status('status', paused ? 'NetStream.Pause.Notify' : 'NetStream.Unpause.Notify', this.#streamName);
  }

  /** The peer ends its stream in good order; the connection may then publish or play again. */
  #onStop(): void {
    this.#cancelWait();
    const role = this.#role;
    if (role === undefined) return;
    this.#registration?.[Symbol.dispose]();
    this.#registration = undefined;
    this.#role = undefined;
    if (role.kind === 'play') this.#leavePlayback(role);
    else if (this.#stream !== undefined) {
      this.#context.streams.unpublish(this.#stream, this, 'publisher stopped');
      this.#status('status', 'NetStream.Unpublish.Success', `${this.#streamName} is now unpublished.`);
    }
    this.#log.info({}, `${role.kind} stopped`);
    this.#stream = undefined;
  }

  #cancelWait(): void {
    const wait = this.#wait;
    this.#wait = undefined;
    wait?.abort();
  }

  #leavePlayback(role: Role & { kind: 'play' }): void {
    role.viewer.close();
    this.#stream?.addViewers(-1);
    this.#context.viewerLeft(role.fanOut);
  }

  /** Reads the name from a command; parameters of connection and stream become the session's `custom`. */
  #takeName(value: AmfValue): string {
    if (typeof value !== 'string') throw new ProtocolError('RTMP_BAD_COMMAND', 'command without a stream name');
    const { name, parameters } = splitNameAndQuery(value);
    this.#custom = { ...this.#connectParameters, ...parameters };
    this.#streamName = name;
    return name;
  }

  #begin(kind: 'publish' | 'play'): void {
    const registry: SessionRegistry = this.#context.sessions;
    this.#registration = registry.add(this);
    this.#log = this.#log.child({ stream: this.#streamName });
    this.#log.info({ app: this.#app, mediaSessionId: this.mediaSessionId }, `${kind} started`);
  }

  #refuse(code: string, description: string): void {
    if (this.#closed) return;
    this.#context.counters.count('rtmp_refused');
    if (this.#context.faults.take() >= 0) this.#log.warn({ code, stream: this.#streamName }, description);
    this.#status('error', code, description);
    if (this.#role === undefined) this.close(description);
  }

  #keepAlive(nowMs: number, options: RtmpOptions): void {
    if (this.#heard) {
      // Who sends is alive. A ping to an encoder that is about to close would make its system reset the connection,
      // and with it throw away the last packets that we have not read yet.
      this.#heard = false;
      this.#lastPingMs = nowMs;
    }
    if (!options.keepAlive || !this.#connected || nowMs - this.#lastPingMs < options.keepAliveIntervalMs) return;
    if (this.#unanswered >= options.keepAliveProbes) {
      return this.#fail(`peer silent for ${options.keepAliveProbes} pings`, 'rtmp_refused');
    }
    this.#lastPingMs = nowMs;
    this.#unanswered++;
    // A peer whose socket is full can't answer: its stall limit decides then.
    if (this.#socket.writableNeedDrain) this.#unanswered = 0;
    else this.#send(userControl(USER_CONTROL.pingRequest, Math.floor(nowMs)));
  }

  #status(level: 'status' | 'error', code: string, description: string): void {
    this.#send(statusMessage(this.#context.options.chunkSize, { level, code, description }));
  }

  #command(name: string, ...values: AmfValue[]): void {
    this.#send(commandMessage(this.#context.options.chunkSize, name, ...values));
  }

  #send(bytes: Uint8Array): void {
    if (this.#socket.destroyed || !this.#socket.writable) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > MAX_WAITING_BYTES + this.#context.options.viewerWriteBytes) {
      this.#fail('peer does not read what it asked for', 'rtmp_slow_viewers');
    }
  }
}

/** How long a closed session's last messages may take to leave. */
const CLOSE_LINGER_MS = 2000;

/** An IPv4 peer of a dual-stack listener is shown as such. */
function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}
