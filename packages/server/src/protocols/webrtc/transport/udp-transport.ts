import type { RemoteInfo } from 'node:dgram';
import type { IceCredentials } from '../wire/ice/index.ts';
import { localUfragOf, readStun } from '../wire/stun/index.ts';
import { bindSockets } from './bind.ts';
import { candidateAddresses, candidateLines, type IpFamily } from './candidates.ts';
import { datagramKind } from './demux.ts';
import {
  type ResolvedUdpTransportOptions,
  resolveUdpTransportOptions,
  type TransportPeer,
  type UdpTransportCounters,
  type UdpTransportOptions,
  zeroCounters,
} from './options.ts';
import { freshCredentials, type LinkHost, type LinkPath, PeerLink } from './peer-link.ts';
import { RouteTable } from './route-table.ts';
import { UdpSocket } from './udp-socket.ts';

/** An address stays a peer's for so long after its last check: browsers check at least every 6 s (RFC 7675 §5.1). */
const ADDRESS_HELD_MS = 7_000;

/**
 * The UDP port of all WebRTC peers. STUN goes to the peer whose name it has, all else to the peer that proved to be at
 * its source address by an authentic check. Whoever proved nothing gets nothing: no answer, no error, no byte. So two
 * peers can't be at one remote address and port, as when another server has one port for all its own: the first stays.
 */
export class UdpTransport {
  readonly counters: UdpTransportCounters = zeroCounters();
  readonly #options: ResolvedUdpTransportOptions;
  readonly #routes = new RouteTable<UdpPath>();
  readonly #links = new Map<string, PeerLink>();
  readonly #host: LinkHost;
  #sockets: readonly UdpSocket[] = [];

  constructor(options: UdpTransportOptions) {
    this.#options = resolveUdpTransportOptions(options);
    this.#host = {
      options: this.#options,
      claimUfrag: (link) => this.#claimUfrag(link),
      releaseUfrag: ({ ufrag }) => this.#links.delete(ufrag),
      addPath: (path) => this.#addPath(path as UdpPath),
      removePath: (path) => this.#routes.delete(path as UdpPath),
      reportError: (peer, error) => this.#reportError(peer, error),
    };
  }

  /**
   * Opens the port.
   * @throws MediaServerError PORT_IN_USE; nothing is left open then
   */
  async start(): Promise<void> {
    const { port, bindAddress } = this.#options;
    this.#sockets = await bindSockets({ port, bindAddress, createSocket: (family) => this.#createSocket(family) });
  }

  /** The port that is open; 0 before `start`. */
  get port(): number {
    return this.#sockets[0]?.port ?? 0;
  }

  /** Takes a peer in: from now on its checks are answered. Dispose of the link to let it go. */
  register(peer: TransportPeer, remote: IceCredentials): PeerLink {
    return new PeerLink(peer, remote, this.#host);
  }

  /**
   * Values of `a=candidate` for an answer, best first; at least one unless no advertised address is of a family that
   * is listened on.
   * @param reachedAt an address of this machine that the client is known to reach
   */
  candidates(reachedAt?: string): string[] {
    const families = this.#sockets.map((socket) => socket.family);
    const addresses = candidateAddresses({ ...this.#options, port: this.port, families, reachedAt });
    return candidateLines(addresses, this.port);
  }

  /** How much is held for peers, for tests and metrics: names that checks may have, and proved addresses. */
  get sizes(): { readonly ufrags: number; readonly paths: number } {
    return { ufrags: this.#links.size, paths: this.#routes.size };
  }

  /** Lets all peers go and frees the port. Idempotent. */
  async close(): Promise<void> {
    for (const link of new Set(this.#links.values())) link[Symbol.dispose]();
    await Promise.all(this.#sockets.map((socket) => socket.close()));
  }

  #createSocket(family: IpFamily): UdpSocket {
    const socket: UdpSocket = new UdpSocket({
      family,
      transport: this.#options,
      counters: this.counters,
      onDatagram: (datagram, source) => this.#receive(socket, datagram, source),
    });
    return socket;
  }

  /** Hot path: every datagram of every peer. */
  #receive(socket: UdpSocket, datagram: Buffer, source: RemoteInfo): void {
    this.counters.received++;
    this.counters.receivedBytes += datagram.length;
    const kind = datagramKind(datagram);
    if (kind === 'unknown') {
      this.counters.unknownProtocol++;
      return;
    }
    const path = this.#routes.get(source.address, source.port);
    if (kind !== 'stun' && path === undefined) {
      this.counters.unknownSource++;
      return;
    }
    const nowMs = performance.now();
    try {
      if (kind === 'srtp') path?.link.peer.onSrtp(datagram, nowMs);
      else if (kind === 'dtls') path?.link.peer.onDtls(datagram, nowMs);
      else this.#receiveStun(path ?? { socket, ...source }, datagram, nowMs);
    } catch (error) {
      // One peer's error must not end the server, whatever it is.
      this.#reportError(path?.link.peer, error);
    }
  }

  #receiveStun(source: PathSource, datagram: Buffer, nowMs: number): void {
    const message = readStun(datagram);
    if (message === undefined || source.port === 0) {
      this.counters.malformedStun++;
      return;
    }
    const link = this.#links.get(localUfragOf(message) ?? '');
    if (link === undefined) {
      this.counters.unknownUfrag++;
      return;
    }
    if (isContested(source, link, nowMs)) {
      this.counters.contestedAddress++;
      return;
    }
    const path = source instanceof UdpPath && source.link === link ? source : new UdpPath(source, link);
    const answer = link.receiveCheck(message, datagram, { path, nowMs });
    if (answer === undefined) {
      this.counters.unansweredChecks++;
      return;
    }
    this.counters.answeredChecks++;
    path.send(answer);
  }

  #claimUfrag(link: PeerLink): IceCredentials {
    const credentials = freshCredentials((ufrag) => this.#links.has(ufrag));
    this.#links.set(credentials.ufrag, link);
    return credentials;
  }

  #addPath(path: UdpPath): void {
    const former = this.#routes.get(path.address, path.port);
    this.#routes.set(path);
    former?.link.forgetPath(former);
  }

  #reportError(peer: TransportPeer | undefined, error: unknown): void {
    this.counters.peerErrors++;
    if (peer !== undefined) this.#options.onPeerError(peer, error);
  }
}

interface PathSource {
  readonly socket: UdpSocket;
  readonly address: string;
  readonly port: number;
}

/** A peer's address together with the socket that hears it. */
class UdpPath implements LinkPath {
  readonly socket: UdpSocket;
  readonly address: string;
  readonly port: number;
  readonly link: PeerLink;

  constructor(source: PathSource, link: PeerLink) {
    this.socket = source.socket;
    this.address = source.address;
    this.port = source.port;
    this.link = link;
  }

  send(datagram: Buffer): boolean {
    return this.socket.send(datagram, this.port, this.address);
  }
}

/** True when another peer was heard at that address a moment ago: a check can be sent with a forged source. */
function isContested(source: PathSource, link: PeerLink, nowMs: number): boolean {
  if (!(source instanceof UdpPath) || source.link === link) return false;
  const lastCheckMs = source.link.lastCheckOn(source);
  return lastCheckMs !== undefined && nowMs - lastCheckMs < ADDRESS_HELD_MS;
}
