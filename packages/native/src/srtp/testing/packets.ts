/** An RTP packet without meaning: payload bytes follow from its number. */
export function rtpPacket(o: {
  readonly sequence: number;
  readonly ssrc?: number;
  readonly payloadBytes?: number;
  readonly csrcs?: number;
  readonly extensionWords?: number;
}): Buffer {
  const csrcs = o.csrcs ?? 0;
  const header = Buffer.alloc(12 + 4 * csrcs, 0xc5);
  header[0] = 0x80 | csrcs | (o.extensionWords === undefined ? 0 : 0x10);
  header[1] = 96;
  header.writeUInt16BE(o.sequence & 0xffff, 2);
  header.writeUInt32BE((o.sequence * 3000) >>> 0, 4);
  header.writeUInt32BE(o.ssrc ?? 0xcafebabe, 8);
  const extension = Buffer.alloc(o.extensionWords === undefined ? 0 : 4 + 4 * o.extensionWords, 0xe7);
  if (o.extensionWords !== undefined) extension.writeUInt32BE(0xbede0000 + o.extensionWords);
  const payload = Buffer.from(
    Uint8Array.from({ length: o.payloadBytes ?? 100 }, (_, i) => (i * 7 + o.sequence) & 0xff),
  );
  return Buffer.concat([header, extension, payload]);
}

/** A receiver report without meaning, `words` 32-bit words long behind the SSRC. */
export function rtcpPacket(ssrc: number, words: number): Buffer {
  const packet = Buffer.alloc(8 + 4 * words, 0x5a);
  packet.writeUInt16BE(0x80c9);
  packet.writeUInt16BE(1 + words, 2);
  packet.writeUInt32BE(ssrc, 4);
  return packet;
}

/** A copy with room behind it, as the sender wants it. */
export function withRoom(packet: Uint8Array, bytes = 32): Buffer {
  const copy = Buffer.alloc(packet.length + bytes);
  copy.set(packet);
  return copy;
}
