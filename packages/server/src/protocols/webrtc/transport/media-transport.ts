import type { Egress, ReceivedBatch } from '@sluice/native';
import type { IceCredentials } from '../wire/ice/index.ts';
import { type Endpoint, localUfragOf, readStun } from '../wire/stun/index.ts';
import { bindSockets } from './bind.ts';
import { candidateAddresses, candidateLines, familyOf, type IpFamily, tcpCandidateLines } from './candidates.ts';
import { type DatagramKind, datagramKind } from './demux.ts';
import { EgressPort } from './egress-port.ts';
import {
  type DatagramPort,
  type DatagramSource,
  type MediaTransportOptions,
  type ResolvedTransportOptions,
  resolveTransportOptions,
  type TransportCounters,
  type TransportPeer,
  zeroCounters,
} from './options.ts';
import { OutsideAddress } from './outside-address.ts';
import { OwnAddresses } from './own-addresses.ts';
import { type PathOrigin, SourceOrigin, SourcePath, type TransportPath, UdpOrigin, type UdpPath } from './paths.ts';
import { freshCredentials, type LinkHost, PeerLink } from './peer-link.ts';
import { RouteTable } from './route-table.ts';
import { TcpConnection } from './tcp-connection.ts';
import { TcpPort } from './tcp-port.ts';

/** An address stays a peer's for so long after its last check: browsers check at least every 6 s (RFC 7675 §5.1). */
const ADDRESS_HELD_MS = 7_000;

/**
 * The port of all WebRTC peers, by UDP and by whatever brings their datagrams otherwise. STUN goes to the peer whose name it has, all else to the peer that proved to be at
 * its source address by an authentic check. Whoever proved nothing gets nothing: no answer, no error, no byte. So two
 * peers can't be at one remote address and port, as when another server has one port for all its own: the first stays.
 * A connection or a relay is as good as an address: it is a peer's while that one's checks come by it.
 */
export class MediaTransport implements DatagramPort {
  readonly #counters: TransportCounters = zeroCounters();
  readonly #options: ResolvedTransportOptions;
  readonly #routes = new RouteTable<UdpPath>();
  /** Sources that are no UDP addresses and that a peer proved to be at. */
  readonly #sources = new Map<DatagramSource, SourcePath>();
  readonly #own: OwnAddresses;
  readonly #outside = new OutsideAddress();
  readonly #links = new Map<string, PeerLink>();
  readonly #host: LinkHost;
  readonly #tcp: TcpPort | undefined;
  #sockets: readonly EgressPort[] = [];

