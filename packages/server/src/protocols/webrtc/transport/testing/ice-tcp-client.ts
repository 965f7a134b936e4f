import { connect, type Socket } from 'node:net';
import type { IceCredentials } from '../../wire/ice/index.ts';
import { isIntegrityRight, readStun, type StunMessage } from '../../wire/stun/index.ts';
import { FrameReader } from '../tcp-frames.ts';
import { checkOf } from './ice-client.ts';

/** A TCP connection that checks as the controlling agent of ICE (RFC 6544), and keeps all datagrams that it gets. */
export class IceTcpClient {
  readonly received: Buffer[] = [];
  /** Called with each datagram besides. */
  onDatagram: ((datagram: Buffer) => void) | undefined;
  /** The other side has closed it. */
  closed = false;
  readonly socket: Socket;
  readonly #reader = new FrameReader();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk, 65_535, (datagram) => {
        this.onDatagram?.(datagram);
        return this.received.push(datagram) > 0;
      });
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async open(serverPort: number, address = '127.0.0.1'): Promise<IceTcpClient> {
    const socket = connect(serverPort, address);
    const client = new IceTcpClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  get port(): number {
    return this.socket.localPort ?? 0;
  }

  /** Sends a datagram in a frame. */
  send(datagram: Uint8Array): void {
    this.socket.write(framed(datagram));
  }

  check(credentials: IceCredentials, options: { readonly nominate?: boolean } = {}): void {
    this.send(checkOf(credentials, options));
  }

  /** The right answers to checks so far. */
  answers(credentials: IceCredentials): StunMessage[] {
    return this.received.flatMap((datagram) => {
      const message = readStun(datagram);
      return message && isIntegrityRight(datagram, message, credentials.pwd) ? [message] : [];
    });
  }

  close(): Promise<void> {
    if (this.socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.socket.once('close', () => resolve());
      this.socket.destroy();
    });
  }
}

/** The frame of a datagram (RFC 4571 §2). */
export function framed(datagram: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([datagram.length >> 8, datagram.length & 255]), datagram]);
}
