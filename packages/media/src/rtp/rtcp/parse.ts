import { decodeUtf8 } from '../../amf/utf8.ts';
import { ProtocolError } from '../../packet.ts';
import { readU16, readU24, readU32 } from '../bytes.ts';
import {
  type DlrrReport,
  type FeedbackHeader,
  FMT_APPLICATION,
  FMT_FIR,
  FMT_NACK,
  FMT_PLI,
  FMT_TWCC,
  REMB_NAME,
  REPORT_BLOCK_BYTES,
  type ReportBlock,
  RTCP_APP,
  RTCP_BYE,
  RTCP_PAYLOAD_FEEDBACK,
  RTCP_RR,
  RTCP_SDES,
  RTCP_SR,
  RTCP_TRANSPORT_FEEDBACK,
  RTCP_XR,
  type RtcpPacket,
  SDES_CNAME,
  type SdesChunk,
  XR_DLRR,
  XR_RECEIVER_REFERENCE,
} from './rtcp-packet.ts';
import { parseTwcc } from './twcc.ts';

/** More packets in one compound than any client puts into a datagram. */
const MAX_PACKETS = 64;
const HEADER_BYTES = 4;

/**
 * Parses a compound RTCP packet (RFC 3550 §6.1), which may begin with any type (RFC 5506). What it gives is bounded
 * by the length of `bytes`, 17 numbers for each 4 bytes of a NACK being the most.
 * @throws ProtocolError RTCP_BAD_PACKET when a version is not 2, a length exceeds the datagram, a body is too short
 *   for what it says it holds, or there are more than 64 packets.
 */
export function parseRtcp(bytes: Uint8Array): RtcpPacket[] {
  const packets: RtcpPacket[] = [];
  let position = 0;
  while (position < bytes.length) {
    if (packets.length === MAX_PACKETS) throw badRtcp(`more than ${MAX_PACKETS} packets`);
    const end = position + HEADER_BYTES + 4 * readU16(bytes, position + 2);
    if (position + HEADER_BYTES > bytes.length || end > bytes.length) throw badRtcp('it is cut off');
    const first = bytes[position] ?? 0;
    if (first >> 6 !== 2) throw badRtcp(`version ${first >> 6}`);
    const body = withoutPadding(bytes.subarray(position + HEADER_BYTES, end), (first & 0x20) !== 0);
    packets.push(parseOne(bytes[position + 1] ?? 0, first & 0x1f, body));
    position = end;
  }
  return packets;
}

function withoutPadding(body: Uint8Array, padded: boolean): Uint8Array {
  if (!padded) return body;
  const length = body.at(-1) ?? 0;
  if (length === 0 || length > body.length) throw badRtcp(`${length} bytes of padding`);
  return body.subarray(0, body.length - length);
}

function parseOne(payloadType: number, count: number, body: Uint8Array): RtcpPacket {
  switch (payloadType) {
    case RTCP_SR:
      return parseSenderReport(count, body);
    case RTCP_RR:
      need(body, 4 + count * REPORT_BLOCK_BYTES);
      return { kind: 'rr', ssrc: readU32(body, 0), reports: parseReports(body, 4, count) };
    case RTCP_SDES:
      return { kind: 'sdes', chunks: parseSdes(count, body) };
    case RTCP_BYE:
      return parseBye(count, body);
    case RTCP_APP:
      need(body, 8);
      return {
        kind: 'app',
        ssrc: readU32(body, 0),
        subtype: count,
        name: decodeUtf8(body.subarray(4, 8)),
        data: body.subarray(8),
      };
    case RTCP_TRANSPORT_FEEDBACK:
      if (count === FMT_NACK) return { kind: 'nack', ...feedbackHeader(body), lost: parseNack(body) };
      if (count === FMT_TWCC) return { kind: 'twcc', ...feedbackHeader(body), ...parseTwcc(body.subarray(8)) };
      break;
    case RTCP_PAYLOAD_FEEDBACK:
      if (count === FMT_PLI) return { kind: 'pli', ...feedbackHeader(body) };
      if (count === FMT_FIR) return parseFir(body);
      if (count === FMT_APPLICATION && body.length >= 12 && readU32(body, 8) === REMB_NAME) return parseRemb(body);
      break;
    case RTCP_XR:
      return parseExtendedReport(body);
  }
  return { kind: 'unknown', payloadType, count, data: body };
}

function parseSenderReport(count: number, body: Uint8Array): RtcpPacket {
  need(body, 24 + count * REPORT_BLOCK_BYTES);
  return {
    kind: 'sr',
    ssrc: readU32(body, 0),
    ntpSeconds: readU32(body, 4),
    ntpFraction: readU32(body, 8),
    rtpTimestamp: readU32(body, 12),
    packetCount: readU32(body, 16),
    octetCount: readU32(body, 20),
    reports: parseReports(body, 24, count),
  };
}

