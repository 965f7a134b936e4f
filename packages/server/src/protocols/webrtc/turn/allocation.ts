import { randomBytes } from 'node:crypto';
import { isMedia } from '../transport/demux.ts';
import type { DatagramPort, DatagramSource } from '../transport/options.ts';
import type { Endpoint } from '../wire/stun/index.ts';
import type { TurnClient, TurnTallies } from './client.ts';
import { writeChannelData, writeDataIndication } from './wire/write.ts';

/** RFC 8656 §9 and §12. */
const PERMISSION_MS = 300_000;
const CHANNEL_MS = 600_000;

/** The credential that an allocation was made with. It stays good for it when its time is over. */
export interface TurnUser {
  readonly username: string;
  readonly password: string;
}

export interface AllocationContext {
  readonly client: TurnClient;
  readonly user: TurnUser;
  /** The virtual address that peers see. */
  readonly relayed: Endpoint;
  /** Of the request that made it, so that a repeated one is known. */
  readonly transactionId: Buffer;
  readonly port: DatagramPort;
  readonly tallies: TurnTallies;
  readonly maxPeers: number;
}

/**
 * What one client has of the TURN server: peers that it may hear and their channels (RFC 8656 §3). There is no socket:
 * the only peer is our own media, which gets the client's datagrams from here and gives back its own. For the media,
 * each of its addresses that the client uses is a source of its own. Times are of `performance.now()`.
 */
export class Allocation {
  readonly client: TurnClient;
  readonly user: TurnUser;
  readonly relayed: Endpoint;
  readonly transactionId: Buffer;
  readonly #context: AllocationContext;
  /** By address: when a permission ends. */
  readonly #permissions = new Map<string, number>();
  readonly #channels = new Map<number, RelaySource>();
  readonly #sources = new Map<string, RelaySource>();
  expiresMs: number;
  #closed = false;

  constructor(context: AllocationContext, expiresMs: number) {
    this.client = context.client;
    this.user = context.user;
    this.relayed = context.relayed;
    this.transactionId = Buffer.from(context.transactionId);
    this.#context = context;
    this.expiresMs = expiresMs;
  }

  /** Lets that peer's datagrams through, for five minutes. False when there are too many. */
  permit(address: string, nowMs: number): boolean {
    if (!this.#permissions.has(address) && this.#permissions.size >= this.#context.maxPeers) return false;
    this.#permissions.set(address, nowMs + PERMISSION_MS);
    return true;
  }

  /** Binds a channel, or does so for longer; `mismatch` when number or peer are bound otherwise (RFC 8656 §12.2). */
  bind(channel: number, peer: Endpoint, nowMs: number): 'bound' | 'mismatch' | 'full' {
    const source = this.#sourceAt(peer);
    if (source === undefined) return 'full';
    const isOther = source.channel !== undefined && source.channel !== channel;
    const holder = this.#channels.get(channel);
    if (isOther || (holder !== undefined && holder !== source)) return 'mismatch';
    if (!this.permit(peer.address, nowMs)) return 'full';
    source.channel = channel;
    source.channelExpiresMs = nowMs + CHANNEL_MS;
    this.#channels.set(channel, source);
    return 'bound';
  }

  /** Hands on what the client sent by a channel. Hot path. */
  receiveOnChannel(channel: number, datagram: Buffer): void {
    const source = this.#channels.get(channel);
    if (source === undefined) this.#context.tallies.dropped++;
    else this.#handOn(source, datagram);
  }

  /** Hands on what the client sent with a Send indication. Without permission, it is dropped (RFC 8656 §11.2). */
  receiveFor(peer: Endpoint, datagram: Buffer): void {
    const { port, tallies } = this.#context;
    const isPermitted = this.#permissions.has(peer.address) && port.isOwn(peer.address, peer.port);
    const source = isPermitted ? this.#sourceAt(peer) : undefined;
    if (source === undefined) tallies.dropped++;
    else this.#handOn(source, datagram);
  }

  /** Ends permissions and channels whose time is over. Call every second or so. */
  tick(nowMs: number): void {
    for (const [address, expiresMs] of this.#permissions) if (expiresMs <= nowMs) this.#permissions.delete(address);
    for (const [key, source] of this.#sources) {
      if (source.channel !== undefined && source.channelExpiresMs <= nowMs) {
        this.#channels.delete(source.channel);
        source.channel = undefined;
      }
      if (source.channel !== undefined || this.#permissions.has(source.peer.address)) continue;
      this.#sources.delete(key);
      this.#end(source);
    }
  }

  /** The media sends nothing here any more. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const source of this.#sources.values()) this.#end(source);
    this.#sources.clear();
    this.#channels.clear();
    this.#permissions.clear();
    this.client.allocation = undefined;
    this.client.letGo();
  }

  #sourceAt(peer: Endpoint): RelaySource | undefined {
    const key = `${peer.address} ${peer.port}`;
    const known = this.#sources.get(key);
    if (known !== undefined || this.#sources.size >= this.#context.maxPeers) return known;
    const source = new RelaySource(this.#context, peer);
    this.#sources.set(key, source);
    return source;
  }

  #handOn(source: RelaySource, datagram: Buffer): void {
    this.#context.tallies.relayedIn++;
    this.#context.port.receive(source, datagram);
  }

  #end(source: RelaySource): void {
    source.isOver = true;
    this.#context.port.forget(source);
  }
}

/** A client behind its allocation, as the media sees it through one of its own addresses. */
class RelaySource implements DatagramSource {
  readonly via = 'relay';
  readonly address: string;
  readonly port: number;
  /** The address of ours that the client speaks to. */
  readonly peer: Endpoint;
  channel: number | undefined;
  channelExpiresMs = 0;
  isOver = false;
  readonly #context: AllocationContext;

  constructor(context: AllocationContext, peer: Endpoint) {
    this.address = context.relayed.address;
    this.port = context.relayed.port;
    this.peer = peer;
    this.#context = context;
  }

  /** Hot path. */
  send(datagram: Buffer): boolean {
    const { client, tallies } = this.#context;
    if (this.isOver) return true;
    // Numbers of indications mean nothing to anybody, but two must not be alike (RFC 8489 §5).
    const frame =
      this.channel === undefined
        ? writeDataIndication(this.peer, datagram, randomBytes(12))
        : writeChannelData(this.channel, datagram, client.isStream);
    if (client.relay(frame, isMedia(datagram))) tallies.relayedOut++;
    else tallies.dropped++;
    return true;
  }
}
