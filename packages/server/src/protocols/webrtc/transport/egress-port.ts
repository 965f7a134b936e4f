import { type Egress, type EgressStats, openEgress, type ReceivedBatch } from '@sluice/native';
import type { IpFamily } from './candidates.ts';
import type { EgressChannel } from './egress-channel.ts';
import type { ResolvedTransportOptions, TransportCounters } from './options.ts';

/** A datagram holds no more (RFC 768, RFC 791). */
const MAX_DATAGRAM_BYTES = 65_507;
/** What waits longer is given up: more than a machine that is busy for a moment makes packets wait. */
const MAX_QUEUE_MS = 500;
/** Sealed packets of peers by TCP wait there as well. */
const MAX_INCOMING_BYTES = 16 * 1024 * 1024;

export interface EgressPortOptions {
  readonly family: IpFamily;
  readonly transport: ResolvedTransportOptions;
  readonly counters: TransportCounters;
  onReceived(port: EgressPort, batch: ReceivedBatch): void;
}

type Counted = Omit<EgressStats, 'gso' | 'queuedBytes' | 'peers' | 'lanes' | 'messages' | 'syscalls' | 'again'>;

const NOTHING: Counted = Object.freeze({
  ...{ packets: 0, bytes: 0, received: 0, receivedBytes: 0, dropped: 0, unreachable: 0, sentSingly: 0, refused: 0 },
  ...{ resendMisses: 0, laneDrops: 0, incomingDropped: 0, kernelDropped: 0, rejected: 0 },
});

/** One bound UDP port, with the peers whose media go through it. After `bind`, what goes wrong is counted, not thrown. */
export class EgressPort {
  readonly family: IpFamily;
  /** What was bound; 0 and nothing before. */
  port = 0;
  address = '';
  /** Peers by their id in `egress`. */
  readonly channels = new Map<number, EgressChannel>();
  readonly #options: EgressPortOptions;
  #egress: Egress | undefined;
  #counted = NOTHING;
  #closing: Promise<void> | undefined;

  constructor(options: EgressPortOptions) {
    this.family = options.family;
    this.#options = options;
  }

  /** What sends and receives. After `bind` only. */
  get egress(): Egress {
    if (this.#egress === undefined) throw new Error('the port is not open');
    return this.#egress;
  }

  /** Opens the port. Rejects with the system's error; nothing is open then. */
  async bind(address: string, port: number): Promise<void> {
    const { receiveBufferBytes, sendBufferBytes, maxQueuedBytes } = this.#options.transport;
    this.#egress = await openEgress({
      address,
      port,
      receiveBufferBytes,
      sendBufferBytes,
      maxQueueMs: MAX_QUEUE_MS,
      maxQueueBytes: maxQueuedBytes,
      maxIncomingBytes: MAX_INCOMING_BYTES,
      onReceived: (batch) => this.#options.onReceived(this, batch),
    });
    this.port = this.#egress.port;
    this.address = address;
  }

  /** As `IcePath.send`: the datagram is copied, or has left. */
  send(datagram: Buffer, port: number, address: string): boolean {
    if (this.#closing !== undefined) return true;
    if (datagram.length > MAX_DATAGRAM_BYTES) this.#options.counters.sendErrors++;
    else this.#egress?.sendRaw(address, port, datagram);
    return true;
  }

  /** Adds what happened since the last time to the transport's counters. */
  addUp(): void {
    const { counters } = this.#options;
    const now = this.#egress?.stats() ?? NOTHING;
    const before = this.#counted;
    this.#counted = now;
    counters.received += now.received - before.received;
    counters.receivedBytes += now.receivedBytes - before.receivedBytes;
    counters.sent += now.packets - before.packets;
    counters.sentBytes += now.bytes - before.bytes;
    counters.overflowed += now.dropped - before.dropped;
    counters.sendErrors += now.unreachable - before.unreachable;
    counters.laneDrops += now.laneDrops - before.laneDrops;
    counters.receiveDropped += now.incomingDropped - before.incomingDropped;
    counters.receiveDropped += now.kernelDropped - before.kernelDropped;
  }

  /** Idempotent; resolves when the port is free again. */
  close(): Promise<void> {
    this.#closing ??= this.#egress?.close() ?? Promise.resolve();
    return this.#closing;
  }
}
