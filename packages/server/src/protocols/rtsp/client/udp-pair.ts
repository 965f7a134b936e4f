import { createSocket, type Socket } from 'node:dgram';
import type { NumberPair } from '../wire/transport.ts';
import { RtspFailure } from './failure.ts';

export interface UdpPairEvents {
  /** A datagram has come; good until this returns. */
  onDatagram(rtcp: boolean, bytes: Uint8Array, from: { readonly address: string; readonly port: number }): void;
}

/** Room for the burst of a key frame while the process is busy. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;

/** Two UDP ports, an even one for RTP and the next one for RTCP (RFC 3550 §11). */
export class UdpPair {
  readonly ports: NumberPair;
  bytesIn = 0;
  bytesOut = 0;
  readonly #sockets: readonly [rtp: Socket, rtcp: Socket];
  #closed = false;

  constructor(sockets: readonly [Socket, Socket], events: UdpPairEvents) {
    this.#sockets = sockets;
    this.ports = [sockets[0].address().port, sockets[1].address().port];
    for (const [index, socket] of sockets.entries()) {
      socket.on('message', (bytes, from) => {
        this.bytesIn += bytes.length;
        if (!this.#closed) events.onDatagram(index === 1, bytes, from);
      });
      // Ports that nobody listens at: datagrams may be lost anyway.
      socket.on('error', () => undefined);
    }
  }

  /** Sends a datagram; what can't be sent is lost. `address` must be an IP address. */
  send(rtcp: boolean, bytes: Uint8Array, to: { readonly address: string; readonly port: number }): void {
    if (this.#closed) return;
    this.bytesOut += bytes.length;
    this.#sockets[rtcp ? 1 : 0].send(bytes, to.port, to.address, () => undefined);
  }

  /** Releases the ports. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const socket of this.#sockets) socket.close();
  }
}

export interface UdpPortsOptions {
  readonly portFrom: number;
  readonly portTo: number;
  readonly localAddress: string | undefined;
}

/** Finds pairs of free ports in a range, going round in it, so that a port rests before it is used again. */
export class UdpPorts {
  readonly #o: UdpPortsOptions;
  readonly #first: number;
  readonly #pairs: number;
  #next = 0;

  constructor(options: UdpPortsOptions) {
    this.#o = options;
    this.#first = options.portFrom + (options.portFrom % 2);
    this.#pairs = Math.max(0, Math.floor((options.portTo - this.#first + 1) / 2));
  }

  /**
   * Takes a pair.
   * @throws RtspFailure unreachable when none is free
   */
  async take(family: 4 | 6, events: UdpPairEvents): Promise<UdpPair> {
    for (let tries = 0; tries < this.#pairs; tries++) {
      const port = this.#first + 2 * (this.#next++ % this.#pairs);
      const rtp = await this.#bind(family, port);
      if (rtp === undefined) continue;
      const rtcp = await this.#bind(family, port + 1);
      if (rtcp !== undefined) return new UdpPair([rtp, rtcp], events);
      rtp.close();
    }
    const { portFrom, portTo } = this.#o;
    throw new RtspFailure(
      'unreachable',
      `no two UDP ports are free from ${portFrom} to ${portTo} (rtsp_client_port_from, rtsp_client_port_to)`,
    );
  }

  #bind(family: 4 | 6, port: number): Promise<Socket | undefined> {
    return new Promise((resolve) => {
      const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', recvBufferSize: RECEIVE_BUFFER_BYTES });
      socket.once('error', () => {
        socket.close();
        resolve(undefined);
      });
      socket.bind({ port, address: this.#o.localAddress, exclusive: true }, () => {
        socket.removeAllListeners('error');
        resolve(socket);
      });
    });
  }
}