function parseReports(body: Uint8Array, start: number, count: number): ReportBlock[] {
  const reports: ReportBlock[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = start + index * REPORT_BLOCK_BYTES;
    reports.push({
      ssrc: readU32(body, at),
      fractionLost: body[at + 4] ?? 0,
      cumulativeLost: (readU24(body, at + 5) << 8) >> 8,
      highestSequence: readU32(body, at + 8),
      jitter: readU32(body, at + 12),
      lastSenderReport: readU32(body, at + 16),
      delaySinceLastSenderReport: readU32(body, at + 20),
    });
  }
  return reports;
}

/** RFC 3550 §6.5: each chunk ends with one to four zeros, at a multiple of four. */
function parseSdes(count: number, body: Uint8Array): SdesChunk[] {
  const chunks: SdesChunk[] = [];
  let position = 0;
  for (let index = 0; index < count; index += 1) {
    need(body, position + 4);
    const ssrc = readU32(body, position);
    const items: { type: number; text: string }[] = [];
    position += 4;
    for (let type = body[position]; type !== undefined && type !== 0; type = body[position]) {
      const end = position + 2 + (body[position + 1] ?? 0);
      need(body, Math.max(end, position + 2));
      items.push({ type, text: decodeUtf8(body.subarray(position + 2, end)) });
      position = end;
    }
    position = (position + 4) & ~3;
    chunks.push({ ssrc, cname: items.find((item) => item.type === SDES_CNAME)?.text, items });
  }
  return chunks;
}

function parseBye(count: number, body: Uint8Array): RtcpPacket {
  need(body, count * 4);
  const ssrcs = parseSsrcs(body, 0, count);
  const length = body[count * 4];
  if (length === undefined) return { kind: 'bye', ssrcs, reason: undefined };
  const start = count * 4 + 1;
  need(body, start + length);
  return { kind: 'bye', ssrcs, reason: decodeUtf8(body.subarray(start, start + length)) };
}

function feedbackHeader(body: Uint8Array): FeedbackHeader {
  need(body, 8);
  return { senderSsrc: readU32(body, 0), mediaSsrc: readU32(body, 4) };
}

/** RFC 4585 §6.2.1: a sequence number and 16 bits for the ones after it. */
function parseNack(body: Uint8Array): number[] {
  const lost: number[] = [];
  for (let at = 8; at + 4 <= body.length; at += 4) {
    const first = readU16(body, at);
    lost.push(first);
    const following = readU16(body, at + 2);
    for (let bit = 0; bit < 16; bit += 1) if ((following >> bit) & 1) lost.push((first + bit + 1) & 0xffff);
  }
  return lost;
}

function parseFir(body: Uint8Array): RtcpPacket {
  const { senderSsrc } = feedbackHeader(body);
  const requests: { ssrc: number; sequence: number }[] = [];
  for (let at = 8; at + 8 <= body.length; at += 8) {
    requests.push({ ssrc: readU32(body, at), sequence: body[at + 4] ?? 0 });
  }
  return { kind: 'fir', senderSsrc, requests };
}

function parseRemb(body: Uint8Array): RtcpPacket {
  need(body, 16);
  const count = body[12] ?? 0;
  need(body, 16 + 4 * count);
  const exponent = (body[13] ?? 0) >> 2;
  const mantissa = readU24(body, 13) & 0x3ffff;
  return {
    kind: 'remb',
    senderSsrc: readU32(body, 0),
    bitrateBps: mantissa * 2 ** exponent,
    ssrcs: parseSsrcs(body, 16, count),
  };
}

function parseExtendedReport(body: Uint8Array): RtcpPacket {
  need(body, 4);
  let receiverReference: { ntpSeconds: number; ntpFraction: number } | undefined;
  const dlrr: DlrrReport[] = [];
  let position = 4;
  while (position < body.length) {
    const start = position + 4;
    const end = start + 4 * readU16(body, position + 2);
    need(body, end);
    const type = body[position];
    if (type === XR_RECEIVER_REFERENCE && end - start >= 8) {
      receiverReference = { ntpSeconds: readU32(body, start), ntpFraction: readU32(body, start + 4) };
    } else if (type === XR_DLRR) {
      for (let at = start; at + 12 <= end; at += 12) {
        dlrr.push({
          ssrc: readU32(body, at),
          lastReceiverReference: readU32(body, at + 4),
          delaySinceLastReference: readU32(body, at + 8),
        });
      }
    }
    position = end;
  }
  return { kind: 'xr', ssrc: readU32(body, 0), receiverReference, dlrr };
}

function parseSsrcs(body: Uint8Array, start: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => readU32(body, start + 4 * index));
}

function need(body: Uint8Array, bytes: number): void {
  if (body.length < bytes) throw badRtcp(`a body of ${body.length} bytes, ${bytes} are needed`);
}

function badRtcp(reason: string): ProtocolError {
  return new ProtocolError('RTCP_BAD_PACKET', `bad RTCP packet: ${reason}`);
}
