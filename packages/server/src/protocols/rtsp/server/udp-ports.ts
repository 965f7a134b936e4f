import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { MediaServerError } from '../../../core/index.ts';
import { plainAddress } from '../../../io/index.ts';
import type { NumberPair } from '../wire/transport.ts';
import type { RtspUdpAddress } from './options.ts';

/** Who is at the other end of a pair of ports. */
export interface UdpPeer {
  /** A datagram from its port of RTP. */
  rtp(datagram: Uint8Array): void;
  /** A datagram from its port of RTCP. */
  rtcp(datagram: Uint8Array): void;
}

/** Datagrams may come faster than they are read, as with large pictures. The system may give less. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
const SEND_BUFFER_BYTES = 4 * 1024 * 1024;
/** How often a free pair is looked for. */
const PAIR_ATTEMPTS = 50;

/**
 * The two UDP ports that all clients share: an even one for RTP, the next one for RTCP. Clients are told apart by their
 * own address and port; what comes from elsewhere is passed over.
 */
export class UdpPorts {
  readonly #address: RtspUdpAddress;
  readonly #onMalformed: () => void;
  readonly #peers: readonly [rtp: Map<string, UdpPeer>, rtcp: Map<string, UdpPeer>] = [new Map(), new Map()];
  #sockets: readonly [rtp: Socket, rtcp: Socket] | undefined;
  #ports: NumberPair = [0, 0];

  /** `onMalformed` is called for each datagram that comes from nobody who is known. */
  constructor(address: RtspUdpAddress, onMalformed: () => void) {
    this.#address = address;
    this.#onMalformed = onMalformed;
  }

  /** Our own ports; zeros before `start`. */
  get ports(): NumberPair {
    return this.#ports;
  }

  /** @throws MediaServerError PORT_IN_USE */
  async start(): Promise<void> {
    const { host, port } = this.#address;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#bindPair(port);
      } catch (cause) {
        if (port === 0 && attempt < PAIR_ATTEMPTS) continue;
        const message = `UDP ports ${host}:${port} and ${port + 1} of RTSP can not be opened; choose others with --set rtsp_udp_port=NUMBER`;
        throw new MediaServerError('PORT_IN_USE', message, { cause });
      }
    }
  }

  /**
   * Takes what comes from these ports of a client, until the result is disposed of. Undefined when another session has
   * one of them.
   */
  claim(address: string, [rtp, rtcp]: NumberPair, peer: UdpPeer): Disposable | undefined {
    const keys = [key(address, rtp), key(address, rtcp)] as const;
    if (this.#peers[0].has(keys[0]) || this.#peers[1].has(keys[1])) return undefined;
    this.#peers[0].set(keys[0], peer);
    this.#peers[1].set(keys[1], peer);
    return {
      [Symbol.dispose]: () => {
        this.#peers[0].delete(keys[0]);
        this.#peers[1].delete(keys[1]);
      },
    };
  }

  /** Sends from our port of RTP or RTCP. What the system does not take is lost, as on the network. */
  send(from: 'rtp' | 'rtcp', datagram: Uint8Array, to: { readonly address: string; readonly port: number }): void {
    const socket = this.#sockets?.[from === 'rtp' ? 0 : 1];
    socket?.send(datagram, to.port, isIPv6(this.#address.host) ? mapped(to.address) : plainAddress(to.address), ignore);
  }

  /** Resolves when the ports are free. Idempotent. */
  async close(): Promise<void> {
    const sockets = this.#sockets ?? [];
    this.#sockets = undefined;
    await Promise.all(sockets.map(closed));
  }

  async #bindPair(port: number): Promise<void> {
    const rtp = await this.#bind(port);
    const own = rtp.address().port;
    try {
      if (own % 2 === 1) throw new Error(`port ${own} is odd`);
      const rtcp = await this.#bind(own + 1);
      this.#sockets = [rtp, rtcp];
      this.#ports = [own, own + 1];
    } catch (error) {
      await closed(rtp);
      throw error;
    }
    rtp.on('message', (datagram, from) => this.#receive(0, datagram, from));
    this.#sockets[1].on('message', (datagram, from) => this.#receive(1, datagram, from));
  }

  #bind(port: number): Promise<Socket> {
    const { host } = this.#address;
    const type = isIPv6(host) ? 'udp6' : 'udp4';
    const socket = createSocket({
      type,
      lookup: sameAddress,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      sendBufferSize: SEND_BUFFER_BYTES,
    });
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ port, address: host, exclusive: true }, () => {
        socket.removeAllListeners('error');
        // A client that is gone answers with ICMP; that concerns nobody else.
        socket.on('error', ignore);
        resolve(socket);
      });
    });
  }

  // Hot path: once per datagram of a publisher.
  #receive(which: 0 | 1, datagram: Buffer, from: RemoteInfo): void {
    const peer = this.#peers[which].get(key(from.address, from.port));
    if (peer === undefined) this.#onMalformed();
    else if (which === 0) peer.rtp(datagram);
    else peer.rtcp(datagram);
  }
}

function key(address: string, port: number): string {
  return `${plainAddress(address)} ${port}`;
}

function mapped(address: string): string {
  return isIPv6(address) ? address : `::ffff:${address}`;
}

/** Addresses are numbers here: nothing is to be looked up. */
function sameAddress(
  hostname: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, hostname, isIPv6(hostname) ? 6 : 4);
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

function ignore(): void {}