  constructor(options: MediaTransportOptions) {
    this.#options = resolveTransportOptions(options);
    this.#own = new OwnAddresses(this.#options);
    const { tcp } = this.#options;
    const isProved = (connection: TcpConnection) => this.#sources.has(connection);
    this.#tcp = tcp && new TcpPort({ tcp, counters: this.#counters, port: this, isProved });
    this.#host = {
      options: this.#options,
      claimUfrag: (link) => this.#claimUfrag(link),
      releaseUfrag: ({ ufrag }) => this.#links.delete(ufrag),
      addPath: (path) => this.#addPath(path),
      removePath: (path) => this.#removePath(path),
      anyPort: () => this.#anyPort(),
      reportError: (peer, error) => this.#reportError(peer, error),
    };
  }

  /**
   * Opens the port; that of TCP, if there is to be one, has the same number.
   * @throws MediaServerError PORT_IN_USE; nothing is left open then
   */
  async start(): Promise<void> {
    const { port, bindAddress } = this.#options;
    this.#sockets = await bindSockets({
      port,
      bindAddress,
      createSocket: (family) => this.#createSocket(family),
      bindTwin: (sockets) => this.#listen(sockets),
    });
  }

  /** What has happened so far. */
  get counters(): Readonly<TransportCounters> {
    for (const socket of this.#sockets) socket.addUp();
    return this.#counters;
  }

  /** What sends and receives, and why that. Of use after `start`. */
  get implementation(): Pick<Egress, 'implementation' | 'reason'> {
    return this.#anyPort().egress;
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
   * @param transport the only one to offer
   */
  candidates(reachedAt?: string, transport?: 'udp' | 'tcp'): string[] {
    const families = this.#sockets.map((socket) => socket.family);
    const addresses = candidateAddresses({ ...this.#options, port: this.port, families, reachedAt });
    const udp = transport === 'tcp' ? [] : candidateLines(addresses, this.port);
    const tcp = transport === 'udp' || this.#tcp === undefined ? [] : tcpCandidateLines(addresses, this.port);
    return [...udp, ...tcp];
  }

  isOwn(address: string, port: number): boolean {
    return port === this.port && port !== 0 && this.#own.has(address);
  }

  // Hot path: every datagram that does not come by UDP.
  receive(source: DatagramSource, datagram: Buffer): void {
    const path = this.#sources.get(source);
    const kind = datagramKind(datagram);
    this.#counters.received++;
    this.#counters.receivedBytes += datagram.length;
    if (kind === 'stun') this.#receiveStun(path, path ?? new SourceOrigin(source), datagram);
    else this.#deliver(path, kind, datagram);
  }

  forget(source: DatagramSource): void {
    const path = this.#sources.get(source);
    path?.link.forgetPath(path);
  }

  /**
   * Asks a STUN server by UDP how this port looks from outside; undefined when it does not answer in time, or is of a
   * family that is not listened on.
   */
  async askOutside(server: Endpoint, timeoutMs: number): Promise<Endpoint | undefined> {
    const socket = this.#sockets.find(({ family }) => family === familyOf(server.address));
    if (socket === undefined) return undefined;
    return this.#outside.ask(server, timeoutMs, (request) => socket.send(request, server.port, server.address));
  }

  /** How much is held for peers, for tests and metrics: names that checks may have, and proved addresses. */
  get sizes(): { readonly ufrags: number; readonly paths: number } {
    return { ufrags: this.#links.size, paths: this.#routes.size + this.#sources.size };
  }

  /** Bytes that wait in this process for TCP connections to become writable. */
  get queuedBytes(): number {
    return this.#tcp?.queuedBytes ?? 0;
  }

  /** TCP connections that are open, with those that are about to be closed. */
  get connections(): number {
    return this.#tcp?.size ?? 0;
  }

  /** Looks after connections. Call every second or so with `performance.now()`. */
  tick(nowMs: number): void {
    this.#tcp?.tick(nowMs);
  }

  /** Lets all peers go and frees the port. Idempotent. */
  async close(): Promise<void> {
    for (const link of new Set(this.#links.values())) link[Symbol.dispose]();
    await Promise.all([...this.#sockets.map((socket) => socket.close()), this.#tcp?.close()]);
  }

  async #listen(sockets: readonly EgressPort[]): Promise<void> {
    try {
      for (const { address, port } of sockets) await this.#tcp?.listen({ address, port });
    } catch (error) {
      await this.#tcp?.unlisten();
      throw error;
    }
  }

  #createSocket(family: IpFamily): EgressPort {
    return new EgressPort({
      family,
      transport: this.#options,
      counters: this.#counters,
      onReceived: (port, batch) => this.#receiveBatch(port, batch),
    });
  }

  #anyPort(): EgressPort {
    const [first] = this.#sockets;
    if (first === undefined) throw new Error('the media port is not open');
    return first;
  }

  // Hot path: all that came by UDP since the last turn.
  #receiveBatch(port: EgressPort, batch: ReceivedBatch): void {
    for (let i = 0; i < batch.count; i = batch.after(i)) {
      if (batch.kind(i) === 'raw') this.#receiveUdp(port, batch, i);
      else this.#receiveMedia(port, batch, i);
    }
  }

  #receiveMedia(port: EgressPort, batch: ReceivedBatch, at: number): void {
    const channel = port.channels.get(batch.peer(at));
    try {
      channel?.onRecord(batch, at);
    } catch (error) {
      // One peer's error must not end the server, whatever it is.
      this.#reportError(channel?.peer, error);
    }
  }

  #receiveUdp(socket: EgressPort, batch: ReceivedBatch, at: number): void {
    const [datagram, address, port] = [batch.bytes(at), batch.address(at), batch.port(at)];
    const path = this.#routes.get(address, port);
    const kind = datagramKind(datagram);
    if (kind === 'stun') this.#receiveStun(path, path ?? new UdpOrigin(socket, address, port), datagram);
    else this.#deliver(path, kind, datagram);
  }

  // Hot path: all that is not STUN. Without `path` it is from where nobody proved to be.
  #deliver(path: TransportPath | undefined, kind: DatagramKind, datagram: Buffer): void {
    if (kind === 'unknown') {
      this.#counters.unknownProtocol++;
      return;
    }
    if (path === undefined) {
      this.#counters.unknownSource++;
      return;
    }
    const { peer } = path.link;
    try {
      if (kind === 'srtp') peer.onSrtp(datagram, performance.now());
      else peer.onDtls(datagram, performance.now());
    } catch (error) {
      // One peer's error must not end the server, whatever it is.
      this.#reportError(peer, error);
    }
  }

  #receiveStun(known: TransportPath | undefined, origin: PathOrigin, datagram: Buffer): void {
    try {
      this.#check(known, origin, datagram);
    } catch (error) {
      this.#reportError(known?.link.peer, error);
    }
  }

  #check(known: TransportPath | undefined, origin: PathOrigin, datagram: Buffer): void {
    const message = readStun(datagram);
    if (message === undefined || origin.port === 0) {
      this.#counters.malformedStun++;
      return;
    }
    if (origin instanceof UdpOrigin && this.#outside.take(message, origin)) return;
    const link = this.#links.get(localUfragOf(message) ?? '');
    if (link === undefined) {
      this.#counters.unknownUfrag++;
      return;
    }
    const nowMs = performance.now();
    if (isContested(known, link, nowMs)) {
      this.#counters.contestedAddress++;
      return;
    }
    const path = known?.link === link ? known : origin.of(link);
    const answer = link.receiveCheck(message, datagram, { path, nowMs });
    if (answer === undefined) {
      this.#counters.unansweredChecks++;
      return;
    }
    this.#counters.answeredChecks++;
    path.send(answer);
  }

  #claimUfrag(link: PeerLink): IceCredentials {
    const credentials = freshCredentials((ufrag) => this.#links.has(ufrag));
    this.#links.set(credentials.ufrag, link);
    return credentials;
  }

  #addPath(path: TransportPath): void {
    const former = this.#pathAt(path);
    if (path instanceof SourcePath) this.#sources.set(path.source, path);
    else this.#routes.set(path);
    former?.link.forgetPath(former);
  }

  #pathAt(path: TransportPath): TransportPath | undefined {
    if (path instanceof SourcePath) return this.#sources.get(path.source);
    return this.#routes.get(path.address, path.port);
  }

  /** Removes this very path, not another that took its place. */
  #removePath(path: TransportPath): void {
    if (!(path instanceof SourcePath)) this.#routes.delete(path);
    else if (this.#sources.get(path.source) === path) {
      this.#sources.delete(path.source);
      if (path.source instanceof TcpConnection) this.#tcp?.release(path.source);
    }
  }

  #reportError(peer: TransportPeer | undefined, error: unknown): void {
    this.#counters.peerErrors++;
    if (peer !== undefined) this.#options.onPeerError(peer, error);
  }
}

/** True when another peer was heard there a moment ago: a check can be sent with a forged source. */
function isContested(known: TransportPath | undefined, link: PeerLink, nowMs: number): boolean {
  if (known === undefined || known.link === link) return false;
  const lastCheckMs = known.link.lastCheckOn(known);
  return lastCheckMs !== undefined && nowMs - lastCheckMs < ADDRESS_HELD_MS;
}
