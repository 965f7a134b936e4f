import { type FoundClock, findClock } from '../source/clock.ts';

const TS_PACKET_BYTES = 188;
const TS_SYNC = 0x47;
/** Pictures of one file; more are not looked for. */
const MAX_CLOCKS = 2000;

/** The clocks of all pictures in a segment or part, in order: fragmented MP4, or MPEG-TS, whose packets divide everything. */
export function clocksOf(bytes: Buffer): FoundClock[] {
  const plain = isTransportStream(bytes) ? videoPayload(bytes) : bytes;
  const clocks: FoundClock[] = [];
  for (let from = 0; clocks.length < MAX_CLOCKS; ) {
    const clock = findClock(plain, from);
    if (clock === undefined) break;
    clocks.push(clock);
    from = clock.end;
  }
  return clocks;
}

function isTransportStream(bytes: Buffer): boolean {
  return bytes[0] === TS_SYNC && bytes[TS_PACKET_BYTES] === TS_SYNC;
}

/** What the packets of the programme's largest part carry, joined: that is the picture. */
function videoPayload(bytes: Buffer): Buffer {
  const parts = new Map<number, Buffer[]>();
  for (let at = 0; at + TS_PACKET_BYTES <= bytes.length; at += TS_PACKET_BYTES) {
    const payload = payloadOf(bytes.subarray(at, at + TS_PACKET_BYTES));
    const pid = bytes.readUInt16BE(at + 1) & 0x1fff;
    const known = parts.get(pid);
    if (known === undefined) parts.set(pid, [payload]);
    else known.push(payload);
  }
  const largest = [...parts.values()].sort((a, b) => b.length - a.length)[0];
  return Buffer.concat(largest ?? []);
}

/** What follows the header and the adaptation field of one packet (ISO/IEC 13818-1 §2.4.3.2). */
function payloadOf(packet: Buffer): Buffer {
  const control = (packet[3] ?? 0) >> 4;
  if ((control & 1) === 0) return packet.subarray(0, 0);
  return packet.subarray((control & 2) === 0 ? 4 : 5 + (packet[4] ?? 0));
}
