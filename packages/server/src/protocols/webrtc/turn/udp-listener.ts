import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { RouteTable } from '../transport/route-table.ts';
import type { Allocation } from './allocation.ts';
import type { TurnClient } from './client.ts';
import type { Reception } from './service.ts';

/** Addresses are numbers already: without this, Node asks its resolver and waits a turn of the loop, for each packet. */
function sameAddress(
  address: string,
  family: unknown,
  done: (error: Error | null, address: string, family: number) => void,
): void {
  done(null, address, Number(family));
}

export interface UdpListenerOptions {
  readonly family: 4 | 6;
  readonly maxQueuedBytes: number;
  receive(client: TurnClient, datagram: Buffer, nowMs: number): Reception;
}

/** One bound socket of clients by UDP. After `bind`, whatever goes wrong is dropped and never thrown. */
export class UdpListener {
  readonly #options: UdpListenerOptions;
  readonly #socket: Socket;
  readonly #clients = new RouteTable<UdpClient>();
  #closing: Promise<void> | undefined;

  constructor(options: UdpListenerOptions) {
    this.#options = options;
    this.#socket = createSocket({
      type: options.family === 4 ? 'udp4' : 'udp6',
      ipv6Only: options.family === 6,
      lookup: sameAddress,
    });
  }

  /** Clients that have an allocation. */
  get clientCount(): number {
    return this.#clients.size;
  }

  /** Opens the port. Rejects with the system's error; the socket is closed then. */
  bind(address: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', (error) => {
        void this.close();
        reject(error);
      });
      this.#socket.bind({ address, port, exclusive: true }, () => {
        this.#socket.removeAllListeners('error');
        this.#socket.on('error', () => {});
        this.#socket.on('message', (datagram, source) => this.#receive(datagram, source));
        resolve();
      });
    });
  }

  /** Idempotent; resolves when the port is free again. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closing;
  }

  /** Hot path. */
  #receive(datagram: Buffer, source: RemoteInfo): void {
    if (source.port === 0) return;
    const client = this.#clients.get(source.address, source.port) ?? this.#newClient(source);
    this.#options.receive(client, datagram, performance.now());
  }

  #newClient(source: RemoteInfo): UdpClient {
    return new UdpClient(source, {
      send: (message, client) => this.#send(message, client),
      keep: (client) => this.#clients.set(client),
      letGo: (client) => this.#clients.delete(client),
    });
  }

  #send(message: Buffer, { port, address }: UdpClient): boolean {
    if (this.#closing !== undefined || this.#socket.getSendQueueSize() > this.#options.maxQueuedBytes) return false;
    try {
      this.#socket.send(message, port, address, ignore);
      return true;
    } catch {
      return false;
    }
  }
}

function ignore(): void {
  // Whether a datagram arrives is not known anyway.
}

interface UdpHost {
  send(message: Buffer, client: UdpClient): boolean;
  keep(client: UdpClient): void;
  letGo(client: UdpClient): void;
}

class UdpClient implements TurnClient {
  readonly transport = 'udp';
  readonly isStream = false;
  readonly address: string;
  readonly port: number;
  allocation: Allocation | undefined;
  readonly #host: UdpHost;

  constructor({ address, port }: RemoteInfo, host: UdpHost) {
    this.address = address;
    this.port = port;
    this.#host = host;
  }

  answer(message: Buffer): void {
    this.#host.send(message, this);
  }

  relay(frame: Buffer): boolean {
    return this.#host.send(frame, this);
  }

  keep(): void {
    this.#host.keep(this);
  }

  letGo(): void {
    this.#host.letGo(this);
  }
}
