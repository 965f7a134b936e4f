import { compactNtp, type RtcpPacket, writeNack, writePli, writeReceiverReport } from '@sluice/media';
import type { RtpTally } from './rtp-tally.ts';

const REPORT_MS = 1000;
const PLI_MS = 1000;

interface SentReport {
  readonly compact: number;
  readonly arrivedMs: number;
}

/** Writes what a receiver tells its sender beside arrivals: reports, missing packets, and that it needs a key frame. */
export class Reports {
  /** Ours; any will do. */
  readonly ssrc = 1;
  readonly #senderReports = new Map<number, SentReport>();
  #reportedMs = Number.NEGATIVE_INFINITY;
  #pliMs = Number.NEGATIVE_INFINITY;

  /** Sender reports are referred to in ours, so that the server can tell the round trip. */
  onRtcp(packets: readonly RtcpPacket[], nowMs: number): void {
    for (const packet of packets) {
      if (packet.kind !== 'sr' || (this.#senderReports.size > 8 && !this.#senderReports.has(packet.ssrc))) continue;
      this.#senderReports.set(packet.ssrc, { compact: compactNtp(packet), arrivedMs: nowMs });
    }
  }

  /** A request for a key frame, unless there was one lately. */
  pli(mediaSsrc: number, nowMs: number): Uint8Array | undefined {
    if (nowMs - this.#pliMs < PLI_MS) return undefined;
    this.#pliMs = nowMs;
    return writePli({ senderSsrc: this.ssrc, mediaSsrc });
  }

  nack(mediaSsrc: number, sequences: readonly number[]): Uint8Array | undefined {
    return sequences.length === 0 ? undefined : writeNack({ senderSsrc: this.ssrc, mediaSsrc }, sequences);
  }

  /** A receiver report about all sources, once a second. */
  receiverReport(tallies: Iterable<RtpTally>, nowMs: number): Uint8Array | undefined {
    if (nowMs - this.#reportedMs < REPORT_MS) return undefined;
    this.#reportedMs = nowMs;
    const reports = Array.from(tallies, (tally) => {
      const sent = this.#senderReports.get(tally.ssrc);
      return {
        ssrc: tally.ssrc,
        ...tally.report(),
        highestSequence: tally.highestSequence,
        jitter: Math.round(tally.jitter),
        lastSenderReport: sent?.compact ?? 0,
        delaySinceLastSenderReport: sent === undefined ? 0 : Math.round(((nowMs - sent.arrivedMs) * 65_536) / 1000),
      };
    });
    return writeReceiverReport({ ssrc: this.ssrc, reports });
  }
}
