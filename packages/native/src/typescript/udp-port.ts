import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { ResolvedEgressOptions } from '../options.ts';

/** Addresses are numbers already: without this, Node asks its resolver and waits a turn of the loop, for each packet. */
function sameAddress(
  address: string,
  family: unknown,
  done: (error: Error | null, address: string, family: number) => void,
): void {
  done(null, address, Number(family));
}

/** Larger than any packet that is made here, with header and encryption. */
const BUFFER_BYTES = 2048;

/** The socket, with the memory of the packet that is being sent: the system takes it within the call almost always. */
export class UdpPort {
  packets = 0;
  bytes = 0;
  again = 0;
  dropped = 0;
  unreachable = 0;
  port = 0;
  readonly #socket: Socket;
  readonly #maxQueueBytes: number;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #backlogged = false;
  #closing: Promise<void> | undefined;
  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.unreachable++;
  };

  private constructor(options: ResolvedEgressOptions) {
    const type = isIPv6(options.address) ? 'udp6' : 'udp4';
    this.#socket = createSocket({ type, ipv6Only: type === 'udp6', lookup: sameAddress });
    this.#maxQueueBytes = options.maxQueueBytes;
  }

  /** @throws Error with the system's code when the port can not be opened */
  static async open(
    options: ResolvedEgressOptions,
    onDatagram: (datagram: Buffer, from: RemoteInfo) => void,
  ): Promise<UdpPort> {
    const port = new UdpPort(options);
    await port.#bind(options);
    port.#socket.on('message', onDatagram);
    return port;
  }

  /** Bytes that wait in this process. */
  get queuedBytes(): number {
    return this.#closing === undefined ? this.#socket.getSendQueueSize() : 0;
  }

  /** Memory for one packet, until it is sent. */
  take(bytes: number): Buffer {
    return bytes > this.#buffer.length ? Buffer.allocUnsafeSlow(bytes) : this.#buffer;
  }

  /** Sends the first bytes of what `take` gave, or anything else that is not written to again. Hot path. */
  send(datagram: Buffer, port: number, address: string): boolean {
    if (this.#closing !== undefined) return false;
    if (this.#backlogged) {
      const queuedBytes = this.#socket.getSendQueueSize();
      this.#backlogged = queuedBytes > 0;
      if (queuedBytes > this.#maxQueueBytes) {
        this.dropped++;
        return false;
      }
    }
    this.packets++;
    this.bytes += datagram.length;
    try {
      this.#socket.send(datagram, port, address, this.#onSent);
    } catch {
      this.unreachable++;
      return false;
    }
    if (this.#socket.getSendQueueSize() === 0) return true;
    // The system still needs what is in the buffer: it is not written to again.
    if (!this.#backlogged) this.again++;
    this.#backlogged = true;
    this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    return true;
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closing;
  }

  async #bind({ address, port, receiveBufferBytes, sendBufferBytes }: ResolvedEgressOptions): Promise<void> {
    const socket = this.#socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeAllListeners('error');
        resolve();
      });
    });
    socket.on('error', () => this.unreachable++);
    this.port = socket.address().port;
    try {
      if (receiveBufferBytes > 0) socket.setRecvBufferSize(receiveBufferBytes);
      if (sendBufferBytes > 0) socket.setSendBufferSize(sendBufferBytes);
    } catch {
      // Smaller buffers than wished for are no reason not to serve.
    }
  }
}
