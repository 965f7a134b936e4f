import { sequenceDistance } from '@sluice/media';

/** A packet that has not come yet. */
interface MissingPacket {
  readonly sinceMs: number;
  /** When to ask for it next. */
  dueMs: number;
}

/** What a packet turned out to be. */
export type PacketFate = 'next' | 'repaired' | 'repeated';

/** Packets that are missing at a time; more than that is not worth asking for. */
const MAX_MISSING = 512;
/** A jump that is larger is another numbering, not loss. */
const MAX_GAP = 4096;
const RETRY_MS = 100;
/** Something that is only out of order is not asked for. */
const FIRST_WAIT_MS = 15;

/**
 * The account of one source: which packets came, which are missing. Reads nothing but the numbers of headers, which are
 * not encrypted.
 */
export class RtpTally {
  readonly ssrc: number;
  received = 0;
  /** Packets that never came. */
  lost = 0;
  repaired = 0;
  /** Interarrival jitter in ticks (RFC 3550 §6.4.1). */
  jitter = 0;
  readonly #ticksPerMs: number;
  readonly #giveUpMs: number;
  readonly #missing = new Map<number, MissingPacket>();
  /** Numbers that do not wrap. */
  #first = -1;
  #highest = -1;
  #lastTransit = Number.NaN;
  #reportedExpected = 0;
  #reportedReceived = 0;

  /** @param giveUpMs a packet that has been missing for so long will not be used any more */
  constructor(ssrc: number, options: { readonly clockRate: number; readonly giveUpMs: number }) {
    this.ssrc = ssrc;
    this.#ticksPerMs = options.clockRate / 1000;
    this.#giveUpMs = options.giveUpMs;
  }

  /** Some packets before the newest one are still hoped for. */
  get incomplete(): boolean {
    return this.#missing.size > 0;
  }

  get highestSequence(): number {
    return this.#highest < 0 ? 0 : this.#highest >>> 0;
  }

  /** Takes the header of a packet. Hot path: allocates only when packets are missing. */
  onPacket(sequence: number, timestamp: number, nowMs: number): PacketFate {
    if (this.#highest < 0) {
      // Begins high enough that packets that are late do not come below zero.
      this.#first = sequence + 0x10000;
      this.#highest = this.#first;
      this.received++;
      return 'next';
    }
    const distance = sequenceDistance(this.#highest & 0xffff, sequence);
    if (distance <= 0) return this.onRepair(this.#highest + distance);
    this.received++;
    this.#measureJitter(timestamp, nowMs);
    const next = this.#highest + 1;
    this.#highest += distance;
    if (distance > 1 && distance <= MAX_GAP) this.#miss(next, nowMs);
    return 'next';
  }

  /** A packet that was missing has come after all, as itself or in a retransmission. */
  onRepair(unwrapped: number): PacketFate {
    if (!this.#missing.delete(unwrapped)) return 'repeated';
    this.received++;
    this.repaired++;
    return 'repaired';
  }

  /** The number of a packet that was sent before, without the wrap. */
  unwrap(sequence: number): number {
    return this.#highest + sequenceDistance(this.#highest & 0xffff, sequence);
  }

  /** Packets to ask for now; those that are given up are lost. */
  overdue(nowMs: number): number[] {
    if (this.#missing.size === 0) return [];
    const wanted: number[] = [];
    for (const [sequence, packet] of this.#missing) {
      if (nowMs - packet.sinceMs > this.#giveUpMs) {
        this.#missing.delete(sequence);
        this.lost++;
      } else if (nowMs >= packet.dueMs) {
        packet.dueMs = nowMs + RETRY_MS;
        wanted.push(sequence & 0xffff);
      }
    }
    return wanted;
  }

  /** What is missing at the end is lost, unless it was hardly sent yet. */
  finish(nowMs: number): void {
    for (const { sinceMs } of this.#missing.values()) if (nowMs - sinceMs > RETRY_MS) this.lost++;
    this.#missing.clear();
  }

  /** Losses for a report block (RFC 3550 appendix A.3); the next call is about what follows. */
  report(): { readonly fractionLost: number; readonly cumulativeLost: number } {
    const expected = this.#highest < 0 ? 0 : this.#highest - this.#first + 1;
    const expectedNow = expected - this.#reportedExpected;
    const lostNow = expectedNow - (this.received - this.#reportedReceived);
    this.#reportedExpected = expected;
    this.#reportedReceived = this.received;
    const fraction = expectedNow <= 0 || lostNow <= 0 ? 0 : Math.floor((lostNow * 256) / expectedNow);
    const cumulativeLost = Math.max(-0x800000, Math.min(0x7fffff, expected - this.received));
    return { fractionLost: Math.min(255, fraction), cumulativeLost };
  }

  #miss(from: number, nowMs: number): void {
    for (let sequence = from; sequence < this.#highest; sequence++) {
      if (this.#missing.size >= MAX_MISSING) this.lost++;
      else this.#missing.set(sequence, { sinceMs: nowMs, dueMs: nowMs + FIRST_WAIT_MS });
    }
  }

  #measureJitter(timestamp: number, nowMs: number): void {
    const transit = Math.trunc(nowMs * this.#ticksPerMs) - timestamp;
    const difference = Math.abs((transit - this.#lastTransit) | 0);
    if (!Number.isNaN(this.#lastTransit)) this.jitter += (difference - this.jitter) / 16;
    this.#lastTransit = transit;
  }
}
