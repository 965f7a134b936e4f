const RTP_FIXED_BYTES = 12;

/**
 * Length of an RTP header with its contributing sources and extension (RFC 3550 §5.1), which are authenticated but not
 * encrypted; 0 when this is not RTP or does not fit into `length`.
 */
export function rtpHeaderBytes(packet: Uint8Array, length: number): number {
  const first = packet[0] ?? 0;
  if (length < RTP_FIXED_BYTES || first >> 6 !== 2) return 0;
  let bytes = RTP_FIXED_BYTES + 4 * (first & 0x0f);
  if ((first & 0x10) !== 0) {
    if (bytes + 4 > length) return 0;
    bytes += 4 + 4 * (((packet[bytes + 2] ?? 0) << 8) | (packet[bytes + 3] ?? 0));
  }
  return bytes <= length ? bytes : 0;
}

/** Length of what SRTCP leaves readable: the first header of the compound, with the sender's SSRC (RFC 3711 §3.4). */
export const RTCP_HEADER_BYTES = 8;

/** Tells whether this can be RTCP, by version and length alone. */
export function isRtcpHeader(packet: Uint8Array, length: number): boolean {
  return length >= RTCP_HEADER_BYTES && (packet[0] ?? 0) >> 6 === 2;
}
