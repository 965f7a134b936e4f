import type { RemoteInfo } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { IceCandidate } from '@sluice/media';
import { createIceCredentials, type IceCredentials, IceFullAgent, type IcePath } from '../wire/ice/index.ts';
import { readStun } from '../wire/stun/index.ts';
import { bindSockets } from './bind.ts';
import { candidateAddresses, candidateLines, familyOf, type IpFamily } from './candidates.ts';
import { datagramKind } from './demux.ts';
import { LinkChannel } from './link-channel.ts';
import {
  type MediaTransportOptions,
  type PathVia,
  type PeerPath,
  type ResolvedTransportOptions,
  resolveTransportOptions,
  type TransportCounters,
  type TransportLink,
  type TransportPeer,
  zeroCounters,
} from './options.ts';
import { OutgoingTcp } from './outgoing-tcp.ts';
import { RouteTable } from './route-table.ts';
import { UdpSocket } from './udp-socket.ts';

export interface OutgoingTransportOptions extends Omit<MediaTransportOptions, 'port'> {
  /**
   * The IP address to send to for an address or name that the peer tells, or that its checks come from; undefined when
   * nothing may be sent there. Must not reject.
   */
  admit(host: string, port: number): Promise<string | undefined>;
}

/** Addresses of the peer that are looked at at most, however often it tells others. */
const MAX_ADMISSIONS = 64;

/**
 * The side of one peer that we connect to, by UDP on a port of its own, and by TCP where UDP does not get there: another server has one port for all its peers, and
 * several of those may be ours, which a shared port could not tell apart. Nothing is sent to an address before it was
 * admitted, also not to one that the peer is heard from.
 */
export class OutgoingTransport {
  readonly counters: TransportCounters = zeroCounters();
  readonly local: IceCredentials = createIceCredentials();
  readonly #options: ResolvedTransportOptions & OutgoingTransportOptions;
  readonly #routes = new RouteTable<OutgoingPath>();
  readonly #tcp: OutgoingTcp | undefined;
  readonly #admitting = new Set<string>();
  #admissions = 0;
  #sockets: readonly UdpSocket[] = [];
  #peer: TransportPeer | undefined;
  #agent: IceFullAgent<IcePath> | undefined;
  #closed = false;

  constructor(options: OutgoingTransportOptions) {
    this.#options = { ...resolveTransportOptions({ ...options, port: 0 }), admit: options.admit };
    const { tcp } = this.#options;
    const parts = {
      counters: this.counters,
      onDatagram: (from: IcePath, datagram: Buffer) => this.#deliver(from, datagram),
      onOpen: (path: IcePath, priority: number) => this.#agent?.addCandidate(path, priority),
      onClosed: (path: IcePath) => this.#guard(() => this.#agent?.forget(path)),
    };
    this.#tcp = tcp && new OutgoingTcp({ ...parts, tcp, bindAddress: this.#options.bindAddress });
  }

