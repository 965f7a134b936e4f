import type { IceTcpOptions } from '../options.ts';
import type { IceCredentials, IceLiteAgent, IcePath, PathVia } from '../wire/ice/index.ts';

import type { MediaChannel, MediaKeys, MediaReceiver } from './media-channel.ts';

export type { PathVia } from '../wire/ice/index.ts';

/** How WebRTC peers reach this server. */
export interface MediaTransportOptions {
  /** One port for all peers, of IPv4 and IPv6 alike. 0 takes any free one. */
  readonly port: number;
  /**
   * Local address to listen on; undefined for all of both families. With several addresses of a family, answers leave
   * by the one that the system's routes prefer, and clients take no answer from another address than they asked: name
   * the right one here when clients can't reach that.
   */
  readonly bindAddress?: string | undefined;
  /** IP addresses to offer to clients, best first. None: those of this machine's interfaces. */
  readonly advertisedAddresses?: readonly string[];
  /** Offers the loopback addresses as well, for clients on this machine. Default false. */
  readonly offerLoopback?: boolean;
  /** Sizes of the sockets' buffers, bytes; 0 leaves them to the system. The system may allow less. Default 0. */
  readonly receiveBufferBytes?: number;
  readonly sendBufferBytes?: number;
  /** What may wait for the network in this process before more is thrown away, bytes. Default 16 MiB. */
  readonly maxQueuedBytes?: number;
  /** A path without authentic check for so long is not sent to any more (RFC 7675 §5.1). Default 30 s. */
  readonly consentTimeoutMs?: number;
  /** Addresses of one peer that are known at a time. Default 16. */
  readonly maxPathsPerPeer?: number;
  /** TCP as well, on the port of the same number; undefined for none. Default: none. */
  readonly tcp?: IceTcpOptions | undefined;
  /** Called for an error of a peer's own code while it took a datagram. The peer should be closed then. */
  onPeerError?(peer: TransportPeer, error: unknown): void;
}

/** Where datagrams of a peer come from, and can be sent to. */
export interface DatagramSource {
  readonly via: PathVia;
  /** Of the peer, or its relayed address. */
  readonly address: string;
  readonly port: number;
  /** As `IcePath.send`: false when the datagram's memory must be left alone. Never throws. Hot path. */
  send(datagram: Buffer): boolean;
  /** What waits in this process for it to become writable, bytes, and datagrams that were left out for that; for people. */
  readonly queuedBytes?: number | undefined;
  readonly dropped?: number | undefined;
}

/** The media port of this server as its relays see it: what they carry ends here and nowhere else. */
export interface DatagramPort {
  /** Its number, of UDP and TCP alike; 0 while it is not open. */
  readonly port: number;
  /** True for an address and port at which this server's media can be reached, by whatever name. */
  isOwn(address: string, port: number): boolean;
  /** Takes a datagram as if it had come by UDP. The same object must be given for the same source. Hot path. */
  receive(source: DatagramSource, datagram: Buffer): void;
  /** The source is over: nothing is sent to it any more. */
  forget(source: DatagramSource): void;
}

/** What a peer needs of its way through the network, whoever made it. */
export interface TransportLink extends Disposable {
  /** The newest credentials of this side. */
  readonly local: IceCredentials;
  /** Where datagrams go; undefined before the first check and without consent. */
  readonly path: PeerPath | undefined;
  /** What its connectivity checks tell, for people. */
  readonly ice: IceLiteAgent<IcePath>['facts'];
  /** Sends a datagram; false when its memory must be left alone. Never throws. Hot path. */
  send(datagram: Buffer): boolean;
  /** Opens the way for media with the keys of the handshake, once. It ends with the link. */
  openMedia(keys: MediaKeys, media: MediaReceiver): MediaChannel;
  /** Begins an ICE restart with the peer's new credentials and gives our own. */
  restart(remote: IceCredentials): IceCredentials;
  /** False when there is nowhere to send to. */
  tick(nowMs: number): boolean;
}

/** Who is at the other end of a link, as the transport sees it. */
export interface TransportPeer {
  /** A DTLS datagram from one of the peer's verified addresses. The datagram is the callee's to keep. */
  onDtls(datagram: Buffer, nowMs: number): void;
  /**
   * An SRTP or SRTCP packet from one of the peer's verified addresses that its media channel has not taken: it came before
   * that was opened, or not by UDP. The datagram is the callee's to keep.
   */
  onSrtp(datagram: Buffer, nowMs: number): void;
  /** Where to send was found, or changed; undefined when the peer was silent for too long (see `PeerLink.tick`). */
  onPathChanged(path: PeerPath | undefined): void;
}

/** Where the datagrams of a peer go. */
export interface PeerPath {
  readonly address: string;
  readonly port: number;
  readonly via: PathVia;
  /** What waits in this process for it to become writable, bytes; undefined where nothing waits here. */
  readonly queuedBytes?: number | undefined;
}

/** What has happened since the beginning, in datagrams unless said otherwise. */
export interface TransportCounters {
  received: number;
  receivedBytes: number;
  sent: number;
  sentBytes: number;
  /** From an address that proved nothing: not answered. */
  unknownSource: number;
  /** Neither STUN, DTLS nor SRTP. */
  unknownProtocol: number;
  malformedStun: number;
  /** STUN for nobody here: not answered. */
  unknownUfrag: number;
  /** STUN for one peer from an address at which another was heard a moment ago: not answered. */
  contestedAddress: number;
  /** Authentic checks that were answered. */
  answeredChecks: number;
  /** STUN that its peer did not answer: wrong password, repeated by somebody else, too much. */
  unansweredChecks: number;
  /** Thrown away because too much waited for the network. */
  overflowed: number;
  sendErrors: number;
  /** TCP connections that were accepted. */
  tcpConnections: number;
  /** Connections that were closed at once: there are too many. */
  tcpRefused: number;
  /** Connections that were closed because they proved nothing. */
  tcpUnproved: number;
  /** Connections that were closed for a frame longer than any datagram. */
  tcpBroken: number;
  /** Counted as sent, but left out because their connection was behind. */
  tcpDropped: number;
  /** Came and were not read in time. */
  receiveDropped: number;
  /** How often tracks along shared lanes went on with another key frame. */
  laneDrops: number;
  socketErrors: number;
  peerErrors: number;
}

/** The options with all defaults, checked nowhere: settings are checked where they are read. */
export type ResolvedTransportOptions = Required<MediaTransportOptions>;

export function resolveTransportOptions(options: MediaTransportOptions): ResolvedTransportOptions {
  return Object.freeze({
    bindAddress: undefined,
    tcp: undefined,
    advertisedAddresses: [],
    offerLoopback: false,
    receiveBufferBytes: 0,
    sendBufferBytes: 0,
    maxQueuedBytes: 16 * 1024 * 1024,
    consentTimeoutMs: 30_000,
    maxPathsPerPeer: 16,
    onPeerError: () => {},
    ...options,
  });
}

export function zeroCounters(): TransportCounters {
  return {
    received: 0,
    receivedBytes: 0,
    sent: 0,
    sentBytes: 0,
    unknownSource: 0,
    unknownProtocol: 0,
    malformedStun: 0,
    unknownUfrag: 0,
    contestedAddress: 0,
    answeredChecks: 0,
    unansweredChecks: 0,
    overflowed: 0,
    sendErrors: 0,
    tcpConnections: 0,
    tcpRefused: 0,
    tcpUnproved: 0,
    tcpBroken: 0,
    tcpDropped: 0,
    receiveDropped: 0,
    laneDrops: 0,
    socketErrors: 0,
    peerErrors: 0,
  };
}
