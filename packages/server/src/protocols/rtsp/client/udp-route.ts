import type { UdpPair } from './udp-pair.ts';

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface UdpRouteOptions {
  readonly pair: Pick<UdpPair, 'send'>;
  /** Where the connection goes to. */
  readonly remoteAddress: string;
  /** What the server told of where it sends from; undefined for what it did not tell. */
  readonly source: string | undefined;
  readonly serverPorts: readonly [rtp: number, rtcp: number] | undefined;
}

/** A source that has been silent for so long may be replaced by another port of the same machine. */
const SILENCE_MS = 1000;
const RTP_VERSION = 2;
/** Version 2, payload type 127: opens the way through a NAT and is no media. */
const RTP_PUNCH = Uint8Array.of(0x80, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
/** An empty receiver report (RFC 3550 §6.4.2). */
const RTCP_PUNCH = Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 0);

/**
 * Decides which datagrams are of the server, and where RTCP goes. Servers get their ports wrong, or have a NAT that
 * changes them: any port of the machine that is connected to is taken, and one of the address that it names as source.
 * The first one that sends stays until it falls silent. RTCP never goes to an address that has not sent something.
 */
export class UdpRoute {
  readonly #o: UdpRouteOptions;
  #rtp: Endpoint | undefined;
  #rtcp: Endpoint | undefined;
  #heardMs = Number.NEGATIVE_INFINITY;

  constructor(options: UdpRouteOptions) {
    this.#o = options;
  }

  /** Something was received that belongs to the track. */
  get heard(): boolean {
    return this.#heardMs > Number.NEGATIVE_INFINITY;
  }

  /** True for a datagram that is to be read. Hot path. */
  accept(rtcp: boolean, bytes: Uint8Array, from: Endpoint, nowMs: number): boolean {
    if (bytes.length < 8 || (bytes[0] ?? 0) >> 6 !== RTP_VERSION) return false;
    // Nothing can be sent back to port 0: the system refuses it.
    if (from.port === 0) return false;
    const known = rtcp ? this.#rtcp : this.#rtp;
    const same = known !== undefined && known.port === from.port && known.address === from.address;
    if (!same) {
      if (!this.#isServer(from.address)) return false;
      if (known !== undefined && nowMs - this.#heardMs < SILENCE_MS) return false;
      if (rtcp) this.#rtcp = from;
      else this.#rtp = from;
    }
    if (!rtcp) this.#heardMs = nowMs;
    return true;
  }

  /** Sends RTCP to where the server wants it, as far as that is known. */
  sendRtcp(bytes: Uint8Array): void {
    const to = this.#rtcpEndpoint();
    if (to !== undefined) this.#o.pair.send(true, bytes, to);
  }

  /** Opens the way through NATs and firewalls on our side, where ports were told. */
  punch(): void {
    const { pair, serverPorts, remoteAddress } = this.#o;
    if (serverPorts === undefined) return;
    pair.send(false, RTP_PUNCH, { address: remoteAddress, port: serverPorts[0] });
    pair.send(true, RTCP_PUNCH, { address: remoteAddress, port: serverPorts[1] });
  }

  #rtcpEndpoint(): Endpoint | undefined {
    if (this.#rtcp !== undefined) return this.#rtcp;
    const { serverPorts, remoteAddress } = this.#o;
    if (serverPorts !== undefined) return { address: this.#rtp?.address ?? remoteAddress, port: serverPorts[1] };
    return this.#rtp && { address: this.#rtp.address, port: Math.min(65_535, this.#rtp.port + 1) };
  }

  #isServer(address: string): boolean {
    const plain = address.replace(/^::ffff:/, '');
    return plain === this.#o.remoteAddress || plain === this.#o.source;
  }
}
