import { createServer, type Server, type Socket } from 'node:net';
import { type AmfObject, type AmfValue, encodeAmf0 } from '@sluice/media';
import { connectReply, statusMessage } from '../replies.ts';
import { CHUNK_STREAM, MESSAGE, writeMessage } from '../wire/chunk-writer.ts';
import { RtmpConnection } from '../wire/connection.ts';

/** A command that a client sent. */
export interface Heard {
  readonly name: string;
  readonly id: number;
  readonly args: readonly AmfValue[];
  readonly streamId: number;
}

/** What a client sent of media and data, in order. */
export interface HeardMedia {
  readonly kind: 'audio' | 'video' | 'data';
  readonly timestamp: number;
  readonly body: Uint8Array;
  readonly values: readonly AmfValue[];
}

const CHUNK_BYTES = 65_536;
/** Not 1, so that nobody may take it for granted. */
const STREAM_ID = 5;

/** One client of a {@link ScriptedServer}. */
export class ScriptedPeer {
  readonly heard: Heard[] = [];
  readonly media: HeardMedia[] = [];
  readonly socket: Socket;
  readonly #connection: RtmpConnection;
  #chunkBytes = 128;

  constructor(socket: Socket, script: Script) {
    this.socket = socket;
    socket.on('error', () => {});
    const keep = (kind: HeardMedia['kind'], timestamp: number, body: Uint8Array, values: readonly AmfValue[] = []) =>
      void this.media.push({ kind, timestamp, body: new Uint8Array(body), values });
    this.#connection = new RtmpConnection({
      send: (bytes) => void socket.write(bytes),
      command: (name, id, args, streamId) => {
        const command = { name, id, args, streamId };
        this.heard.push(command);
        if (!script(command, this)) this.#usual(command);
      },
      audio: (body, timestamp) => keep('audio', timestamp, body),
      video: (body, timestamp) => keep('video', timestamp, body),
      data: (values, timestamp) => keep('data', timestamp, new Uint8Array(0), values),
      pong: () => {},
    });
    socket.on('data', (bytes) => this.#connection.push(bytes));
  }

  /** What the client told when it connected. */
  get connect(): AmfObject {
    return (this.heard.find(({ name }) => name === 'connect')?.args[0] ?? {}) as AmfObject;
  }

  /** A text that it told when it connected. */
  told(name: string): string {
    const value = this.connect[name];
    return typeof value === 'string' ? value : '';
  }

  command(name: string, id: number, ...args: AmfValue[]): void {
    this.message(MESSAGE.command, encodeAmf0(name, id, ...args));
  }

  message(type: number, body: Uint8Array, timestamp = 0): void {
    const chunkStreamId = type === MESSAGE.command ? CHUNK_STREAM.command : CHUNK_STREAM.video;
    this.socket.write(writeMessage({ chunkStreamId, type, streamId: STREAM_ID, timestamp }, body, this.#chunkBytes));
  }

  status(code: string, level: 'status' | 'error' = 'status', description = ''): void {
    this.socket.write(statusMessage(this.#chunkBytes, { level, code, description }));
  }

  refuse(id: number, description: string, more: AmfObject = {}): void {
    const info = { level: 'error', code: 'NetConnection.Connect.Rejected', description, ...more };
    this.command('_error', id, null, info);
    this.socket.end();
  }

  /** What every server answers. */
  #usual({ name, id }: Heard): void {
    if (name === 'connect') {
      this.socket.write(connectReply(CHUNK_BYTES, id, 0));
      this.#chunkBytes = CHUNK_BYTES;
    } else if (name === 'createStream') this.command('_result', id, null, STREAM_ID);
    else if (name === 'publish') this.status('NetStream.Publish.Start');
    else if (name === 'play') this.status('NetStream.Play.Start');
  }
}

/** Says what the server does with a command; true: nothing else is to be done. */
export type Script = (command: Heard, peer: ScriptedPeer) => boolean;

/** An RTMP server for tests that does what it is told, and otherwise what all servers do. */
export class ScriptedServer {
  readonly peers: ScriptedPeer[] = [];
  readonly #server: Server;

  private constructor(onSocket: (socket: Socket, server: ScriptedServer) => void) {
    this.#server = createServer((socket) => onSocket(socket, this));
  }

  static start(script: Script = () => false): Promise<ScriptedServer> {
    return ScriptedServer.raw((socket, server) => void server.peers.push(new ScriptedPeer(socket, script)));
  }

  /** One that does not speak RTMP by itself. */
  static async raw(onSocket: (socket: Socket, server: ScriptedServer) => void): Promise<ScriptedServer> {
    const made = new ScriptedServer((socket, server) => {
      made.#sockets.add(socket);
      socket.on('error', () => {});
      onSocket(socket, server);
    });
    await new Promise<void>((resolve) => made.#server.listen(0, '127.0.0.1', () => resolve()));
    return made;
  }

  readonly #sockets = new Set<Socket>();

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  url(path: string): string {
    return `rtmp://127.0.0.1:${this.port}/${path}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
