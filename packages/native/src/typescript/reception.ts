import type { RemoteInfo } from 'node:dgram';
import { isIPv4 } from 'node:net';
import { ADDRESS_BYTES, withInterfaceName, writeAddress } from '../addresses.ts';
import { RECEIVED, RECORD_FIELDS, ReceivedBatch, type TrackChange } from '../received-batch.ts';
import type { SrtpReceiver } from '../srtp/index.ts';
import type { Peer } from './peer.ts';
import type { Track } from './track.ts';

const MAX_ROUTES = 16;
type From = Pick<RemoteInfo, 'address' | 'port'>;
/** Of what did not come by the port. */
const NOWHERE: From = { address: '0.0.0.0', port: 0 };

const NO_BYTES = Buffer.alloc(0);
/** Of RTCP: RFC 4585 §6.1, draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1. */
const TRANSPORT_FEEDBACK = { type: 205, format: 15 };

/** What comes: finds whose it is, opens it, and hands it on. */
export class Reception {
  received = 0;
  receivedBytes = 0;
  readonly #onReceived: (batch: ReceivedBatch) => void;
  /** By port and then by address, so that no key is made for each datagram. */
  readonly #routes = new Map<number, Map<string, Peer>>();
  #changes: number[] = [];
  readonly #ipv4 = new Uint8Array(ADDRESS_BYTES);

  constructor(onReceived: (batch: ReceivedBatch) => void) {
    this.#onReceived = onReceived;
  }

  /** As `Egress.addRoute`. */
  addRoute(peer: Peer | undefined, given: string, port: number): boolean {
    writeAddress(this.#ipv4, 0, given, port);
    const address = withInterfaceName(given);
    if (peer === undefined) return false;
    const known = this.#routes.get(port)?.get(address);
    if (known === peer) return true;
    if (known !== undefined) this.removeRoute(known, address, port);
    if (peer.routes.length >= MAX_ROUTES) return false;
    peer.routes.push({ address, port });
    const ofPort = this.#routes.get(port) ?? new Map<string, Peer>();
    ofPort.set(address, peer);
    this.#routes.set(port, ofPort);
    return true;
  }

  removeRoute(peer: Peer, given: string, port: number): void {
    const address = withInterfaceName(given);
    const at = peer.routes.findIndex((route) => route.address === address && route.port === port);
    if (at < 0) return;
    peer.routes.splice(at, 1);
    const ofPort = this.#routes.get(port);
    ofPort?.delete(address);
    if (ofPort?.size === 0) this.#routes.delete(port);
  }

  // Hot path: once per datagram.
  take(datagram: Buffer, from: RemoteInfo): void {
    this.received++;
    this.receivedBytes += datagram.length;
    const peer = this.#routes.get(from.port)?.get(from.address);
    if (peer !== undefined) {
      peer.received++;
      peer.receivedBytes += datagram.length;
    }
    if (peer?.receiver === undefined || !isMedia(datagram)) this.#hand(RECEIVED.raw, peer, datagram, from);
    else this.#open(peer, peer.receiver, datagram, from);
  }

  /** As `Egress.takeIn`. */
  takeIn(peer: Peer, datagram: Buffer): void {
    if (peer.receiver === undefined || !isMedia(datagram)) return;
    peer.received++;
    peer.receivedBytes += datagram.length;
    this.#open(peer, peer.receiver, datagram, NOWHERE);
  }

  /** Hands on what is to be sent to a peer another way. The bytes are copied. */
  divert(peer: Peer, datagram: Buffer): void {
    this.#hand(RECEIVED.sealed, peer, Buffer.from(datagram), NOWHERE);
  }

  // Hot path: once per packet.
  #open(peer: Peer, receiver: SrtpReceiver, datagram: Buffer, from: From): void {
    const second = datagram[1] ?? 0;
    const isRtcp = second >= 192 && second <= 223;
    const packet = isRtcp ? receiver.unprotectRtcp(datagram) : receiver.unprotectRtp(datagram);
    if (packet === undefined) return;
    if (isRtcp && hasTransportFeedback(packet)) this.#tellSent(peer);
    this.#hand(isRtcp ? RECEIVED.rtcp : RECEIVED.rtp, peer, packet, from);
  }

  #tellSent(peer: Peer): void {
    const record = peer.history.tell(peer.id);
    if (record !== undefined) this.#onReceived(new ReceivedBatch(NO_BYTES, record));
  }

  /** Tells of a track, after what is being done now. */
  tell(kind: 'dropped' | 'resumed', { peer }: Track, { ssrc, sequence, number }: TrackChange): void {
    if (this.#changes.length === 0) queueMicrotask(() => this.#tellChanges());
    this.#changes.push(RECEIVED[kind], peer.id, ssrc, sequence, number, performance.now());
  }

  #tellChanges(): void {
    const records = Float64Array.from(this.#changes);
    this.#changes = [];
    this.#onReceived(new ReceivedBatch(NO_BYTES, records));
  }

  #hand(kind: number, peer: Peer | undefined, bytes: Buffer, { address, port }: From): void {
    const records = new Float64Array(RECORD_FIELDS);
    records[0] = kind;
    records[1] = peer?.id ?? 0;
    records[4] = bytes.length;
    records[5] = performance.now();
    if (port === 0 || isIPv4(address)) {
      records[2] = port === 0 ? 0 : this.#ipv4Number(address, port);
      this.#onReceived(new ReceivedBatch(bytes, records));
      return;
    }
    const joined = Buffer.allocUnsafe(ADDRESS_BYTES + bytes.length);
    writeAddress(joined, 0, address, port);
    joined.set(bytes, ADDRESS_BYTES);
    records[2] = -1;
    records[3] = ADDRESS_BYTES;
    this.#onReceived(new ReceivedBatch(joined, records));
  }

  #ipv4Number(address: string, port: number): number {
    writeAddress(this.#ipv4, 0, address, port);
    const [a = 0, b = 0, c = 0, d = 0] = this.#ipv4.subarray(12);
    return (((a * 256 + b) * 256 + c) * 256 + d) * 0x10000 + port;
  }
}

/** RTP or RTCP by its first byte (RFC 7983 §7). */
function isMedia(datagram: Buffer): boolean {
  const [first = 0] = datagram;
  return first >= 128 && first <= 191 && datagram.length >= 2;
}

/** True when a compound packet (RFC 3550 §6.1) has feedback on transport-wide numbers. */
function hasTransportFeedback(packet: Buffer): boolean {
  for (let at = 0; at + 4 <= packet.length; at += 4 + 4 * packet.readUInt16BE(at + 2)) {
    const format = (packet[at] ?? 0) & 0x1f;
    if (packet[at + 1] === TRANSPORT_FEEDBACK.type && format === TRANSPORT_FEEDBACK.format) return true;
  }
  return false;
}
