import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Handshake, readHandshake } from '../wire/handshake.ts';

/** A handshake as a caller sends it. */
export function handshakeOf(more: {
  readonly type: number;
  readonly version?: number;
  readonly socketId?: number;
  readonly cookie?: number;
  readonly extensions?: Buffer;
}): Buffer {
  const packet = Buffer.alloc(64);
  packet.writeUInt32BE(0x8000_0000, 0);
  packet.writeUInt32BE(more.version ?? 5, 16);
  packet.writeUInt16BE(5, 22);
  packet.writeUInt32BE(1500, 28);
  packet.writeUInt32BE(8192, 32);
  packet.writeUInt32BE(more.type >>> 0, 36);
  packet.writeUInt32BE(more.socketId ?? 77, 40);
  packet.writeUInt32BE(more.cookie ?? 0, 44);
  return Buffer.concat([packet, more.extensions ?? Buffer.alloc(0)]);
}

/** An extension of a handshake. */
export function extensionOf(type: number, content: Buffer): Buffer {
  const padded = Buffer.alloc(Math.ceil(content.length / 4) * 4);
  content.copy(padded);
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(padded.length / 4, 2);
  return Buffer.concat([head, padded]);
}

/** Those of a caller of libsrt: its version and flags, and the stream id with its words turned round. */
export function callerExtensions(streamId: string): Buffer {
  const hsreq = extensionOf(1, Buffer.from('00010505000000bf00780078', 'hex'));
  const bytes = Buffer.alloc(Math.ceil(Buffer.byteLength(streamId) / 4) * 4);
  bytes.write(streamId);
  return streamId === '' ? hsreq : Buffer.concat([hsreq, extensionOf(5, bytes.swap32())]);
}

/** A UDP socket that shakes hands by hand. */
export class RawCaller {
  readonly received: Buffer[] = [];
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (datagram) => this.received.push(datagram));
    socket.on('error', () => undefined);
  }

  static async to(port: number): Promise<RawCaller> {
    const socket = createSocket('udp4');
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawCaller(socket);
  }

  get handshakes(): Handshake[] {
    return this.received.map((datagram) => readHandshake(datagram)).filter((handshake) => handshake !== undefined);
  }

  send(datagram: Buffer): void {
    this.#socket.send(datagram);
  }

  induce(socketId?: number): void {
    this.send(handshakeOf({ type: 1, version: 4, ...(socketId === undefined ? {} : { socketId }) }));
  }

  conclude(cookie: number, streamId: string): void {
    this.send(handshakeOf({ type: -1, cookie, extensions: callerExtensions(streamId) }));
  }

  close(): void {
    this.#socket.close();
  }
}
