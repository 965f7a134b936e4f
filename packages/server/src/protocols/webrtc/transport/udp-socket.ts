import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { IpFamily } from './candidates.ts';
import type { ResolvedTransportOptions, TransportCounters } from './options.ts';

/** Addresses are numbers already: without this, Node asks its resolver and waits a turn of the loop, for each packet. */
function sameAddress(
  address: string,
  family: unknown,
  done: (error: Error | null, address: string, family: number) => void,
): void {
  done(null, address, Number(family));
}

export interface UdpSocketOptions {
  readonly family: IpFamily;
  readonly transport: ResolvedTransportOptions;
  readonly counters: TransportCounters;
  onDatagram(datagram: Buffer, source: RemoteInfo): void;
}

/** One bound socket. After `bind`, whatever goes wrong is counted and never thrown. */
export class UdpSocket {
  readonly family: IpFamily;
  readonly #socket: Socket;
  readonly #options: UdpSocketOptions;
  readonly #onSent: (error: Error | null) => void;
  /** Something waits in this process; the system took all else at once. */
  #backlogged = false;
  #closing: Promise<void> | undefined;

  constructor(options: UdpSocketOptions) {
    this.family = options.family;
    this.#options = options;
    this.#socket = createSocket({
      type: options.family === 'IPv4' ? 'udp4' : 'udp6',
      ipv6Only: options.family === 'IPv6',
      lookup: sameAddress,
    });
    this.#onSent = (error) => {
      if (error !== null) options.counters.sendErrors++;
    };
  }

  /** What was bound; 0 and nothing before. */
  port = 0;
  address = '';

  /** Opens the port. Rejects with the system's error; the socket is closed then. */
  async bind(address: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('error', (error) => {
        this.#closing = new Promise((closed) => this.#socket.close(() => closed()));
        reject(error);
      });
      this.#socket.bind({ address, port, exclusive: true }, () => {
        this.#socket.removeAllListeners('error');
        resolve();
      });
    });
    this.port = this.#socket.address().port;
    this.address = address;
    const { counters, onDatagram } = this.#options;
    this.#socket.on('error', () => counters.socketErrors++);
    this.#socket.on('message', onDatagram);
    this.#sizeBuffers();
  }

  /** As `IcePath.send`. Hot path. */
  send(datagram: Buffer, port: number, address: string): boolean {
    const { counters, transport } = this.#options;
    if (this.#closing !== undefined) return true;
    let own = datagram;
    if (this.#backlogged) {
      const queuedBytes = this.#socket.getSendQueueSize();
      if (queuedBytes > transport.maxQueuedBytes) {
        counters.overflowed++;
        return true;
      }
      this.#backlogged = queuedBytes > 0;
      // It would have to wait, and the caller may want its memory back.
      if (this.#backlogged) own = Buffer.from(datagram);
    }
    counters.sent++;
    counters.sentBytes += datagram.length;
    try {
      this.#socket.send(own, port, address, this.#onSent);
    } catch {
      counters.sendErrors++;
      return true;
    }
    if (own !== datagram || this.#socket.getSendQueueSize() === 0) return true;
    this.#backlogged = true;
    return false;
  }

  /** Idempotent; resolves when the port is free again. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closing;
  }

  #sizeBuffers(): void {
    const { receiveBufferBytes, sendBufferBytes } = this.#options.transport;
    try {
      if (receiveBufferBytes > 0) this.#socket.setRecvBufferSize(receiveBufferBytes);
      if (sendBufferBytes > 0) this.#socket.setSendBufferSize(sendBufferBytes);
    } catch {
      // Smaller buffers than wished for are no reason not to serve.
      this.#options.counters.socketErrors++;
    }
  }
}
