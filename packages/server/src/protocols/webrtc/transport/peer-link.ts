import { createIceCredentials, type IceCredentials, IceLiteAgent } from '../wire/ice/index.ts';
import type { StunMessage } from '../wire/stun/index.ts';
import { EgressChannel } from './egress-channel.ts';
import type { EgressPort } from './egress-port.ts';
import type { MediaKeys, MediaReceiver } from './media-channel.ts';
import type { PeerPath, ResolvedTransportOptions, TransportLink, TransportPeer } from './options.ts';
import { type TransportPath, UdpPath } from './paths.ts';

/** What a link needs of the transport that it belongs to. */
export interface LinkHost {
  readonly options: ResolvedTransportOptions;
  /** Gives a name that no peer has, and has checks for it come to `link`. */
  claimUfrag(link: PeerLink): IceCredentials;
  releaseUfrag(local: IceCredentials): void;
  addPath(path: TransportPath): void;
  removePath(path: TransportPath): void;
  /** Where media of a peer is encrypted that is not reached by UDP. */
  anyPort(): EgressPort;
  /** The peer's own code failed. */
  reportError(peer: TransportPeer, error: unknown): void;
}

/**
 * One peer's share of a transport: its ICE credentials, its addresses and the way to it. Disposing of it ends all that:
 * nothing comes from it any more, nothing is sent.
 */
export class PeerLink implements TransportLink {
  readonly peer: TransportPeer;
  readonly #host: LinkHost;
  readonly #agent: IceLiteAgent<TransportPath>;
  /** All that the peer proved to be at. */
  readonly #paths = new Set<TransportPath>();
  #channel: EgressChannel | undefined;
  #closed = false;

  constructor(peer: TransportPeer, remote: IceCredentials, host: LinkHost) {
    this.peer = peer;
    this.#host = host;
    this.#agent = new IceLiteAgent<TransportPath>({
      local: host.claimUfrag(this),
      remote,
      consentTimeoutMs: host.options.consentTimeoutMs,
      maxPaths: host.options.maxPathsPerPeer,
      onPathAdded: (path) => {
        this.#paths.add(path);
        host.addPath(path);
        this.#channel?.add(path);
      },
      onPathRemoved: (path) => {
        this.#paths.delete(path);
        host.removePath(path);
        this.#channel?.remove(path);
      },
      onPathChanged: (path) => this.#changePath(path),
      onCredentialsRetired: (local) => host.releaseUfrag(local),
    });
  }

  /** What its connectivity checks tell, for people. */
  get ice() {
    return this.#agent.facts;
  }

  /** What the answer must say: the newest credentials of this side. */
  get local(): IceCredentials {
    return this.#agent.local;
  }

  /** Where datagrams go; undefined before the first check and without consent. */
  get path(): PeerPath | undefined {
    return this.#agent.selected;
  }

  /** True once the peer itself has chosen its path. */
  get nominated(): boolean {
    return this.#agent.nominated;
  }

  /** Time of the last authentic check, `performance.now()`; undefined before the first. */
  get lastCheckMs(): number | undefined {
    return this.#agent.lastCheckMs;
  }

  /**
   * Sends a datagram to the peer. True when its memory may be used again at once; false when the network was busy and
   * the datagram must be left alone. Without path it goes nowhere. Never throws. Hot path.
   */
  send(datagram: Buffer): boolean {
    const path = this.#agent.selected;
    return path === undefined || path.send(datagram);
  }

  openMedia(keys: MediaKeys, media: MediaReceiver): EgressChannel {
    const path = this.#agent.selected;
    const port = path instanceof UdpPath ? path.socket : this.#host.anyPort();
    const channel = new EgressChannel({ port, peer: this.peer, keys, media, send: (datagram) => this.send(datagram) });
    this.#channel = channel;
    for (const known of this.#paths) channel.add(known);
    channel.take(path);
    return channel;
  }

  /**
   * Begins an ICE restart with the peer's new credentials and gives our new ones (RFC 8445 §9). The old ones and the
   * path stay good until the peer nominates one by the new.
   */
  restart(remote: IceCredentials): IceCredentials {
    if (!this.#closed) this.#agent.restart(this.#host.claimUfrag(this), remote);
    return this.#agent.local;
  }

  /**
   * Takes care of time: forgets paths that lost consent. To be called every now and then with `performance.now()`.
   * False when there is nowhere to send to: no check has come yet (`lastCheckMs` is undefined), or none for too long.
   */
  tick(nowMs: number): boolean {
    return this.#agent.tick(nowMs);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel?.close();
    this.#agent.close();
  }

  /** For the transport: takes a check and gives its answer, or undefined for silence. */
  receiveCheck(
    message: StunMessage,
    datagram: Buffer,
    arrival: { path: TransportPath; nowMs: number },
  ): Buffer | undefined {
    return this.#closed ? undefined : this.#agent.receive(message, datagram, arrival);
  }

  /** For the transport: when that path was last proved to be this peer's. */
  lastCheckOn(path: TransportPath): number | undefined {
    return this.#agent.lastCheckOn(path);
  }

  /** For the transport: the path is another peer's by now. */
  forgetPath(path: TransportPath): void {
    this.#agent.forget(path);
  }

  #changePath(path: TransportPath | undefined): void {
    try {
      this.#channel?.take(path);
      this.peer.onPathChanged(path);
    } catch (error) {
      this.#host.reportError(this.peer, error);
    }
  }
}

/** Fresh credentials of which the name is not taken. */
export function freshCredentials(isTaken: (ufrag: string) => boolean): IceCredentials {
  for (;;) {
    const credentials = createIceCredentials();
    if (!isTaken(credentials.ufrag)) return credentials;
  }
}
