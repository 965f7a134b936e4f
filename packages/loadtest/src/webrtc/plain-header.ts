const RTP_HEADER_BYTES = 12;
const ONE_BYTE_FORM = 0xbede;
const PADDING = 0;

/**
 * The transport-wide sequence number out of the header of an encrypted packet, in the one-byte form of RFC 8285 §4.2
 * that browsers and servers use; -1 when there is none. Hot path: allocates nothing.
 */
export function transportSequenceOf(datagram: Buffer, id: number): number {
  const first = datagram[0] ?? 0;
  if ((first & 0x10) === 0) return -1;
  const start = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  if (start + 4 > datagram.length || datagram.readUInt16BE(start) !== ONE_BYTE_FORM) return -1;
  const end = Math.min(datagram.length, start + 4 + 4 * datagram.readUInt16BE(start + 2));
  for (let at = start + 4; at < end; ) {
    const head = datagram[at] ?? PADDING;
    at++;
    if (head === PADDING) continue;
    const length = (head & 0x0f) + 1;
    if (head >> 4 === id) return at + 2 <= end && length >= 2 ? datagram.readUInt16BE(at) : -1;
    at += length;
  }
  return -1;
}
