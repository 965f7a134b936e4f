import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { writeChannelData } from '../wire/write.ts';
import { type Connection, HOST } from './turn-rig.ts';

const CHANNEL = 0x4000;

/** A UDP port of this machine that stands for the media: what is sent to it goes there by TURN, and answers come back. */
export class Tunnel {
  readonly #socket: Socket;
  readonly #connection: Connection;
  #client: { readonly port: number; readonly address: string } | undefined;

  private constructor(socket: Socket, connection: Connection) {
    this.#socket = socket;
    this.#connection = connection;
    socket.on('message', (datagram, source) => {
      this.#client = source;
      connection.socket.write(writeChannelData(CHANNEL, datagram, true));
    });
    void this.#pump();
  }

  static async open(connection: Connection, mediaPort: number): Promise<Tunnel> {
    await connection.allocate(mediaPort, CHANNEL);
    const socket = createSocket('udp4');
    socket.bind(0, HOST);
    await once(socket, 'listening');
    return new Tunnel(socket, connection);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  close(): void {
    this.#connection.socket.destroy();
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#connection.next();
        if (this.#client !== undefined) this.#socket.send(frame.subarray(4), this.#client.port, this.#client.address);
      }
    } catch {
      this.#socket.close();
    }
  }
}
