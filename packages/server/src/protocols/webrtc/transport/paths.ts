import type { IcePath, PathVia } from '../wire/ice/index.ts';
import type { EgressPort } from './egress-port.ts';
import type { DatagramSource } from './options.ts';
import type { PeerLink } from './peer-link.ts';

/** Where a check came from, before it is known whose it is. */
export interface PathOrigin {
  readonly port: number;
  /** The way there as one of that peer. */
  of(link: PeerLink): TransportPath;
}

/** A path that knows whose it is. */
export type TransportPath = UdpPath | SourcePath;

/** An address together with the socket that heard it. */
export class UdpOrigin implements PathOrigin {
  readonly address: string;
  readonly port: number;
  readonly socket: EgressPort;

  constructor(socket: EgressPort, address: string, port: number) {
    this.socket = socket;
    this.address = address;
    this.port = port;
  }

  of(link: PeerLink): UdpPath {
    return new UdpPath(this, link);
  }
}

/** A peer's address together with the socket that hears it. */
export class UdpPath extends UdpOrigin implements IcePath {
  readonly via = 'udp';
  readonly link: PeerLink;

  constructor({ socket, address, port }: UdpOrigin, link: PeerLink) {
    super(socket, address, port);
    this.link = link;
  }

  // Hot path.
  send(datagram: Buffer): boolean {
    return this.socket.send(datagram, this.port, this.address);
  }
}

/** A connection or a relay. */
export class SourceOrigin implements PathOrigin {
  readonly source: DatagramSource;

  constructor(source: DatagramSource) {
    this.source = source;
  }

  get port(): number {
    return this.source.port;
  }

  of(link: PeerLink): SourcePath {
    return new SourcePath(this.source, link);
  }
}

/** A connection or a relay that a peer proved to be at. */
export class SourcePath extends SourceOrigin implements IcePath {
  readonly via: PathVia;
  readonly address: string;
  readonly link: PeerLink;

  constructor(source: DatagramSource, link: PeerLink) {
    super(source);
    this.via = source.via;
    this.address = source.address;
    this.link = link;
  }

  get queuedBytes(): number | undefined {
    return this.source.queuedBytes;
  }

  get dropped(): number | undefined {
    return this.source.dropped;
  }

  // Hot path.
  send(datagram: Buffer): boolean {
    return this.source.send(datagram);
  }
}
