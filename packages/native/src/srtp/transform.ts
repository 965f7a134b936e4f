/**
 * The cipher of one profile in one direction. Changes packets in place. Indices are the 48 bits of roll-over counter
 * and sequence number for RTP (RFC 3711 §3.3.1), and the 31 bits of the SRTCP index for RTCP.
 */
export interface SrtpTransform {
  /** Encrypts `length` bytes and adds the tag, for which there must be room. Gives the new length, 0 if not RTP. */
  protectRtp(packet: Buffer, length: number, index: number): number;
  /** Checks and decrypts. Gives the length without the tag, 0 for what is not authentic; then nothing was changed. */
  unprotectRtp(packet: Buffer, index: number): number;
  /** As for RTP, with the index added. */
  protectRtcp(packet: Buffer, length: number, index: number): number;
  /** As for RTP; takes the index from the packet, where `rtcpIndex` finds it. */
  unprotectRtcp(packet: Buffer): number;
  /** The SRTCP index of a packet, unchecked; -1 when it is too short or says that it is not encrypted. */
  rtcpIndex(packet: Buffer): number;
}

/** Set in the word of the SRTCP index for an encrypted packet (RFC 3711 §3.4). DTLS-SRTP knows no other. */
export const ENCRYPTED_FLAG = 0x80000000;
/** Bytes of the SRTCP index with its flag. */
export const RTCP_INDEX_BYTES = 4;
/** No datagram is longer. */
export const MAX_PACKET_BYTES = 65_535;
