import type { ReceivedBatch, RtpPlaces } from '@sluice/native';
import type { EgressPort } from './egress-port.ts';
import type { EgressPeer, MediaChannel, MediaKeys, MediaReceiver, MediaRejections } from './media-channel.ts';
import type { TransportPeer } from './options.ts';
import { type TransportPath, UdpPath } from './paths.ts';

const NO_REJECTIONS: MediaRejections = { malformed: 0, unauthentic: 0, replayed: 0 };

export interface EgressChannelParts {
  readonly port: EgressPort;
  /** Whose they are. */
  readonly peer: TransportPeer;
  readonly keys: MediaKeys;
  readonly media: MediaReceiver;
  /** Sends a datagram by the path of this moment, when that is not one of the port. */
  send(datagram: Buffer): boolean;
}

/**
 * Media of one peer as a media port has it. The port owns the keys for as long as the peer lives: what goes by another
 * path, as a connection, is encrypted there as well and handed back, so that no number is ever used twice.
 */
export class EgressChannel implements MediaChannel {
  readonly shared: EgressPeer;
  readonly peer: TransportPeer;
  readonly #port: EgressPort;
  readonly #media: MediaReceiver;
  readonly #send: (datagram: Buffer) => boolean;
  #closed = false;
  #bytesOut = 0;
  #rejections = NO_REJECTIONS;

  constructor({ port, peer, keys, media, send }: EgressChannelParts) {
    this.#port = port;
    this.peer = peer;
    this.#media = media;
    this.#send = send;
    const { profile, local, remote, allowRepeats } = keys;
    const id = port.egress.addPeer({ profile, send: local, receive: remote, allowRepeats });
    this.shared = { egress: port.egress, id };
    port.channels.set(id, this);
  }

  get rejections(): MediaRejections {
    this.#read();
    return this.#rejections;
  }

  get bytesOut(): number {
    this.#read();
    return this.#bytesOut;
  }

  /** Where media goes from now on; undefined: nowhere. */
  take(path: TransportPath | undefined): void {
    if (this.#closed) return;
    const { egress, id } = this.shared;
    if (path instanceof UdpPath && path.socket === this.#port) egress.setAddress(id, path.address, path.port);
    else egress.divert(id);
  }

  /** The peer is at that path as well. */
  add(path: TransportPath): void {
    const isOurs = path instanceof UdpPath && path.socket === this.#port && !this.#closed;
    if (isOurs) this.shared.egress.addRoute(this.shared.id, path.address, path.port);
  }

  remove(path: TransportPath): void {
    const isOurs = path instanceof UdpPath && path.socket === this.#port && !this.#closed;
    if (isOurs) this.shared.egress.removeRoute(this.shared.id, path.address, path.port);
  }

  // Hot path: once per packet that is sent to this peer alone.
  sendRtp(packet: Buffer, length: number, places?: RtpPlaces): boolean {
    if (!this.#closed) this.shared.egress.sendRtp(this.shared.id, packet.subarray(0, length), places);
    return true;
  }

  sendRtcp(packet: Uint8Array): void {
    if (!this.#closed) this.shared.egress.sendRtcp(this.shared.id, packet);
  }

  receive(datagram: Buffer): void {
    if (!this.#closed) this.shared.egress.takeIn(this.shared.id, datagram);
  }

  // Hot path: once per record of the port that is this peer's.
  /** Takes a record of the peer. */
  onRecord(batch: ReceivedBatch, at: number): void {
    switch (batch.kind(at)) {
      case 'rtp':
        return this.#media.onRtp(batch.bytes(at), batch.atMs(at));
      case 'rtcp':
        return this.#media.onRtcp(batch.bytes(at), batch.atMs(at));
      case 'sent':
        return this.#media.onSent?.(batch, at);
      case 'sealed':
        return void this.#send(batch.bytes(at));
      case 'dropped':
        return this.#media.onTrackDropped?.(batch.change(at).ssrc);
      default:
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#read();
    this.#closed = true;
    this.#port.channels.delete(this.shared.id);
    this.shared.egress.removePeer(this.shared.id);
  }

  #read(): void {
    const stats = this.#closed ? undefined : this.shared.egress.peerStats(this.shared.id);
    if (stats === undefined) return;
    this.#bytesOut = stats.bytes;
    this.#rejections = { malformed: stats.malformed, unauthentic: stats.unauthentic, replayed: stats.replayed };
  }
}
