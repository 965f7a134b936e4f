import { encodeUtf8 } from '../../amf/utf8.ts';
import { joinBytes, writeU16, writeU24, writeU32 } from '../bytes.ts';
import {
  type DlrrReport,
  type ExtendedReport,
  type FeedbackHeader,
  type FirRequest,
  FMT_APPLICATION,
  FMT_FIR,
  FMT_NACK,
  FMT_PLI,
  FMT_TWCC,
  REMB_NAME,
  REPORT_BLOCK_BYTES,
  type ReceiverReport,
  type Remb,
  type ReportBlock,
  RTCP_BYE,
  RTCP_PAYLOAD_FEEDBACK,
  RTCP_RR,
  RTCP_SDES,
  RTCP_SR,
  RTCP_TRANSPORT_FEEDBACK,
  RTCP_XR,
  SDES_CNAME,
  type SenderReport,
  type TwccFeedback,
  XR_DLRR,
  XR_RECEIVER_REFERENCE,
} from './rtcp-packet.ts';
import { writeTwccBody } from './twcc.ts';

const HEADER_BYTES = 4;
/** The count field has five bits. */
const MAX_COUNT = 31;
const MAX_TEXT_BYTES = 255;
const MAX_NACK_ENTRIES = 300;

/** Joins packets into one compound (RFC 3550 §6.1); a full one begins with a sender or receiver report. */
export function joinRtcp(packets: readonly Uint8Array[]): Uint8Array {
  return joinBytes(packets);
}

/** An empty packet with its header; `bodyBytes` must be a multiple of four. */
function packetOf(payloadType: number, count: number, bodyBytes: number): Uint8Array {
  const packet = new Uint8Array(HEADER_BYTES + bodyBytes);
  packet[0] = 0x80 | count;
  packet[1] = payloadType;
  writeU16(packet, 2, bodyBytes >> 2);
  return packet;
}

/** A sender report, RFC 3550 §6.4.1, with the first 31 of its report blocks. */
export function writeSenderReport(report: SenderReport): Uint8Array {
  const blocks = report.reports.slice(0, MAX_COUNT);
  const packet = packetOf(RTCP_SR, blocks.length, 24 + blocks.length * REPORT_BLOCK_BYTES);
  writeU32(packet, 4, report.ssrc);
  writeU32(packet, 8, report.ntpSeconds);
  writeU32(packet, 12, report.ntpFraction);
  writeU32(packet, 16, report.rtpTimestamp);
  writeU32(packet, 20, report.packetCount);
  writeU32(packet, 24, report.octetCount);
  writeReports(packet, 28, blocks);
  return packet;
}

/** A receiver report, RFC 3550 §6.4.2, with the first 31 of its report blocks. */
export function writeReceiverReport(report: ReceiverReport): Uint8Array {
  const blocks = report.reports.slice(0, MAX_COUNT);
  const packet = packetOf(RTCP_RR, blocks.length, 4 + blocks.length * REPORT_BLOCK_BYTES);
  writeU32(packet, 4, report.ssrc);
  writeReports(packet, 8, blocks);
  return packet;
}

function writeReports(packet: Uint8Array, start: number, reports: readonly ReportBlock[]): void {
  for (const [index, report] of reports.entries()) {
    const at = start + index * REPORT_BLOCK_BYTES;
    writeU32(packet, at, report.ssrc);
    packet[at + 4] = report.fractionLost;
    // Receivers with more loss than 24 bits can say report the most they can.
    writeU24(packet, at + 5, Math.max(-0x800000, Math.min(0x7fffff, report.cumulativeLost)));
    writeU32(packet, at + 8, report.highestSequence);
    writeU32(packet, at + 12, report.jitter);
    writeU32(packet, at + 16, report.lastSenderReport);
    writeU32(packet, at + 20, report.delaySinceLastSenderReport);
  }
}

/** A source description with the canonical name, RFC 3550 §6.5.1; bytes of it after the first 255 are left out. */
export function writeSdes(ssrc: number, cname: string): Uint8Array {
  const text = encodeUtf8(cname).subarray(0, MAX_TEXT_BYTES);
  // At least one zero ends the items.
  const packet = packetOf(RTCP_SDES, 1, (4 + 2 + text.length + 4) & ~3);
  writeU32(packet, 4, ssrc);
  packet[8] = SDES_CNAME;
  packet[9] = text.length;
  packet.set(text, 10);
  return packet;
}

/** A goodbye of the first 31 sources, RFC 3550 §6.6. */
export function writeBye(ssrcs: readonly number[], reason?: string): Uint8Array {
  const leaving = ssrcs.slice(0, MAX_COUNT);
  const text = reason === undefined ? undefined : encodeUtf8(reason).subarray(0, MAX_TEXT_BYTES);
  const reasonBytes = text === undefined ? 0 : (1 + text.length + 3) & ~3;
  const packet = packetOf(RTCP_BYE, leaving.length, 4 * leaving.length + reasonBytes);
  for (const [index, ssrc] of leaving.entries()) writeU32(packet, 4 + 4 * index, ssrc);
  if (text !== undefined) {
    packet[4 + 4 * leaving.length] = text.length;
    packet.set(text, 5 + 4 * leaving.length);
  }
  return packet;
}

