import { isIPv6 } from 'node:net';
import type {
  Egress,
  EgressStats,
  FollowOptions,
  LaneOptions,
  PeerKeys,
  PeerStats,
  ResendOptions,
  RtpPlaces,
  TrackState,
} from '../egress.ts';
import type { LaneBatch } from '../lane-batch.ts';
import { checkFormat, checkKeys, checkLane, checkNumber, checkPacing, type ResolvedEgressOptions } from '../options.ts';
import { ReceivedBatch } from '../received-batch.ts';
import type { SrtpMasterKey } from '../srtp/index.ts';
import type { Addon, MediaSocket } from './addon.ts';
import { AddressBytes, CommandBatch, FORMAT_FIELDS, packFormat } from './command-batch.ts';

const ROUTE = { sendTo: 0, add: 1, remove: 2 } as const;
/** Handed over before the end of the turn: the thread begins with it, and memory stays small. */
const EARLY_FLUSH_BYTES = 256 * 1024;
const TRACK = { tell: 0, stop: 1 } as const;
const TRACK_FIELDS = 11;
const STATS_FIELDS = 20;
const CLOCK_READINGS = 8;

/** Sends by the addon, from its own thread. Everything here is packing: what it promises is said at `Egress`. */
export class NativeEgress implements Egress {
  readonly implementation = 'native';
  readonly reason: string;
  readonly port: number;
  readonly address: string;
  readonly #socket: MediaSocket;
  readonly #commands = new CommandBatch();
  readonly #addressBytes = new AddressBytes();
  readonly #follow = new Float64Array(4 + FORMAT_FIELDS);
  readonly #track = new Float64Array(TRACK_FIELDS);
  readonly #stats = new Float64Array(STATS_FIELDS);
  readonly #flushLater = (): void => this.flush();
  #willFlush = false;
  #closed = false;
  /** Batches that the thread had no room for. */
  #overflowed = 0;

