import { createServer, type Server, type Socket } from 'node:net';
import type { IceTcpOptions } from '../options.ts';
import { readStun } from '../wire/stun/index.ts';
import type { DatagramPort, TransportCounters } from './options.ts';
import { networkOf } from './own-addresses.ts';
import { FrameMemory, TcpConnection, type TcpConnectionOptions } from './tcp-connection.ts';
import { WaterMarks } from './water-marks.ts';

export interface TcpPortOptions {
  readonly tcp: IceTcpOptions;
  readonly counters: TransportCounters;
  /** Takes what comes. */
  readonly port: Pick<DatagramPort, 'receive' | 'forget'>;
  /** True when a peer proved to be at the other end. */
  isProved(connection: TcpConnection): boolean;
}

/** Where to listen: as the UDP sockets do. */
export interface TcpListenOptions {
  readonly address: string;
  readonly port: number;
}

/** A connection that brings no authentic check for so long is closed; the other side must have been told where to. */
const PROOF_TIMEOUT_MS = 5000;
/** A client sends a check every 50 ms or so until it is answered, so this is twice as many as fit into that time. */
const MAX_UNPROVED_FRAMES = 200;
/** Connections without proof from one network: enough for an office behind one address whose browsers all begin at once. */
const MAX_UNPROVED_PER_NETWORK = 256;
/** How long a connection that is over may take to send the rest. */
const CLOSE_TIMEOUT_MS = 2000;

/**
 * The TCP port of WebRTC media (RFC 6544): passive, frames of RFC 4571. Who connects must first of all send a check of
 * ICE, and an authentic one within some seconds; until then it gets little memory and not a byte. When there are as many
 * connections as there may be, the oldest without proof gives way.
 */
export class TcpPort {
  readonly #options: TcpPortOptions;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<TcpConnection>();
  /** Those without proof, the oldest first, and how many of them a network has. */
  readonly #unproved = new Set<TcpConnection>();
  readonly #unprovedOf = new Map<string, number>();
  /** Over, but not let go of by the system, with the time of their end. */
  readonly #closing = new Map<TcpConnection, number>();
  readonly #connectionOptions: TcpConnectionOptions;
  #closed = false;

  constructor(options: TcpPortOptions) {
    this.#options = options;
    const { tcp, counters } = options;
    this.#connectionOptions = {
      sendBufferBytes: tcp.sendBufferBytes,
      receiveBufferBytes: tcp.receiveBufferBytes,
      marks: new WaterMarks(tcp.highWaterBytes, tcp.lowWaterBytes),
      scratch: new FrameMemory(),
      counters,
      onDatagram: (connection, datagram) => this.#receive(connection, datagram),
      onClosed: (connection) => this.#onClosed(connection),
    };
  }

  /** Connections of this moment, with those that are about to be closed. */
  get size(): number {
    return this.#connections.size + this.#closing.size;
  }

  /** Bytes that wait for all connections together. */
  get queuedBytes(): number {
    return this.#connectionOptions.marks.queuedBytes;
  }

  /** Listens at an address. Rejects with the system's error; nothing new is open then. */
  async listen({ address, port }: TcpListenOptions): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const ipv6Only = address.includes(':');
      server.listen({ host: address, port, ipv6Only, exclusive: true }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
    // Such as no more file descriptors: those that are connected go on.
    server.on('error', () => this.#options.counters.socketErrors++);
    this.#servers.push(server);
  }

  /** Closes what has proved nothing in time. Call every second or so with `performance.now()`. */
  tick(nowMs: number): void {
    for (const connection of this.#unproved) {
      if (nowMs - connection.openedMs < PROOF_TIMEOUT_MS) break;
      this.#refuse(connection);
    }
    for (const [connection, sinceMs] of this.#closing) {
      if (!connection.gone && nowMs - sinceMs < CLOSE_TIMEOUT_MS) continue;
      connection.destroy();
      this.#closing.delete(connection);
    }
  }

  /** The peer at the other end is over, or somewhere else for good. */
  release(connection: TcpConnection): void {
    if (!this.#connections.has(connection)) return;
    this.#closing.set(connection, performance.now());
    connection.close();
  }

  /** Closes all connections and frees the port. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.unlisten();
  }

  /** The same, but it may listen again. */
  async unlisten(): Promise<void> {
    for (const connection of [...this.#connections, ...this.#closing.keys()]) connection.destroy();
    this.#closing.clear();
    const servers = this.#servers.splice(0);
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  }

  #accept(socket: Socket): void {
    const { counters, tcp } = this.#options;
    const network = networkOf(socket.remoteAddress ?? '');
    if (this.#closed || (this.#unprovedOf.get(network) ?? 0) >= MAX_UNPROVED_PER_NETWORK || !this.#makeRoom(tcp)) {
      counters.tcpRefused++;
      socket.destroy();
      return;
    }
    counters.tcpConnections++;
    const connection = new TcpConnection(socket, this.#connectionOptions);
    this.#connections.add(connection);
    this.#unproved.add(connection);
    this.#unprovedOf.set(network, (this.#unprovedOf.get(network) ?? 0) + 1);
  }

  #makeRoom({ maxConnections }: IceTcpOptions): boolean {
    if (this.#connections.size < maxConnections) return true;
    const [oldest] = this.#unproved;
    if (oldest !== undefined) this.#refuse(oldest);
    return oldest !== undefined;
  }

  #refuse(connection: TcpConnection): void {
    this.#options.counters.tcpUnproved++;
    connection.destroy();
  }

  // Hot path.
  #receive(connection: TcpConnection, datagram: Buffer): boolean {
    const { port } = this.#options;
    if (connection.proved) {
      port.receive(connection, datagram);
      return true;
    }
    if (!isCheck(datagram) || ++connection.unprovedFrames > MAX_UNPROVED_FRAMES) {
      this.#options.counters.tcpUnproved++;
      return false;
    }
    port.receive(connection, datagram);
    if (!this.#options.isProved(connection)) return true;
    connection.proved = true;
    this.#forgetUnproved(connection);
    return true;
  }

  #onClosed(connection: TcpConnection): void {
    this.#connections.delete(connection);
    this.#forgetUnproved(connection);
    this.#options.port.forget(connection);
  }

  #forgetUnproved(connection: TcpConnection): void {
    if (!this.#unproved.delete(connection)) return;
    const network = networkOf(connection.address);
    const left = (this.#unprovedOf.get(network) ?? 1) - 1;
    if (left > 0) this.#unprovedOf.set(network, left);
    else this.#unprovedOf.delete(network);
  }
}

/** What the first frames of a connection must be, whoever sends them. */
function isCheck(datagram: Buffer): boolean {
  const message = readStun(datagram);
  return message?.class === 'request' && message.username !== undefined;
}
