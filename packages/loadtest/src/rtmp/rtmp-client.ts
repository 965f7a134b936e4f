import { connect, type Socket } from 'node:net';
import { type AmfObject, type AmfValue, encodeAmf0, ProtocolError } from '@sluice/media';
import {
  CHUNK_STREAM,
  MESSAGE,
  setChunkSize,
  USER_CONTROL,
  userControl,
  windowAcknowledgementSize,
  writeMessage,
} from '@sluice/server/wire/rtmp/chunk-writer';
import { RtmpConnection } from '@sluice/server/wire/rtmp/connection';
import { ClientHandshake } from '@sluice/server/wire/rtmp/handshake';
import type { RtmpAddress } from './rtmp-address.ts';

/** What a client hears of its connection. */
export interface RtmpClientEvents {
  /** The server has accepted the publication or the playing. */
  accepted(): void;
  video(body: Buffer): void;
  audio(body: Buffer): void;
  /** The connection is over; once, and not after `close`. */
  lost(reason: string): void;
}

const CHUNK_BYTES = 4096;
const WINDOW_BYTES = 2_500_000;
const BUFFER_MS = 1000;
const LIMITS = { maxMessageBytes: 8 * 1024 * 1024, maxPendingBytes: 12 * 1024 * 1024 };
/** Transaction numbers of our commands. */
const CONNECT = 1;
const CREATE_STREAM = 2;
/** What a server may not have read before its connection is given up: far more than a second of anything. */
const MAX_UNSENT_BYTES = 16 * 1024 * 1024;

/** A client of RTMP that publishes or plays one stream, with its commands sent as soon as they may be. */
export class RtmpClient {
  bytesIn = 0;
  bytesOut = 0;
  readonly #address: RtmpAddress;
  readonly #role: 'publish' | 'play';
  readonly #events: RtmpClientEvents;
  readonly #connection: RtmpConnection;
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  #chunkBytes = 128;
  #streamId = 0;
  #over = false;

  constructor(address: RtmpAddress, role: 'publish' | 'play', events: RtmpClientEvents) {
    this.#address = address;
    this.#role = role;
    this.#events = events;
    this.#connection = new RtmpConnection(
      {
        send: (bytes) => this.#write(bytes),
        command: (name, id, args) => this.#onCommand(name, id, args),
        data: () => {},
        audio: (body) => events.audio(bufferOf(body)),
        video: (body) => events.video(bufferOf(body)),
        pong: () => {},
        shaken: () => this.#introduce(),
      },
      LIMITS,
      new ClientHandshake(),
    );
    this.#socket = connect({ host: address.host, port: address.port, noDelay: true });
    this.#closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('connect', () => this.#connection.begin());
    this.#socket.on('data', (bytes) => this.#onData(bytes));
    this.#socket.on('error', (error) => this.#lose(error.message));
    this.#socket.on('close', () => this.#lose('the server closed the connection'));
  }

  /** Sends the body of an FLV tag; at a time in milliseconds. */
  sendMedia(kind: 'video' | 'audio', body: Uint8Array, timestampMs: number): void {
    const header = {
      chunkStreamId: CHUNK_STREAM[kind],
      type: MESSAGE[kind],
      streamId: this.#streamId,
      timestamp: timestampMs,
    };
    this.#write(writeMessage(header, body, this.#chunkBytes));
    if (this.#socket.writableLength > MAX_UNSENT_BYTES) this.#lose('the server does not read what is published');
  }

  /** Sends the metadata of what is published. */
  sendMetadata(values: Readonly<Record<string, AmfValue>>): void {
    const header = { chunkStreamId: CHUNK_STREAM.data, type: MESSAGE.data, streamId: this.#streamId, timestamp: 0 };
    this.#write(writeMessage(header, encodeAmf0('@setDataFrame', 'onMetaData', { ...values }), this.#chunkBytes));
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#over = true;
    this.#socket.destroy();
    return this.#closed;
  }

  #onData(bytes: Buffer): void {
    if (this.#over) return;
    this.bytesIn += bytes.length;
    try {
      this.#connection.push(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#lose(`broken RTMP: ${error.message}`);
    }
  }

  #introduce(): void {
    const { app, tcUrl } = this.#address;
    const kind = this.#role === 'publish' ? { type: 'nonprivate' } : {};
    const properties = { app, ...kind, flashVer: 'LNX 9,0,124,2', tcUrl, fpad: false, capabilities: 15 };
    this.#command(0, 'connect', CONNECT, { ...properties, audioCodecs: 4071, videoCodecs: 252, videoFunction: 1 });
  }

  #onCommand(name: string, id: number, args: readonly AmfValue[]): void {
    if (this.#over) return;
    if (name === '_error') return this.#lose(`the server refuses: ${wordsOf(args)}`);
    if (name === '_result' && id === CONNECT) return this.#createStream();
    if (name === '_result' && id === CREATE_STREAM) return this.#begin(args[1]);
    if (name === 'onStatus') this.#onStatus(args);
  }

  #createStream(): void {
    this.#write(windowAcknowledgementSize(WINDOW_BYTES));
    this.#write(setChunkSize(CHUNK_BYTES));
    this.#chunkBytes = CHUNK_BYTES;
    this.#command(0, 'createStream', CREATE_STREAM, null);
  }

  #begin(streamId: AmfValue | undefined): void {
    if (typeof streamId !== 'number') return this.#lose('the server gives no stream');
    this.#streamId = streamId;
    const { streamName } = this.#address;
    if (this.#role === 'publish') return this.#command(streamId, 'publish', 0, null, streamName, 'live');
    this.#command(streamId, 'play', 0, null, streamName, -2000);
    this.#write(userControl(USER_CONTROL.setBufferLength, streamId, BUFFER_MS));
  }

  #onStatus(args: readonly AmfValue[]): void {
    const { code, level } = informationOf(args);
    if (code === 'NetStream.Publish.Start' || code === 'NetStream.Play.Start') return this.#events.accepted();
    const isEnd = code === 'NetStream.Play.UnpublishNotify' || code === 'NetStream.Play.Stop';
    if (level === 'error' || isEnd) this.#lose(`the server says ${wordsOf(args)}`);
  }

  #command(streamId: number, ...values: readonly AmfValue[]): void {
    const header = { chunkStreamId: CHUNK_STREAM.command, type: MESSAGE.command, streamId, timestamp: 0 };
    this.#write(writeMessage(header, encodeAmf0(...values), this.#chunkBytes));
  }

  #write(bytes: Uint8Array): void {
    if (this.#over || !this.#socket.writable) return;
    this.bytesOut += bytes.length;
    this.#socket.write(bytes);
  }

  #lose(reason: string): void {
    if (this.#over) return;
    void this.close();
    this.#events.lost(reason);
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The object that tells about a command (Adobe RTMP 1.0 §7.2.2). */
function informationOf([, information]: readonly AmfValue[]): Readonly<Record<string, AmfValue | undefined>> {
  const isObject = typeof information === 'object' && information !== null && !Array.isArray(information);
  return isObject ? (information as AmfObject) : {};
}

function wordsOf(args: readonly AmfValue[]): string {
  const { code, description } = informationOf(args);
  return [code, description].filter((word) => typeof word === 'string').join(', ') || 'without a reason';
}
