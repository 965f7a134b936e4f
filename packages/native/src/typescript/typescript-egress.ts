import type { RemoteInfo } from 'node:dgram';
import type {
  Egress,
  EgressStats,
  FollowOptions,
  LaneOptions,
  PeerKeys,
  PeerStats,
  ResendOptions,
  RtpFormat,
  RtpPlaces,
  TrackState,
} from '../egress.ts';
import { type LaneBatch, MARKER, PACKET_FIELDS, START_POINT } from '../lane-batch.ts';
import { checkFormat, checkKeys, checkLane, checkNumber, checkPacing, type ResolvedEgressOptions } from '../options.ts';
import { SRTP_PROFILES } from '../srtp/index.ts';
import { type KeptPacket, Lane } from './lane.ts';
import { Peer } from './peer.ts';
import { Reception } from './reception.ts';
import { MAX_HEADER_BYTES, moveVp8Numbers, writeHeader, writeSendTime } from './rtp-packet.ts';
import { Track, type TrackSender } from './track.ts';
import { UdpPort } from './udp-port.ts';

const MAX_TRACKS = 16;
const TICK_MS = 2;
const OVERHEAD_BYTES = Math.max(...Object.values(SRTP_PROFILES).map(({ rtcpOverhead }) => rtcpOverhead));
const RTX_HEADER_BYTES = 2;

/** Sends with what Node brings, on the thread that calls. Slower than the addon; all else is said at `Egress`. */
export class TypeScriptEgress implements Egress, TrackSender {
  readonly implementation = 'typescript';
  readonly reason: string;
  readonly address: string;
  readonly #udp: UdpPort;
  readonly #reception: Reception;
  readonly #peers = new Map<number, Peer>();
  readonly #lanes = new Map<number, Lane>();
  readonly #waiting = new Set<Track>();
  /** Of the packet that is written: one object for all. */
  readonly #values = { number: 0, originalNumber: -1, transportNumber: 0, nowMs: 0 };
  readonly #onTick = (): void => this.#tick();
  #timer: NodeJS.Timeout | undefined;
  #lastId = 0;
  #refused = 0;
  #rejected = 0;
  #resendMisses = 0;
  #laneDrops = 0;
  #closed = false;

  private constructor(udp: UdpPort, reception: Reception, options: { readonly address: string; reason: string }) {
    this.#udp = udp;
    this.#reception = reception;
    this.address = options.address;
    this.reason = options.reason;
  }

  /** @throws Error with the system's code when the port can not be opened */
  static async open(options: ResolvedEgressOptions, reason: string): Promise<TypeScriptEgress> {
    const reception = new Reception(options.onReceived);
    const onDatagram = (datagram: Buffer, from: RemoteInfo): void => reception.take(datagram, from);
    const udp = await UdpPort.open(options, onDatagram);
    return new TypeScriptEgress(udp, reception, { address: options.address, reason });
  }

  get port(): number {
    return this.#udp.port;
  }

  addPeer(keys: PeerKeys): number {
    checkKeys(keys);
    if (this.#closed) return 0;
    const peer = new Peer(++this.#lastId, keys);
    this.#peers.set(peer.id, peer);
    return peer.id;
  }

  setAddress(id: number, address: string, port: number): void {
    const peer = this.#peers.get(id);
    if (!this.addRoute(id, address, port) || peer === undefined) return;
    peer.address = address;
    peer.port = port;
    peer.diverted = false;
    for (const track of peer.tracks) this.#send(track, performance.now());
  }

  divert(id: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    peer.port = 0;
    peer.diverted = true;
    for (const track of peer.tracks) this.#send(track, performance.now());
  }

  takeIn(id: number, datagram: Buffer): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) this.#reception.takeIn(peer, datagram);
  }

  addRoute(id: number, address: string, port: number): boolean {
    const peer = this.#peers.get(id);
    return this.#reception.addRoute(peer, address, port);
  }

