import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import { type AmfValue, encodeAmf0, ProtocolError } from '@sluice/media';
import type { Log, OutboundAddress, RelayEnd } from '../../../core/index.ts';
import { CHUNK_STREAM, MESSAGE, setChunkSize, windowAcknowledgementSize, writeMessage } from '../wire/chunk-writer.ts';
import { RtmpConnection } from '../wire/connection.ts';
import { ClientHandshake } from '../wire/handshake.ts';
import { DEFAULT_PORTS } from './address.ts';
import { endOfError, type Status, statusOf } from './endings.ts';

/** What a server answered to a command: _result or _error with these values. */
export interface Reply {
  readonly ok: boolean;
  readonly values: readonly AmfValue[];
}

/** What a connection to a server tells its owner, synchronously. Nothing comes after `lost`, or after `close`. */
export interface ServerEvents {
  /** The handshake is over. */
  ready(): void;
  status(status: Status): void;
  audio(body: Uint8Array, timestamp: number): void;
  video(body: Uint8Array, timestamp: number): void;
  data(values: AmfValue[]): void;
  /** See `ConnectionEvents.streamEvent`. */
  streamEvent(event: number): void;
  /** The connection is gone, or breaks the protocol. Once. */
  lost(end: RelayEnd): void;
}

export interface ServerSocketOptions {
  readonly secure: boolean;
  readonly tlsVerify: boolean;
}

/** What a server may send before it has anything to send, and to one who publishes. */
const COMMAND_BYTES = 256 * 1024;
/** Servers send about ten when a stream begins and few after that. */
const MAX_COMMANDS_A_SECOND = 200;
/** Answers to pings and the like, beside media, that may wait for a server that does not read. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_OPEN_CALLS = 16;
const WINDOW_BYTES = 2_500_000;
/** What a server that is told goodbye may take until it has read that. */
const LINGER_MS = 1000;
const KEEP_ALIVE_MS = 15_000;

/** Opens a socket to an address that was found good, never to a name; SNI and certificate go by the name. */
export function openSocket(address: OutboundAddress, { secure, tlsVerify }: ServerSocketOptions): Socket {
  const port = address.port ?? (secure ? DEFAULT_PORTS.secure : DEFAULT_PORTS.plain);
  const where = { host: address.address, port };
  if (!secure) return connectPlain({ ...where, noDelay: true });
  const servername = isIP(address.host) === 0 ? { servername: address.host } : {};
  return connectSecure({ ...where, ...servername, rejectUnauthorized: tlsVerify }).setNoDelay(true);
}

/** One connection to an RTMP server, as its client: the handshake, commands with their answers, what it sends. */
export class ServerConnection {
  readonly socket: Socket;
  /** Host and port, for people. */
  readonly where: string;
  readonly #events: ServerEvents;
  readonly #log: Log;
  readonly #connection: RtmpConnection;
  readonly #calls = new Map<number, (reply: Reply) => void>();
  readonly #closed: Promise<void>;
  #chunkSize = 128;
  #transaction = 0;
  #commands = 0;
  /** Bytes that the system had taken when it took some last, and when that was. */
  #sent = 0;
  #sentAtMs = performance.now();
  /** Bytes of answers to the server since its socket was empty. */
  #answerBytes = 0;
  #connected = false;
  #over = false;

