import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type AmfObject, type AmfValue, decodeAmf0, encodeAmf0 } from '@sluice/media';
import { ChunkReader, type RtmpMessage } from '../wire/chunk-reader.ts';
import { MESSAGE, writeMessage } from '../wire/chunk-writer.ts';
import { HANDSHAKE_SIZE } from '../wire/handshake.ts';

/** A bare RTMP peer for tests: says just what it is told, keeps all that it hears. */
export class TestClient {
  readonly messages: RtmpMessage[] = [];
  readonly socket: Socket;
  readonly closed: Promise<void>;
  chunkSize = 128;
  /** What the server said of itself when it answered `connect`. */
  serverProperties: AmfObject = {};
  #reader = new ChunkReader();
  #waiters: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('close', () => this.#wake());
  }

  /** Connects without a handshake. */
  static async open(port: number): Promise<TestClient> {
    const socket = connect({ port, host: '127.0.0.1' });
    await once(socket, 'connect');
    return new TestClient(socket);
  }

  /** Connects, shakes hands and connects to the application. */
  static async connect(port: number, app = 'live', extra: AmfObject = {}): Promise<TestClient> {
    const client = await TestClient.open(port);
    await client.shake();
    client.command('connect', 1, { app, tcUrl: `rtmp://127.0.0.1/${app}`, objectEncoding: 0, ...extra });
    const answer = await client.until((message) => commandOf(message)?.[0] === '_result');
    client.serverProperties = (commandOf(answer)?.[2] ?? {}) as AmfObject;
    return client;
  }

  async shake(): Promise<void> {
    let held = Buffer.alloc(0);
    const done = new Promise<void>((resolve) => {
      const listen = (bytes: Buffer): void => {
        held = Buffer.concat([held, bytes]);
        if (held.length < 1 + 2 * HANDSHAKE_SIZE) return;
        this.socket.off('data', listen);
        this.socket.on('data', (more) => this.#receive(more));
        this.#receive(held.subarray(1 + 2 * HANDSHAKE_SIZE));
        resolve();
      };
      this.socket.on('data', listen);
    });
    this.socket.write(Buffer.concat([Uint8Array.of(3), Buffer.alloc(HANDSHAKE_SIZE)]));
    this.socket.write(Buffer.alloc(HANDSHAKE_SIZE));
    await done;
  }

  command(name: string, id: number, ...values: AmfValue[]): void {
    this.send(MESSAGE.command, encodeAmf0(name, id, ...values));
  }

  send(type: number, body: Uint8Array, timestamp = 0): void {
    const header = { chunkStreamId: type === MESSAGE.video ? 6 : 4, type, streamId: 1, timestamp };
    this.socket.write(writeMessage(header, body, this.chunkSize));
  }

  publish(name: string): Promise<AmfObject> {
    this.command('createStream', 2, null);
    this.command('publish', 3, null, name, 'live');
    return this.status();
  }

  play(name: string): Promise<AmfObject> {
    this.command('createStream', 2, null);
    this.command('play', 3, null, name);
    return this.status();
  }

  /** The next onStatus that has not been taken. */
  async status(): Promise<AmfObject> {
    const message = await this.until((m) => commandOf(m)?.[0] === 'onStatus');
    return commandOf(message)?.[3] as AmfObject;
  }

  /** Takes the first message that fits, waiting for it; fails when the connection closes first. */
  async until(fits: (message: RtmpMessage) => boolean): Promise<RtmpMessage> {
    for (;;) {
      const at = this.messages.findIndex(fits);
      const found = this.messages[at];
      if (found !== undefined) {
        this.messages.splice(at, 1);
        return found;
      }
      if (this.socket.destroyed) throw new Error('connection closed while waiting for a message');
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  close(): Promise<void> {
    this.socket.destroy();
    return this.closed;
  }

  #receive(bytes: Uint8Array): void {
    this.#reader.push(bytes, (message) => {
      if (message.type === MESSAGE.setChunkSize) this.#reader.setChunkSize(Buffer.from(message.payload).readUInt32BE());
      else this.messages.push({ ...message, payload: new Uint8Array(message.payload) });
    });
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}

export function commandOf(message: RtmpMessage): AmfValue[] | undefined {
  return message.type === MESSAGE.command ? decodeAmf0(message.payload) : undefined;
}

/** A minimal valid AVC sequence header body and frames, for servers that must believe that they get a stream. */
export const SAMPLE_SPS = Buffer.from('6742c01eda02802dd0800000030080000019478c1840', 'hex');
export const SAMPLE_PPS = Buffer.from('68ce3c80', 'hex');
