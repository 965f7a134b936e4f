import { compactNtp, type ReportBlock, type SenderReport } from '@sluice/media';

/** Jitter is smoothed over about this many packets (RFC 3550 §6.4.1). */
const JITTER_WEIGHT = 1 / 16;
/** Transits this far apart are a source that paused or a clock that jumped, not jitter. */
const MAX_TRANSIT_STEP_S = 10;

/** What receiver reports say about one source: loss by RFC 3550 appendix A.3, jitter by appendix A.8. */
export class ReceptionStatistics {
  readonly #clockRate: number;
  #first = Number.NaN;
  #highest = 0;
  #received = 0;
  #expectedBefore = 0;
  #receivedBefore = 0;
  #jitter = 0;
  #transit = Number.NaN;
  #timestamp = -1;
  #reportCompact = 0;
  #reportMs = 0;

  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** Packets lost since the source began; below zero where duplicates outnumber losses. */
  get lost(): number {
    return this.#expected - this.#received;
  }

  get jitterMs(): number {
    return (this.#jitter / this.#clockRate) * 1000;
  }

  /** The source is another one or has begun anew. */
  restart(): void {
    this.#first = Number.NaN;
    this.#received = 0;
    this.#expectedBefore = 0;
    this.#receivedBefore = 0;
    this.#transit = Number.NaN;
    this.#jitter = 0;
    this.#timestamp = -1;
    this.#reportCompact = 0;
  }

  /** Counts a packet of the source itself, duplicates included. `sequence` is unwrapped. */
  count(sequence: number): void {
    if (Number.isNaN(this.#first)) {
      this.#first = sequence;
      this.#highest = sequence;
    }
    if (sequence > this.#highest) this.#highest = sequence;
    this.#received++;
  }

  /**
   * Takes the arrival of a packet that came in order. Of the packets of a frame the first one counts: the others'
   * distance tells how the sender paces, not what the network does.
   */
  arrive(timestamp: number, arrivalMs: number): void {
    if (timestamp === this.#timestamp) return;
    this.#timestamp = timestamp;
    // Modulo 2^32 as timestamps are; the difference below is right whenever it is small.
    const transit = Math.round((arrivalMs / 1000) * this.#clockRate) - timestamp;
    const step = Math.abs((transit - this.#transit) | 0);
    if (!Number.isNaN(this.#transit) && step < MAX_TRANSIT_STEP_S * this.#clockRate)
      this.#jitter += (step - this.#jitter) * JITTER_WEIGHT;
    this.#transit = transit;
  }

  /** Remembers the newest sender report, for the round trip that its sender computes. */
  senderReport(report: SenderReport, arrivalMs: number): void {
    this.#reportCompact = compactNtp(report);
    this.#reportMs = arrivalMs;
  }

  /** The block for the next receiver report; undefined while nothing has come. Ends a reporting interval. */
  report(ssrc: number, nowMs: number): ReportBlock | undefined {
    if (Number.isNaN(this.#first)) return undefined;
    const expected = this.#expected;
    const expectedNow = expected - this.#expectedBefore;
    const lostNow = expectedNow - (this.#received - this.#receivedBefore);
    this.#expectedBefore = expected;
    this.#receivedBefore = this.#received;
    const fraction = expectedNow <= 0 || lostNow <= 0 ? 0 : Math.min(255, Math.floor((lostNow * 256) / expectedNow));
    const sinceReportS = Math.max(0, nowMs - this.#reportMs) / 1000;
    return {
      ssrc,
      fractionLost: fraction,
      cumulativeLost: this.lost,
      highestSequence: this.#highest >>> 0,
      jitter: Math.round(this.#jitter),
      lastSenderReport: this.#reportCompact,
      delaySinceLastSenderReport:
        this.#reportCompact === 0 ? 0 : Math.min(0xffffffff, Math.round(sinceReportS * 65_536)),
    };
  }

  get #expected(): number {
    return Number.isNaN(this.#first) ? 0 : this.#highest - this.#first + 1;
  }
}