  constructor(socket: Socket, events: ServerEvents, { where, log }: { readonly where: string; readonly log: Log }) {
    this.socket = socket;
    this.where = where;
    this.#events = events;
    this.#log = log;
    this.#connection = new RtmpConnection(
      {
        send: (bytes) => this.#answer(bytes),
        command: (name, id, args) => this.#onCommand(name, id, args),
        data: (values) => this.#tell(() => events.data(values)),
        audio: (body, timestamp) => this.#tell(() => events.audio(body, timestamp)),
        video: (body, timestamp) => this.#tell(() => events.video(body, timestamp)),
        pong: () => {},
        shaken: () => this.#tell(() => events.ready()),
        streamEvent: (event) => this.#tell(() => events.streamEvent(event)),
      },
      { maxMessageBytes: COMMAND_BYTES, maxPendingBytes: 2 * COMMAND_BYTES },
      new ClientHandshake(),
    );
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      this.#connected = true;
      this.#connection.begin();
    });
    socket.on('data', (bytes) => this.#onData(bytes));
    socket.on('error', (error) => this.#lose(endOfError(error, where)));
    const gone = (): void => this.#lose({ code: 'ended', message: `${where} closed the connection` });
    socket.on('end', gone);
    socket.on('close', gone);
  }

  /** True once there is a connection, its TLS included. */
  get connected(): boolean {
    return this.#connected;
  }

  /** True once the handshake is over. */
  get ready(): boolean {
    return this.#connection.ready;
  }

  /** Takes messages of that length from now on: media is to come. */
  acceptMedia(maxMessageBytes: number): void {
    this.#connection.setLimits({ maxMessageBytes, maxPendingBytes: maxMessageBytes + maxMessageBytes / 2 });
  }

  /** What follows a `connect` that went well: our window, and the size of our chunks from now on. */
  agree(chunkSize: number): void {
    this.write(Buffer.concat([windowAcknowledgementSize(WINDOW_BYTES), setChunkSize(chunkSize)]));
    this.#chunkSize = chunkSize;
  }

  /** Sends a command on the connection itself; `onReply` gets the answer, if one comes. */
  call(name: string, args: readonly AmfValue[], onReply?: (reply: Reply) => void): void {
    const id = ++this.#transaction;
    if (onReply !== undefined && this.#calls.size < MAX_OPEN_CALLS) this.#calls.set(id, onReply);
    this.#command(encodeAmf0(name, id, ...args), 0);
  }

  /** Sends a command on a message stream; the server answers by `status`. */
  tell(streamId: number, name: string, args: readonly AmfValue[]): void {
    this.#command(encodeAmf0(name, ++this.#transaction, null, ...args), streamId);
  }

  /** False when the caller should wait for `drain`. */
  write(bytes: Uint8Array): boolean {
    if (this.#over || !this.socket.writable) return false;
    return this.socket.write(bytes);
  }

  /** How long the server has taken nothing of what waits for it; 0 while nothing waits. To be called now and then. */
  blockedMs(nowMs: number): number {
    const { bytesWritten, writableLength } = this.socket;
    const sent = bytesWritten - writableLength;
    if (sent !== this.#sent || writableLength === 0) {
      this.#sent = sent;
      this.#sentAtMs = nowMs;
    }
    if (writableLength === 0) this.#answerBytes = 0;
    return nowMs - this.#sentAtMs;
  }

  /** Called about once a second. */
  renewAllowance(): void {
    this.#commands = 0;
  }

  /** Ends it; after `goodbye` what waits may leave first, as far as that is quick. Resolves when the socket is gone. */
  close(goodbye: boolean): Promise<void> {
    this.#over = true;
    this.#calls.clear();
    if (!goodbye || this.socket.connecting) this.socket.destroy();
    else {
      this.socket.end();
      // What comes meanwhile must not keep the end from being seen.
      this.socket.resume();
      const timer = setTimeout(() => this.socket.destroy(), LINGER_MS);
      void this.#closed.then(() => clearTimeout(timer));
    }
    return this.#closed;
  }

  #onData(bytes: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#connection.push(bytes);
    } catch (error) {
      this.#lose(this.#endOfInput(error));
    }
  }

  #endOfInput(error: unknown): RelayEnd {
    if (error instanceof ProtocolError) {
      const message = this.ready ? error.message : `it does not speak RTMP (${error.message})`;
      return { code: 'invalid', message: `what ${this.where} sends can not be used: ${message}` };
    }
    // A fault of ours that this server's input brings out must cost this connection only.
    this.#log.error({ err: error }, 'unexpected error while reading from an RTMP server');
    return { code: 'invalid', message: 'internal error while reading what the server sends' };
  }

  #onCommand(name: string, id: number, args: readonly AmfValue[]): void {
    if (this.#over) return;
    if (++this.#commands > MAX_COMMANDS_A_SECOND)
      throw new ProtocolError('RTMP_TOO_MANY_COMMANDS', `over ${MAX_COMMANDS_A_SECOND} commands a second`);
    switch (name) {
      case '_result':
      case '_error': {
        const onReply = this.#calls.get(id);
        this.#calls.delete(id);
        return onReply?.({ ok: name === '_result', values: args });
      }
      case 'onStatus':
        return this.#events.status(statusOf(args));
      case 'close':
        return this.#lose({ code: 'ended', message: `${this.where} closed the connection` });
      case '_onbwcheck':
      case 'onBWCheck':
        // Flash Media Servers measure before they play, and wait for this.
        return this.#command(encodeAmf0('_result', id, null, 0), 0);
      default:
      // onBWDone, onFCPublish and the like ask nothing of us.
    }
  }

  /** An event that was brought out by earlier bytes of a connection that is over now is void. */
  #tell(event: () => void): void {
    if (!this.#over) event();
  }

  #command(body: Uint8Array, streamId: number): void {
    const header = { chunkStreamId: CHUNK_STREAM.command, type: MESSAGE.command, streamId, timestamp: 0 };
    this.write(writeMessage(header, body, this.#chunkSize));
  }

  /** Handshake, acknowledgements, answers to pings: a server that asks for them without reading must not fill memory. */
  #answer(bytes: Uint8Array): void {
    this.write(bytes);
    this.#answerBytes = this.socket.writableLength === 0 ? 0 : this.#answerBytes + bytes.length;
    if (this.#answerBytes > MAX_ANSWER_BYTES)
      this.#lose({ code: 'stalled', message: `${this.where} does not read the answers to what it asks` });
  }

  #lose(end: RelayEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#calls.clear();
    this.#events.lost(end);
  }
}
