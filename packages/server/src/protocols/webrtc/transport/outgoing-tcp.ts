import { connect, type Socket } from 'node:net';
import type { IceTcpOptions } from '../options.ts';
import type { IcePath } from '../wire/ice/index.ts';
import type { TransportCounters } from './options.ts';
import { FrameMemory, TcpConnection } from './tcp-connection.ts';
import { WaterMarks } from './water-marks.ts';

export interface OutgoingTcpOptions {
  readonly tcp: IceTcpOptions;
  readonly counters: TransportCounters;
  readonly bindAddress: string | undefined;
  /** A datagram came by a connection; it is the callee's to keep. */
  onDatagram(from: IcePath, datagram: Buffer): void;
  /** There is a connection: checks can be sent by it. */
  onOpen(path: IcePath, priority: number): void;
  onClosed(path: IcePath): void;
}

/** Where a peer waits for connections: an IP address that may be connected to. */
export interface TcpTarget {
  readonly address: string;
  readonly port: number;
  readonly priority: number;
}

/** UDP has so long to get there first. */
const UDP_ADVANTAGE_MS = 2000;
/** Each costs a connection, and one of them is all that is needed. */
const MAX_TARGETS = 4;
const CONNECT_TIMEOUT_MS = 5000;

/** Connections to passive candidates of a peer (RFC 6544 §5.2), begun when UDP does not get there. */
export class OutgoingTcp {
  readonly #options: OutgoingTcpOptions;
  readonly #marks: WaterMarks;
  readonly #scratch = new FrameMemory();
  readonly #sockets = new Set<Socket>();
  readonly #failed: string[] = [];
  #targets: TcpTarget[] = [];
  #known = 0;
  #sinceMs: number | undefined;
  #closed = false;

  constructor(options: OutgoingTcpOptions) {
    this.#options = options;
    this.#marks = new WaterMarks(options.tcp.highWaterBytes, options.tcp.lowWaterBytes);
  }

  /** Addresses that are connected to, or will be. */
  get targets(): number {
    return this.#known;
  }

  /** Those that could not be connected to, for people. */
  get unconnected(): readonly string[] {
    return this.#failed;
  }

  /** Takes an address, at any time; too many are left out. */
  add(target: TcpTarget): void {
    if (this.#closed || this.#known >= MAX_TARGETS) return;
    this.#known++;
    this.#targets.push(target);
  }

  /** Connects when the time has come. Call every 20 ms or so while there is no way; `alone` when there is no UDP to try. */
  connect(nowMs: number, alone: boolean): void {
    this.#sinceMs ??= nowMs;
    if (this.#targets.length === 0 || (!alone && nowMs - this.#sinceMs < UDP_ADVANTAGE_MS)) return;
    for (const target of this.#targets.splice(0)) this.#connect(target);
  }

  /** Ends all connections. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#targets = [];
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(target: TcpTarget): void {
    const { address: host, port } = target;
    const { bindAddress } = this.#options;
    const socket = connect({ host, port, ...(bindAddress === undefined ? {} : { localAddress: bindAddress }) });
    this.#sockets.add(socket);
    const onFailed = (): void => {
      socket.destroy();
      this.#failed.push(`tcp ${host.includes(':') ? `[${host}]` : host}:${port} (no connection)`);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, onFailed);
    socket.once('error', onFailed);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeListener('error', onFailed);
      this.#open(socket, target);
    });
  }

  #open(socket: Socket, { priority }: TcpTarget): void {
    const { tcp, counters, onDatagram, onOpen, onClosed } = this.#options;
    const connection = new TcpConnection(socket, {
      sendBufferBytes: tcp.sendBufferBytes,
      receiveBufferBytes: tcp.receiveBufferBytes,
      marks: this.#marks,
      scratch: this.#scratch,
      counters,
      onDatagram: (from, datagram) => {
        counters.received++;
        counters.receivedBytes += datagram.length;
        onDatagram(from, datagram);
        return true;
      },
      onClosed,
    });
    // It is we who chose to connect there, so there is nothing to be proved before more is read.
    connection.proved = true;
    onOpen(connection, priority);
  }
}