function feedbackOf(payloadType: number, header: FeedbackHeader & { format: number; bytes: number }): Uint8Array {
  const packet = packetOf(payloadType, header.format, 8 + header.bytes);
  writeU32(packet, 4, header.senderSsrc);
  writeU32(packet, 8, header.mediaSsrc);
  return packet;
}

/**
 * A generic NACK, RFC 4585 §6.2.1.
 * @param lost Sequence numbers in ascending order across the wrap; what needs more than 300 entries is left out.
 */
export function writeNack(header: FeedbackHeader, lost: readonly number[]): Uint8Array {
  const entries: { first: number; following: number }[] = [];
  for (const sequence of lost) {
    const last = entries.at(-1);
    const distance = last === undefined ? 0 : (sequence - last.first) & 0xffff;
    if (last !== undefined && distance <= 16) {
      if (distance > 0) last.following |= 1 << (distance - 1);
    } else {
      if (entries.length === MAX_NACK_ENTRIES) break;
      entries.push({ first: sequence, following: 0 });
    }
  }
  const packet = feedbackOf(RTCP_TRANSPORT_FEEDBACK, { ...header, format: FMT_NACK, bytes: 4 * entries.length });
  for (const [index, { first, following }] of entries.entries()) {
    writeU16(packet, 12 + 4 * index, first);
    writeU16(packet, 14 + 4 * index, following);
  }
  return packet;
}

/** A picture loss indication, RFC 4585 §6.3.1. */
export function writePli(header: FeedbackHeader): Uint8Array {
  return feedbackOf(RTCP_PAYLOAD_FEEDBACK, { ...header, format: FMT_PLI, bytes: 0 });
}

/** A full intra request, RFC 5104 §4.3.1, to the given sources; the SSRC of media source is 0 as §4.3.1.2 says. */
export function writeFir(senderSsrc: number, requests: readonly FirRequest[]): Uint8Array {
  const packet = feedbackOf(RTCP_PAYLOAD_FEEDBACK, {
    senderSsrc,
    mediaSsrc: 0,
    format: FMT_FIR,
    bytes: 8 * requests.length,
  });
  for (const [index, { ssrc, sequence }] of requests.entries()) {
    writeU32(packet, 12 + 8 * index, ssrc);
    packet[16 + 8 * index] = sequence;
  }
  return packet;
}

/** A receiver estimated maximum bitrate, draft-alvestrand-rmcat-remb-03; the bitrate is rounded down to 18 bits. */
export function writeRemb({ senderSsrc, bitrateBps, ssrcs }: Remb): Uint8Array {
  const targets = ssrcs.slice(0, 255);
  const bytes = 8 + 4 * targets.length;
  const packet = feedbackOf(RTCP_PAYLOAD_FEEDBACK, { senderSsrc, mediaSsrc: 0, format: FMT_APPLICATION, bytes });
  let mantissa = Math.max(0, Math.floor(bitrateBps));
  let exponent = 0;
  while (mantissa > 0x3ffff && exponent < 63) {
    mantissa = Math.floor(mantissa / 2);
    exponent += 1;
  }
  writeU32(packet, 12, REMB_NAME);
  packet[16] = targets.length;
  writeU24(packet, 17, (exponent << 18) | Math.min(mantissa, 0x3ffff));
  for (const [index, ssrc] of targets.entries()) writeU32(packet, 20 + 4 * index, ssrc);
  return packet;
}

/**
 * Transport-wide feedback; make its content with `twccFeedback`.
 * @throws RangeError when two arrivals are more than 8 s apart.
 */
export function writeTwcc(feedback: TwccFeedback): Uint8Array {
  const body = writeTwccBody(feedback);
  const { senderSsrc, mediaSsrc } = feedback;
  const packet = feedbackOf(RTCP_TRANSPORT_FEEDBACK, { senderSsrc, mediaSsrc, format: FMT_TWCC, bytes: body.length });
  packet.set(body, 12);
  return packet;
}

/** An extended report, RFC 3611, with a receiver reference time block (§4.4), a DLRR block (§4.5) or both. */
export function writeExtendedReport({ ssrc, receiverReference, dlrr }: ExtendedReport): Uint8Array {
  const referenceBytes = receiverReference === undefined ? 0 : 12;
  const dlrrBytes = dlrr.length === 0 ? 0 : 4 + 12 * dlrr.length;
  const packet = packetOf(RTCP_XR, 0, 4 + referenceBytes + dlrrBytes);
  writeU32(packet, 4, ssrc);
  if (receiverReference !== undefined) {
    packet[8] = XR_RECEIVER_REFERENCE;
    writeU16(packet, 10, 2);
    writeU32(packet, 12, receiverReference.ntpSeconds);
    writeU32(packet, 16, receiverReference.ntpFraction);
  }
  if (dlrrBytes > 0) writeDlrr(packet, 8 + referenceBytes, dlrr);
  return packet;
}

function writeDlrr(packet: Uint8Array, start: number, dlrr: readonly DlrrReport[]): void {
  packet[start] = XR_DLRR;
  writeU16(packet, start + 2, 3 * dlrr.length);
  for (const [index, report] of dlrr.entries()) {
    const at = start + 4 + 12 * index;
    writeU32(packet, at, report.ssrc);
    writeU32(packet, at + 4, report.lastReceiverReference);
    writeU32(packet, at + 8, report.delaySinceLastReference);
  }
}
