import { formatAddress } from './addresses.ts';

/**
 * What a record of a batch is. `raw`: a datagram as it came, of a peer without keys or of nobody. `rtcp`, `rtp`: an
 * authentic packet of a peer, opened. `dropped`, `resumed`: what became of a track that lagged. `sealed`: a datagram to be
 * sent to a peer that is diverted. `sent`: what left for a peer under transport-wide numbers since that was told last; comes
 * before an `rtcp` with feedback on such numbers.
 */
export type ReceivedKind = 'raw' | 'rtcp' | 'rtp' | 'dropped' | 'resumed' | 'sealed' | 'sent';

const KINDS: readonly ReceivedKind[] = ['raw', 'rtcp', 'rtp', 'dropped', 'resumed', 'sealed', 'sent'];
/**
 * Numbers of a record: kind, peer or 0, address, offset, length, time; of a track: kind, peer, SSRC, sequence, number, time;
 * of what left: kind, peer, first number, how many, 0, time, and then for each packet when it left and
 * `mark * 65536 + bytes`, up to whole records.
 */
export const RECORD_FIELDS = 6;
export const RECEIVED = { raw: 0, rtcp: 1, rtp: 2, dropped: 3, resumed: 4, sealed: 5, sent: 6 } as const;
const PACKETS_OF_RECORD = RECORD_FIELDS / 2;

/** How many records that many packets take which left. */
export function recordsOfSent(packets: number): number {
  return 1 + Math.ceil(packets / PACKETS_OF_RECORD);
}

/** What became of a track that could not be sent in time. */
export interface TrackChange {
  readonly ssrc: number;
  /** `dropped`: packets of the lane from this on were not sent. `resumed`: it goes on with this packet, a start point. */
  readonly sequence: number;
  /** `dropped`: the newest number that was sent. `resumed`: the number of that packet. */
  readonly number: number;
}

/** What left for a peer under transport-wide numbers: so many packets under consecutive ones. */
export interface SentPackets {
  /** Unwrapped number of the first packet. */
  sentFrom(at: number): number;
  sentCount(at: number): number;
  /** When it left, `performance.now()`; `packet` counts from 0. */
  sentMs(at: number, packet: number): number;
  /** Of the packet without encryption. */
  sentBytes(at: number, packet: number): number;
  /** As in `RtpPlaces`. */
  sentMark(at: number, packet: number): number;
  /** When it was told, `performance.now()`. */
  atMs(at: number): number;
}

/**
 * All that came since the last time, in order. Records are read by their place, so that none costs an object: the first is
 * at 0, the others at what `after` tells, as long as that is less than `count`.
 */
export class ReceivedBatch implements SentPackets {
  readonly #data: Buffer;
  readonly #records: Float64Array;
  readonly count: number;

  constructor(data: Buffer, records: Float64Array) {
    this.#data = data;
    this.#records = records;
    this.count = records.length / RECORD_FIELDS;
  }

  kind(at: number): ReceivedKind {
    return KINDS[this.#field(at, 0)] ?? 'raw';
  }

  /** The place of the record after that one. Hot path. */
  after(at: number): number {
    return this.#field(at, 0) === RECEIVED.sent ? at + recordsOfSent(this.#field(at, 3)) : at + 1;
  }

  /** 0 when nobody is known to be at that address. */
  peer(at: number): number {
    return this.#field(at, 1);
  }

  /** The datagram, or the packet without its encryption. A view that may be kept. */
  bytes(at: number): Buffer {
    const offset = this.#field(at, 3);
    return this.#data.subarray(offset, offset + this.#field(at, 4));
  }

  /** Where a datagram came from, as text. */
  address(at: number): string {
    const value = this.#field(at, 2);
    if (value < 0) return formatAddress(this.#data, this.#field(at, 3) - 18);
    const ip = Math.floor(value / 0x10000);
    return `${ip >>> 24}.${(ip >>> 16) & 0xff}.${(ip >>> 8) & 0xff}.${ip & 0xff}`;
  }

  port(at: number): number {
    const value = this.#field(at, 2);
    return value < 0 ? this.#data.readUInt16BE(this.#field(at, 3) - 2) : value % 0x10000;
  }

  /** When it came, `performance.now()`. */
  atMs(at: number): number {
    return this.#field(at, 5);
  }

  /** Of a record `dropped` or `resumed`. */
  change(at: number): TrackChange {
    return { ssrc: this.#field(at, 2), sequence: this.#field(at, 3), number: this.#field(at, 4) };
  }

  sentFrom(at: number): number {
    return this.#field(at, 2);
  }

  sentCount(at: number): number {
    return this.#field(at, 3);
  }

  sentMs(at: number, packet: number): number {
    return this.#field(at + 1, packet * 2);
  }

  sentBytes(at: number, packet: number): number {
    return this.#field(at + 1, packet * 2 + 1) & 0xffff;
  }

  sentMark(at: number, packet: number): number {
    return this.#field(at + 1, packet * 2 + 1) >>> 16;
  }

  #field(at: number, field: number): number {
    return this.#records[at * RECORD_FIELDS + field] ?? 0;
  }
}