  /** @throws Error with the system's code when the port can not be opened */
  constructor(addon: Addon, options: ResolvedEgressOptions, reason: string) {
    this.reason = reason;
    this.address = options.address;
    const numbers = Float64Array.of(
      options.port,
      isIPv6(options.address) ? 1 : 0,
      options.receiveBufferBytes,
      options.sendBufferBytes,
      options.gso ? 1 : 0,
      options.maxQueueMs,
      options.maxQueueBytes,
      options.maxIncomingBytes,
      clockOffsetMs(),
    );
    this.#socket = new addon.MediaSocket(numbers, options.address, (data, records) => {
      if (records.length > 0) options.onReceived(new ReceivedBatch(data, records));
    });
    this.port = this.#socket.port();
  }

  addPeer(keys: PeerKeys): number {
    checkKeys(keys);
    if (this.#closed) return 0;
    const { profile, send, receive, allowRepeats } = keys;
    const bytes = receive === undefined ? joined(send) : Buffer.concat([joined(send), joined(receive)]);
    const id = this.#socket.addPeer(profile === 'AEAD_AES_128_GCM' ? 0 : 1, allowRepeats === true ? 1 : 0, bytes);
    if (id === 0) throw new Error('the encryption is not to be had, or there are too many peers');
    return id;
  }

  setAddress(peer: number, address: string, port: number): void {
    this.#route(peer, address, port, ROUTE.sendTo);
  }

  addRoute(peer: number, address: string, port: number): boolean {
    return this.#route(peer, address, port, ROUTE.add);
  }

  removeRoute(peer: number, address: string, port: number): void {
    this.#route(peer, address, port, ROUTE.remove);
  }

  divert(peer: number): void {
    if (!this.#closed) this.#socket.divert(peer);
  }

  takeIn(peer: number, datagram: Uint8Array): void {
    if (!this.#closed) this.#socket.takeIn(peer, datagram);
  }

  removePeer(peer: number): void {
    this.flush();
    if (!this.#closed) this.#socket.removePeer(peer);
  }

  setPacing(peer: number, bps: number, burstBytes: number): void {
    checkPacing(bps, burstBytes);
    if (!this.#closed) this.#socket.setPacing(peer, bps, burstBytes);
  }

  sendRtp(peer: number, packet: Uint8Array, places?: RtpPlaces): void {
    this.#commands.rtp(peer, packet, places);
    this.#added();
  }

  sendRtcp(peer: number, packet: Uint8Array): void {
    this.#commands.rtcp(peer, packet);
    this.#added();
  }

  sendRaw(address: string, port: number, datagram: Uint8Array): void {
    this.#commands.raw(this.#addressBytes.of(address, port), datagram);
    this.#added();
  }

  resend(peer: number, options: ResendOptions): void {
    this.#commands.resend(peer, options);
    this.#added();
  }

  flush(): void {
    this.#willFlush = false;
    const { bytes, used } = this.#commands;
    if (used === 0) return;
    this.#commands.used = 0;
    if (!this.#closed && !this.#socket.submit(bytes, used)) this.#overflowed++;
  }

  openLane(options: LaneOptions): number {
    checkLane(options);
    if (this.#closed) return 0;
    return this.#socket.openLane(options.maxPackets, options.maxBytes, options.maxAgeMs, options.prompt ? 1 : 0);
  }

  closeLane(lane: number): void {
    if (!this.#closed) this.#socket.closeLane(lane);
  }

  push(lane: number, { bytes, usedBytes, fields, count }: LaneBatch): void {
    if (this.#closed || count === 0) return;
    // What was written for single peers before leaves before.
    this.flush();
    if (!this.#socket.push(lane, bytes.subarray(0, usedBytes), fields, count)) this.#overflowed++;
  }

  follow(peer: number, { lane, from, number, maxQueueMs, format }: FollowOptions): void {
    checkNumber(from);
    checkNumber(number);
    checkFormat(format);
    this.flush();
    if (this.#closed) return;
    const fields = this.#follow;
    fields[0] = lane;
    fields[1] = from;
    fields[2] = number;
    fields[3] = maxQueueMs;
    packFormat(fields, 4, format);
    if (!this.#socket.follow(peer, fields)) throw new Error(`peer ${peer} can not follow lane ${lane}`);
  }

  unfollow(peer: number, ssrc: number): TrackState | undefined {
    this.flush();
    return this.#trackState(peer, ssrc, TRACK.stop);
  }

  trackState(peer: number, ssrc: number): TrackState | undefined {
    return this.#trackState(peer, ssrc, TRACK.tell);
  }

  sentSince(peer: number, number: number, out: Float64Array): number {
    return this.#closed ? 0 : this.#socket.sentSince(peer, number, out);
  }

  stats(): EgressStats {
    const out = this.#stats;
    if (!this.#closed) this.#socket.stats(out, 0);
    const [packets = 0, bytes = 0, messages = 0, syscalls = 0, again = 0, dropped = 0, unreachable = 0] = out;
    const [sentSingly = 0, refused = 0, resendMisses = 0, laneDrops = 0, received = 0] = out.subarray(7);
    const [receivedBytes = 0, incomingDropped = 0, kernelDropped = 0, rejected = 0] = out.subarray(12);
    const [queuedBytes = 0, peers = 0, lanes = 0, gso = 0] = out.subarray(16);
    return {
      ...{ packets, bytes, messages, syscalls, again, dropped: dropped + this.#overflowed, unreachable, sentSingly },
      ...{ refused, resendMisses, laneDrops, received, receivedBytes, incomingDropped, kernelDropped, rejected },
      ...{ queuedBytes, peers, lanes, gso: gso !== 0 },
    };
  }

  peerStats(peer: number): PeerStats | undefined {
    const out = this.#stats;
    if (this.#closed || peer === 0 || !this.#socket.stats(out, peer)) return undefined;
    return {
      packets: numberAt(out, 0),
      bytes: numberAt(out, 1),
      dropped: numberAt(out, 2),
      unreachable: numberAt(out, 3),
      refused: numberAt(out, 4),
      received: numberAt(out, 5),
      receivedBytes: numberAt(out, 6),
      malformed: numberAt(out, 7),
      unauthentic: numberAt(out, 8),
      replayed: numberAt(out, 9),
      nextTransportNumber: numberAt(out, 10),
    };
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.flush();
    this.stats();
    this.#closed = true;
    this.#socket.close();
    return Promise.resolve();
  }

  #trackState(peer: number, ssrc: number, what: number): TrackState | undefined {
    const out = this.#track;
    if (this.#closed || !this.#socket.track(peer, ssrc, out, what)) return undefined;
    return {
      nextSequence: numberAt(out, 0),
      lastNumber: numberAt(out, 1),
      lastTimestamp: numberAt(out, 2),
      packets: numberAt(out, 3),
      bytes: numberAt(out, 4),
      drops: numberAt(out, 5),
      keyFrameMs: numberAt(out, 6),
      numberOffset: numberAt(out, 7),
      segment: numberAt(out, 8),
      awaitsStart: out[9] !== 0,
      lagMs: numberAt(out, 10),
    };
  }

  #route(peer: number, address: string, port: number, what: number): boolean {
    const bytes = this.#addressBytes.of(address, port);
    return !this.#closed && this.#socket.route(peer, bytes, what);
  }

  #added(): void {
    if (this.#commands.used > EARLY_FLUSH_BYTES) this.flush();
    if (this.#willFlush) return;
    this.#willFlush = true;
    queueMicrotask(this.#flushLater);
  }
}

function numberAt(numbers: Float64Array, at: number): number {
  return numbers[at] ?? 0;
}

/** The system's monotonic clock less `performance.now()`: of several readings the one that was interrupted least. */
function clockOffsetMs(): number {
  let best = 0;
  let shortestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < CLOCK_READINGS; i++) {
    const before = process.hrtime.bigint();
    const nowMs = performance.now();
    const tookMs = Number(process.hrtime.bigint() - before) / 1e6;
    if (tookMs >= shortestMs) continue;
    shortestMs = tookMs;
    best = Number(before) / 1e6 + tookMs / 2 - nowMs;
  }
  return best;
}

function joined({ key, salt }: SrtpMasterKey): Buffer {
  return Buffer.concat([key, salt]);
}
