import { readU16, writeU16 } from './bytes.ts';
import type { RtpPacket } from './rtp-packet.ts';

/** Bytes of the original sequence number (OSN) before the payload of a retransmission, RFC 4588 §4. */
export const RTX_HEADER_BYTES = 2;

/** What a retransmission packet repeats. */
export interface RtxContent {
  /** Sequence number of the packet that is repeated, 0 to 65535. */
  readonly originalSequence: number;
  /** Its payload, a view; may be empty. */
  readonly payload: Uint8Array;
}

/**
 * What a packet of a retransmission stream repeats (RFC 4588 §4). Undefined for one without payload, as senders use
 * them to probe the bandwidth.
 */
export function parseRtx({ payload }: { readonly payload: Uint8Array }): RtxContent | undefined {
  if (payload.length < RTX_HEADER_BYTES) return undefined;
  return { originalSequence: readU16(payload, 0), payload: payload.subarray(RTX_HEADER_BYTES) };
}

/**
 * The packet that a retransmission repeats, as it was but for its header extension, which is that of the
 * retransmission. Undefined as for `parseRtx`.
 * @param original SSRC and payload type of the stream that is repeated (`a=ssrc-group:FID` and `apt`, or the ones
 *   learnt from `repaired-rid`).
 */
export function originalOfRtx(
  packet: RtpPacket,
  original: { readonly ssrc: number; readonly payloadType: number },
): RtpPacket | undefined {
  const content = parseRtx(packet);
  if (content === undefined) return undefined;
  const { originalSequence, payload } = content;
  return { ...packet, ssrc: original.ssrc, payloadType: original.payloadType, sequence: originalSequence, payload };
}

/**
 * Writes the original sequence number at `offset`, behind the RTP header of a retransmission packet, and gives where
 * the original payload goes. The space must be there.
 */
export function writeRtxHeader(target: Uint8Array, offset: number, originalSequence: number): number {
  writeU16(target, offset, originalSequence);
  return offset + RTX_HEADER_BYTES;
}
