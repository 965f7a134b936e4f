import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { performance } from 'node:perf_hooks';
import { type Impairment, Line, type LineCounters } from './line.ts';
import { Schedule } from './schedule.ts';

const HOST = '127.0.0.1';
const EVERYWHERE = '0.0.0.0';
/** What the system keeps while this process is busy with something else; it may give less. */
const SYSTEM_BUFFER_BYTES = 4 * 1024 * 1024;

/** Towards the target, or back to the clients. */
export type Direction = 'up' | 'down';

/** One client's way to the target. */
interface Way {
  readonly port: number;
  readonly address: string;
  /** From which the target hears of it. */
  socket: Socket;
}

/**
 * A UDP line to a port of this machine, with a router on it that translates addresses (NAT): clients send to `port`,
 * and the target sees a port of the router for each of them. All clients share the line, so each that is to have a line
 * of its own needs a relay of its own. Kernels of test machines often lack netem.
 */
export class UdpRelay {
  /** Told each datagram as it comes, before anything happens to it. */
  onDatagram: ((direction: Direction, datagram: Buffer) => void) | undefined;
  readonly #target: number;
  readonly #front: Socket;
  readonly #ways = new Map<string, Way>();
  /** All sockets there ever were; those that a move left behind are deaf. */
  readonly #sockets = new Set<Socket>();
  readonly #lines: Readonly<Record<Direction, Line<{ readonly way: Way; readonly datagram: Buffer }>>>;
  readonly #schedule: Schedule;
  #closed = false;

  private constructor(target: number, seed: number) {
    this.#target = target;
    this.#front = this.#socket((datagram, from) => this.#send('up', this.#wayOf(from), datagram));
    this.#lines = { up: new Line({ seed }), down: new Line({ seed: seed + 1 }) };
    const { up, down } = this.#lines;
    this.#schedule = new Schedule([
      { nextAtMs: () => up.nextAtMs(), run: (nowMs) => this.#deliver('up', nowMs) },
      { nextAtMs: () => down.nextAtMs(), run: (nowMs) => this.#deliver('down', nowMs) },
    ]);
  }

  /** Opens a clean line; the same seed does the same to the same packets. */
  static async open(target: number, options: { readonly seed?: number } = {}): Promise<UdpRelay> {
    const relay = new UdpRelay(target, options.seed ?? 1);
    // Not every client has a way from its address to the loopback.
    await bind(relay.#front, EVERYWHERE);
    return relay;
  }

  get port(): number {
    return this.#front.address().port;
  }

  /** Clients that have sent something. */
  get clients(): number {
    return this.#ways.size;
  }

  counters(direction: Direction): Readonly<LineCounters> {
    return this.#lines[direction].counters;
  }

  /** Changes what the line does in one direction, or in both. */
  change(changes: Partial<Impairment>, directions: readonly Direction[] = ['up', 'down']): void {
    for (const direction of directions) this.#lines[direction].change(changes, performance.now());
    this.#schedule.wake();
  }

  /**
   * From now on the target hears of all clients from other ports, as when they have moved to another network; what it
   * sends to the former ones is not heard any more.
   */
  move(): void {
    for (const way of this.#ways.values()) {
      way.socket.removeAllListeners('message');
      way.socket = this.#back(way);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#schedule.close();
    await Promise.all([...this.#sockets].map((socket) => new Promise<void>((resolve) => socket.close(resolve))));
  }

  #wayOf({ address, port }: RemoteInfo): Way {
    const key = `${address}:${port}`;
    const known = this.#ways.get(key);
    if (known !== undefined) return known;
    const way = { port, address } as Way;
    way.socket = this.#back(way);
    this.#ways.set(key, way);
    return way;
  }

  #back(way: Way): Socket {
    const socket = this.#socket((datagram) => this.#send('down', way, datagram));
    void bind(socket);
    return socket;
  }

  #socket(onMessage: (datagram: Buffer, from: RemoteInfo) => void): Socket {
    const socket = createSocket({ type: 'udp4', lookup: (host, _, found) => found(null, host, 4) });
    socket.on('message', onMessage);
    // A port where nobody listens is no fault of the line.
    socket.on('error', () => {});
    this.#sockets.add(socket);
    return socket;
  }

  #send(direction: Direction, way: Way, datagram: Buffer): void {
    this.onDatagram?.(direction, datagram);
    this.#lines[direction].send({ way, datagram }, datagram.length, performance.now());
    this.#schedule.wake();
  }

  #deliver(direction: Direction, nowMs: number): void {
    const line = this.#lines[direction];
    for (let next = line.take(nowMs); next !== undefined; next = line.take(nowMs)) {
      const { way, datagram } = next;
      if (direction === 'up') way.socket.send(datagram, this.#target, HOST, () => {});
      else this.#front.send(datagram, way.port, way.address, () => {});
    }
  }
}

function bind(socket: Socket, host = HOST): Promise<void> {
  return new Promise((resolve) => {
    socket.bind(0, host, () => {
      socket.setRecvBufferSize(SYSTEM_BUFFER_BYTES);
      resolve();
    });
  });
}
