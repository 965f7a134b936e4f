import { createSocket, type Socket } from 'node:dgram';

/** A port of this machine that talks to one server. Errors of the network are none: datagrams may get lost. */
export interface DatagramSocket {
  /** From now on it hears and sends to that endpoint alone. */
  connect(port: number, address: string): Promise<void>;
  /** @param to needed before it is connected */
  send(datagram: Uint8Array, to?: { readonly address: string; readonly port: number }): void;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Takes datagrams as they come. It may write to the memory; that of RTP and RTCP is used again after the call, all other is
 * the receiver's. `nowMs` is when it came, of `performance.now()`.
 */
export type OnDatagram = (datagram: Buffer, nowMs: number) => void;

/** Opens a port for one peer: this is the way by which all that WebRTC viewers receive comes in. */
export type OpenDatagrams = (onDatagram: OnDatagram) => Promise<DatagramSocket>;

/** A key frame of some hundred kilobytes may wait while this process does something else; systems may give less. */
export const SYSTEM_BUFFER_BYTES = 1024 * 1024;

class NodeDatagrams implements DatagramSocket {
  readonly #socket: Socket;
  #connected = false;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  connect(port: number, address: string): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.connect(port, address, () => {
        this.#connected = true;
        resolve();
      });
    });
  }

  send(datagram: Uint8Array, to?: { readonly address: string; readonly port: number }): void {
    if (this.#closed !== undefined) return;
    if (this.#connected) this.#socket.send(datagram, ignoreError);
    else if (to !== undefined) this.#socket.send(datagram, to.port, to.address, ignoreError);
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closed;
  }
}

function ignoreError(): void {}

/** Node's own sockets, for where the addon can't be: about a hundred thousand datagrams a second on one core, at best. */
export const openNodeDatagrams: OpenDatagrams = (onDatagram) =>
  new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.on('message', (datagram) => onDatagram(datagram, performance.now()));
    socket.once('error', reject);
    socket.bind(0, () => {
      socket.off('error', reject);
      // Ports of the server that are not there answer by ICMP.
      socket.on('error', ignoreError);
      socket.setRecvBufferSize(SYSTEM_BUFFER_BYTES);
      resolve(new NodeDatagrams(socket));
    });
  });
