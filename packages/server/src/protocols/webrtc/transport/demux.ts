/** What a datagram is by its first byte alone (RFC 7983 §7); ZRTP and TURN channels are none of ours. */
export type DatagramKind = 'stun' | 'dtls' | 'srtp' | 'unknown';

/** Tells protocols apart that share a port. Hot path. */
export function datagramKind(datagram: Uint8Array): DatagramKind {
  const first = datagram[0];
  if (first === undefined) return 'unknown';
  if (first >= 128 && first <= 191) return 'srtp';
  if (first >= 20 && first <= 63) return 'dtls';
  return first <= 3 ? 'stun' : 'unknown';
}

/** Tells RTCP from RTP on one port by its second byte (RFC 5761 §4); for packets of kind `srtp`, sealed or open. */
export function isRtcp(packet: Uint8Array): boolean {
  const second = packet[1];
  return second !== undefined && second >= 192 && second <= 223;
}

/** True for sound and picture, sealed or open: for RTP, but not for RTCP or anything else. Hot path. */
export function isMedia(datagram: Uint8Array): boolean {
  return datagramKind(datagram) === 'srtp' && !isRtcp(datagram);
}