  removeRoute(id: number, address: string, port: number): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) this.#reception.removeRoute(peer, address, port);
  }

  removePeer(id: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#peers.delete(id);
    for (const track of [...peer.tracks]) this.#detach(track);
    for (const { address, port } of [...peer.routes]) this.#reception.removeRoute(peer, address, port);
    this.#refused += peer.sender.refused;
    this.#rejected += rejectedBy(peer);
  }

  setPacing(id: number, bps: number, burstBytes: number): void {
    checkPacing(bps, burstBytes);
    this.#peers.get(id)?.budget.set(bps, burstBytes, performance.now());
  }

  sendRtp(id: number, packet: Uint8Array, places?: RtpPlaces): void {
    const peer = this.#peers.get(id);
    if (peer === undefined || !peer.hasWay) return;
    const { transportSequenceAt = 0, sendTimeAt = 0, mark = 0 } = places ?? {};
    const nowMs = performance.now();
    const buffer = this.#udp.take(packet.length + OVERHEAD_BYTES);
    buffer.set(packet);
    if (transportSequenceAt > 0) buffer.writeUInt16BE(peer.history.next & 0xffff, transportSequenceAt);
    if (sendTimeAt > 0) writeSendTime(buffer, sendTimeAt, nowMs);
    if (this.#seal(peer, buffer, packet.length) && transportSequenceAt > 0)
      peer.history.add(packet.length, mark, nowMs);
  }

  sendRtcp(id: number, packet: Uint8Array): void {
    const peer = this.#peers.get(id);
    if (peer === undefined || !peer.hasWay) return;
    const buffer = this.#udp.take(packet.length + OVERHEAD_BYTES);
    buffer.set(packet);
    const bytes = peer.sender.protectRtcp(buffer, packet.length);
    if (bytes > 0) this.#sendTo(peer, buffer.subarray(0, bytes));
  }

  sendRaw(address: string, port: number, datagram: Uint8Array): void {
    const buffer = this.#udp.take(datagram.length);
    buffer.set(datagram);
    this.#udp.send(buffer.subarray(0, datagram.length), port, address);
  }

  resend(id: number, options: ResendOptions): void {
    const { lane, sequence, format } = options;
    const peer = this.#peers.get(id);
    const packet = this.#lanes.get(lane)?.at(sequence);
    if (packet === undefined || peer === undefined) this.#resendMisses++;
    else this.#writeAgain(peer, format, packet, options);
  }

  flush(): void {
    // Everything is sent at once.
  }

  openLane(options: LaneOptions): number {
    checkLane(options);
    if (this.#closed) return 0;
    this.#lanes.set(++this.#lastId, new Lane(options));
    return this.#lastId;
  }

  closeLane(id: number): void {
    const lane = this.#lanes.get(id);
    if (lane === undefined) return;
    this.#lanes.delete(id);
    for (const track of lane.followers) {
      this.#waiting.delete(track);
      track.lane = undefined;
    }
  }

  // Hot path: the loop over viewers allocates nothing but what encryption makes.
  push(id: number, batch: LaneBatch): void {
    const lane = this.#lanes.get(id);
    if (lane === undefined) return;
    const nowMs = performance.now();
    if (!appendAll(lane, batch, nowMs)) return;
    const { followers } = lane;
    for (let i = 0; i < followers.length; i++) {
      const track = followers[i];
      if (track !== undefined && !this.#waiting.has(track)) this.#send(track, nowMs);
    }
  }

  follow(id: number, options: FollowOptions): void {
    const peer = this.#peers.get(id);
    const lane = this.#lanes.get(options.lane);
    checkNumber(options.from);
    checkNumber(options.number);
    checkFormat(options.format);
    if (this.#closed) return;
    const isFull = peer === undefined || peer.tracks.length >= MAX_TRACKS;
    if (isFull || lane === undefined || peer.track(options.format.ssrc) !== undefined)
      throw new Error(`peer ${id} can not follow lane ${options.lane}`);
    lane.expect(options.from);
    const track = new Track(this, { peer, lane }, options);
    peer.tracks.push(track);
    lane.followers.push(track);
    this.#send(track, performance.now());
  }

  unfollow(id: number, ssrc: number): TrackState | undefined {
    const track = this.#peers.get(id)?.track(ssrc);
    if (track === undefined) return undefined;
    const { state } = track;
    this.#detach(track);
    return state;
  }

  trackState(id: number, ssrc: number): TrackState | undefined {
    return this.#peers.get(id)?.track(ssrc)?.state;
  }

  sentSince(id: number, number: number, out: Float64Array): number {
    return this.#peers.get(id)?.history.since(number, out) ?? 0;
  }

  stats(): EgressStats {
    const { packets, bytes, again, dropped, unreachable, queuedBytes } = this.#udp;
    const { received, receivedBytes } = this.#reception;
    const peers = [...this.#peers.values()];
    return {
      ...{ packets, bytes, messages: packets, syscalls: packets, again, dropped, unreachable, sentSingly: 0 },
      refused: peers.reduce((sum, { sender }) => sum + sender.refused, this.#refused),
      ...{ resendMisses: this.#resendMisses, laneDrops: this.#laneDrops, received, receivedBytes },
      ...{ incomingDropped: 0, kernelDropped: 0 },
      rejected: peers.reduce((sum, peer) => sum + rejectedBy(peer), this.#rejected),
      ...{ queuedBytes, peers: this.#peers.size, lanes: this.#lanes.size, gso: false },
    };
  }

  peerStats(id: number): PeerStats | undefined {
    const peer = this.#peers.get(id);
    if (peer === undefined) return undefined;
    const { packets, bytes, dropped, unreachable, received, receivedBytes } = peer;
    const { malformed = 0, unauthentic = 0, replayed = 0 } = peer.receiver?.counters ?? {};
    const sent = { packets, bytes, dropped, unreachable, refused: peer.sender.refused };
    const read = { received, receivedBytes, malformed, unauthentic, replayed };
    return { ...sent, ...read, nextTransportNumber: peer.history.next };
  }

  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#waiting.clear();
    return this.#udp.close();
  }

  sendLanePacket(peer: Peer, format: RtpFormat, packet: KeptPacket, number: number): boolean {
    this.#values.originalNumber = -1;
    return this.#write(peer, format, packet, number);
  }

  tell(kind: 'dropped' | 'resumed', track: Track, sequence: number, number: number): void {
    if (kind === 'dropped') this.#laneDrops++;
    this.#reception.tell(kind, track, { ssrc: track.format.ssrc, sequence, number });
  }

  #writeAgain(
    peer: Peer,
    format: RtpFormat,
    packet: KeptPacket,
    { number, originalNumber = -1 }: Pick<ResendOptions, 'number' | 'originalNumber'>,
  ): void {
    this.#values.originalNumber = originalNumber;
    this.#write(peer, format, packet, number);
  }

  // Hot path: once per packet and viewer.
  #write(peer: Peer, format: RtpFormat, packet: KeptPacket, number: number): boolean {
    const { payload } = packet;
    const buffer = this.#udp.take(MAX_HEADER_BYTES + RTX_HEADER_BYTES + payload.length + OVERHEAD_BYTES);
    const values = this.#values;
    values.number = number;
    values.transportNumber = peer.history.next;
    values.nowMs = performance.now();
    let at = writeHeader(buffer, format, packet, values);
    if (values.originalNumber >= 0) {
      buffer.writeUInt16BE(values.originalNumber & 0xffff, at);
      at += RTX_HEADER_BYTES;
    }
    buffer.set(payload, at);
    if (format.vp8 !== undefined && payload.length >= 4) moveVp8Numbers(buffer, at, format.vp8);
    const length = at + payload.length;
    const isSent = this.#seal(peer, buffer, length);
    if (isSent && (format.transportSequenceId ?? 0) !== 0) peer.history.add(length, 0, values.nowMs);
    return isSent;
  }

  #seal(peer: Peer, buffer: Buffer, length: number): boolean {
    const bytes = peer.sender.protectRtp(buffer, length);
    if (bytes === 0) return false;
    peer.packets++;
    peer.bytes += length;
    peer.budget.spend(length);
    this.#sendTo(peer, buffer.subarray(0, bytes));
    return true;
  }

  #sendTo(peer: Peer, datagram: Buffer): void {
    if (peer.diverted) this.#reception.divert(peer, datagram);
    else if (!this.#udp.send(datagram, peer.port, peer.address)) peer.dropped++;
  }

  #send(track: Track, nowMs: number): void {
    if (!track.send(nowMs)) return;
    this.#waiting.add(track);
    this.#timer ??= setTimeout(this.#onTick, TICK_MS);
  }

  #tick(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const track of this.#waiting) if (!track.send(nowMs)) this.#waiting.delete(track);
    if (this.#waiting.size > 0) this.#timer = setTimeout(this.#onTick, TICK_MS);
  }

  #detach(track: Track): void {
    this.#waiting.delete(track);
    remove(track.peer.tracks, track);
    if (track.lane !== undefined) remove(track.lane.followers, track);
    track.lane = undefined;
  }
}

function remove(tracks: Track[], track: Track): void {
  const at = tracks.indexOf(track);
  if (at >= 0) tracks.splice(at, 1);
}

function rejectedBy({ receiver }: Peer): number {
  const { malformed = 0, unauthentic = 0, replayed = 0 } = receiver?.counters ?? {};
  return malformed + unauthentic + replayed;
}

/** True when there is anything new. */
function appendAll(lane: Lane, { bytes, usedBytes, fields, count }: LaneBatch, nowMs: number): boolean {
  const copy = Buffer.from(bytes.subarray(0, usedBytes));
  let isNew = false;
  for (let i = 0; i < count; i++) {
    const at = i * PACKET_FIELDS;
    const flags = fields[at + 2] ?? 0;
    const offset = fields[at + 4] ?? 0;
    const packet = {
      sequence: fields[at] ?? 0,
      timestamp: fields[at + 1] ?? 0,
      marker: (flags & MARKER) !== 0,
      startPoint: (flags & START_POINT) !== 0,
      orientation: fields[at + 3] ?? -1,
      payload: copy.subarray(offset, offset + (fields[at + 5] ?? 0)),
      atMs: nowMs,
    };
    isNew = lane.append(packet) || isNew;
  }
  return isNew;
}