  /**
   * Opens the port.
   * @throws MediaServerError PORT_IN_USE; nothing is left open then
   */
  async start(): Promise<void> {
    const { bindAddress } = this.#options;
    const sockets = await bindSockets({ port: 0, bindAddress, createSocket: (family) => this.#createSocket(family) });
    this.#sockets = sockets;
    if (this.#closed) await Promise.all(sockets.map((socket) => socket.close()));
  }

  /** Values of `a=candidate` for our offer, best first. */
  candidates(): string[] {
    const families = this.#sockets.map((socket) => socket.family);
    const port = this.#sockets[0]?.port ?? 0;
    return candidateLines(candidateAddresses({ ...this.#options, port, families }), port);
  }

  /** Addresses of the peer that checks are sent to. */
  get triedAddresses(): number {
    return this.#routes.size + (this.#tcp?.targets ?? 0);
  }

  /** Where media goes; undefined without a way. */
  get path(): PeerPath | undefined {
    return this.#agent?.selected;
  }

  /** The ways that were tried and what came of them, for people: `udp 203.0.113.5:31001 (no answer)`. */
  get tried(): readonly string[] {
    const paths = this.#agent?.facts.paths ?? [];
    const told = paths.map(({ via, address, port, checks }) => {
      const place = address.includes(':') ? `[${address}]` : address;
      return `${via} ${place}:${port} (${checks === 0 ? 'no answer' : `${checks} checks answered`})`;
    });
    return [...told, ...(this.#tcp?.unconnected ?? [])];
  }

  /** Begins to look for a way to the peer, once. Its link ends with the transport. */
  register(peer: TransportPeer, remote: IceCredentials): TransportLink {
    const { consentTimeoutMs, maxPathsPerPeer } = this.#options;
    const agent = new IceFullAgent<IcePath>({
      local: this.local,
      remote,
      consentTimeoutMs,
      maxPaths: maxPathsPerPeer,
      onPathChanged: (path) => peer.onPathChanged(path),
    });
    this.#peer = peer;
    this.#agent = agent;
    return {
      local: this.local,
      get path() {
        return agent.selected;
      },
      get ice() {
        return agent.facts;
      },
      send: (datagram) => agent.selected?.send(datagram) ?? true,
      openMedia: (keys, media) => new LinkChannel(keys, media, (datagram) => agent.selected?.send(datagram) ?? true),
      restart: () => this.local,
      tick: () => agent.selected !== undefined,
      [Symbol.dispose]: () => {
        this.#agent = undefined;
        this.#peer = undefined;
      },
    };
  }

  /**
   * Takes a candidate of the peer. Those that only its own network can resolve are left out, and those for TCP where it
   * does not wait for a connection.
   */
  async addCandidate({ transport, component, address, port, priority, tcpType }: IceCandidate): Promise<void> {
    // Names of multicast DNS mean something in the peer's network only (draft-ietf-mmusic-mdns-ice-candidates).
    if (component !== 1 || port === 0 || /\.local\.?$/i.test(address)) return;
    if (transport === 'tcp') {
      if (tcpType === 'passive') await this.#addTarget(address, port, priority);
      return;
    }
    const path = await this.#admit(address, port);
    if (path !== undefined) this.#agent?.addCandidate(path, priority);
  }

  /** Sends the checks that are due. Call every 20 ms or so. */
  tick(nowMs: number): void {
    this.#guard(() => {
      this.#agent?.tick(nowMs);
      if (this.#agent !== undefined && this.#agent.selected === undefined)
        this.#tcp?.connect(nowMs, this.#routes.isEmpty);
    });
  }

  /** Sends and hears nothing any more; resolves when the port is free. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#agent = undefined;
    this.#peer = undefined;
    this.#tcp?.close();
    await Promise.all(this.#sockets.map((socket) => socket.close()));
  }

  #createSocket(family: IpFamily): UdpSocket {
    return new UdpSocket({
      family,
      transport: this.#options,
      counters: this.counters,
      onDatagram: (datagram, source) => this.#receive(datagram, source),
    });
  }

  /** The address to use, in the notation of the system; undefined when nothing may be sent there. */
  async #admitted(via: PathVia, host: string, port: number): Promise<string | undefined> {
    const key = `${via} ${host} ${port}`;
    if (this.#closed || this.#admitting.has(key) || this.#admissions >= MAX_ADMISSIONS) return undefined;
    this.#admissions++;
    this.#admitting.add(key);
    const address = await this.#options.admit(host, port);
    this.#admitting.delete(key);
    return address === undefined || this.#closed ? undefined : canonical(address);
  }

  async #addTarget(host: string, port: number, priority: number): Promise<void> {
    if (this.#tcp === undefined) return;
    const address = await this.#admitted('tcp', host, port);
    if (address !== undefined) this.#tcp.add({ address, port, priority });
  }

  async #admit(host: string, port: number): Promise<OutgoingPath | undefined> {
    const plain = await this.#admitted('udp', host, port);
    if (plain === undefined) return undefined;
    const known = this.#routes.get(plain, port);
    if (known !== undefined) return known;
    const socket = this.#sockets.find(({ family }) => family === familyOf(plain));
    if (socket === undefined) return undefined;
    const path = new OutgoingPath(socket, plain, port);
    this.#routes.set(path);
    return path;
  }

  /** Hot path: every datagram. */
  #receive(datagram: Buffer, source: RemoteInfo): void {
    this.counters.received++;
    this.counters.receivedBytes += datagram.length;
    const path = this.#routes.get(source.address, source.port);
    if (path !== undefined) return this.#deliver(path, datagram);
    if (datagramKind(datagram) === 'stun') this.#hearStranger(datagram, source);
    else this.counters.unknownSource++;
  }

  // Hot path: every datagram from where the peer may be.
  #deliver(path: IcePath, datagram: Buffer): void {
    const kind = datagramKind(datagram);
    if (kind === 'stun') return this.#receiveStun(path, datagram);
    const nowMs = performance.now();
    if (kind === 'srtp') this.#guard(() => this.#peer?.onSrtp(datagram, nowMs));
    else if (kind === 'dtls') this.#guard(() => this.#peer?.onDtls(datagram, nowMs));
    else this.counters.unknownProtocol++;
  }

  /** A candidate that nobody told: its check is repeated, and answered once the address is found good. */
  #hearStranger(datagram: Buffer, source: RemoteInfo): void {
    const message = readStun(datagram);
    if (message === undefined) this.counters.malformedStun++;
    else if (message.class === 'request' && this.#agent?.isAuthentic(message, datagram) === true)
      void this.#admit(source.address, source.port);
    else this.counters.unknownSource++;
  }

  #receiveStun(path: IcePath, datagram: Buffer): void {
    const message = readStun(datagram);
    const agent = this.#agent;
    if (message === undefined || agent === undefined) {
      this.counters.malformedStun++;
      return;
    }
    this.#guard(() => {
      const answer = agent.receive(message, datagram, { path, nowMs: performance.now() });
      if (answer !== undefined) path.send(answer);
    });
  }

  /** An error of the peer's own code must not end the server. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.counters.peerErrors++;
      if (this.#peer !== undefined) this.#options.onPeerError(this.#peer, error);
    }
  }
}

/** An address of the peer together with the socket of its family. */
class OutgoingPath implements IcePath {
  readonly via = 'udp';
  readonly address: string;
  readonly port: number;
  readonly #socket: UdpSocket;

  constructor(socket: UdpSocket, address: string, port: number) {
    this.#socket = socket;
    this.address = address;
    this.port = port;
  }

  send(datagram: Buffer): boolean {
    return this.#socket.send(datagram, this.port, this.address);
  }
}

/** As the system writes the addresses that datagrams come from. */
function canonical(address: string): string {
  if (!isIPv6(address) || address.includes('%')) return address;
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
