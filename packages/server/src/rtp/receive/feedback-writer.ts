import {
  compactNtp,
  joinRtcp,
  type NtpTime,
  ntpOfUnixMs,
  type ReportBlock,
  twccFeedback,
  writeExtendedReport,
  writeFir,
  writeNack,
  writePli,
  writeReceiverReport,
  writeRemb,
  writeSdes,
  writeTwcc,
} from '@sluice/media';
import type { RecordedArrivals } from './arrival-recorder.ts';

/** Our wall clock in extended reports needs no truth, only steadiness; this makes its numbers look like a date. */
const CLOCK_BASE_MS = Date.UTC(2025, 0, 1);

export interface FeedbackWriterOptions {
  readonly localSsrc: number;
  readonly cname: string;
  /** Feedback may go without a receiver report before it (RFC 5506). */
  readonly reducedSize: boolean;
  /** Reports ask for the round trip (RFC 3611 §4.4), which RTCP of the time before does not know. */
  readonly asksRoundTrip: boolean;
  /** Takes a whole RTCP datagram, unprotected. */
  send(bytes: Uint8Array): void;
}

/** Writes RTCP to a publisher and counts it. */
export class FeedbackWriter {
  readonly counts = { datagrams: 0, bytes: 0, nacks: 0, plis: 0, firs: 0, rembs: 0, transportFeedbacks: 0 };
  readonly #options: FeedbackWriterOptions;
  #firSequence = 0;
  #transportFeedbacks = 0;

  constructor(options: FeedbackWriterOptions) {
    this.#options = options;
  }

  /** Our wall clock, as the extended reports have it. */
  static wallClock(nowMs: number): NtpTime {
    return ntpOfUnixMs(CLOCK_BASE_MS + nowMs);
  }

  /**
   * A compound of receiver report, name, and where it is wanted the question for the round trip (RFC 3611 §4.4), which senders answer with
   * their next report.
   */
  report(reports: readonly ReportBlock[], nowMs: number): void {
    const { localSsrc, cname, asksRoundTrip } = this.#options;
    const packets = [writeReceiverReport({ ssrc: localSsrc, reports }), writeSdes(localSsrc, cname)];
    const receiverReference = FeedbackWriter.wallClock(nowMs);
    if (asksRoundTrip) packets.push(writeExtendedReport({ ssrc: localSsrc, receiverReference, dlrr: [] }));
    this.#send(packets);
  }

  /** Asks for packets again. `sequences` ascend; only their low 16 bits count. */
  nack(mediaSsrc: number, sequences: readonly number[]): void {
    this.counts.nacks += sequences.length;
    this.#feedback(writeNack({ senderSsrc: this.#options.localSsrc, mediaSsrc }, sequences));
  }

  pictureLoss(mediaSsrc: number): void {
    this.counts.plis++;
    this.#feedback(writePli({ senderSsrc: this.#options.localSsrc, mediaSsrc }));
  }

  fullIntra(mediaSsrc: number): void {
    this.counts.firs++;
    this.#feedback(writeFir(this.#options.localSsrc, [{ ssrc: mediaSsrc, sequence: this.#firSequence++ & 0xff }]));
  }

  /** The most that the sender may send for these sources. */
  maximumBitrate(bitrateBps: number, ssrcs: readonly number[]): void {
    this.counts.rembs++;
    this.#feedback(writeRemb({ senderSsrc: this.#options.localSsrc, bitrateBps, ssrcs }));
  }

  /** Tells when packets arrived. `mediaSsrc` is that of any of their sources. */
  arrivals(mediaSsrc: number, { baseSequence, arrivals }: RecordedArrivals): void {
    const header = {
      senderSsrc: this.#options.localSsrc,
      mediaSsrc,
      baseSequence,
      feedbackCount: this.#transportFeedbacks & 0xff,
    };
    for (const feedback of twccFeedback(arrivals, header)) {
      this.#transportFeedbacks++;
      this.counts.transportFeedbacks++;
      this.#feedback(writeTwcc(feedback));
    }
  }

  #feedback(packet: Uint8Array): void {
    const { localSsrc, cname, reducedSize } = this.#options;
    if (reducedSize) return this.#send([packet]);
    this.#send([writeReceiverReport({ ssrc: localSsrc, reports: [] }), writeSdes(localSsrc, cname), packet]);
  }

  #send(packets: readonly Uint8Array[]): void {
    const bytes = packets.length === 1 && packets[0] !== undefined ? packets[0] : joinRtcp(packets);
    this.counts.datagrams++;
    this.counts.bytes += bytes.length;
    this.#options.send(bytes);
  }
}

/** The round trip that an answer to our extended report tells of, milliseconds (RFC 3611 §4.5). */
export function roundTripOf(
  answer: { readonly lastReceiverReference: number; readonly delaySinceLastReference: number },
  nowMs: number,
): number | undefined {
  if (answer.lastReceiverReference === 0) return undefined;
  const now = compactNtp(FeedbackWriter.wallClock(nowMs));
  return (((now - answer.lastReceiverReference - answer.delaySinceLastReference) | 0) / 65_536) * 1000;
}
