import { TS_PACKET_BYTES } from './ts-output.ts';

const SYNC_BYTE = 0x47;
const FLAG_DISCONTINUITY = 0x80;
const FLAG_RANDOM_ACCESS = 0x40;
const FLAG_PCR = 0x10;
const PCR_BYTES = 6;

/** What a transport packet (ISO 13818-1 §2.4.3.2) says, and where its payload is. */
export interface TsPacket {
  readonly pid: number;
  /** A PES packet or a section begins in it. */
  readonly isStart: boolean;
  readonly payload: Uint8Array;
  /** `continuity_counter`; it counts packets with payload. */
  readonly continuity: number;
  /** Damaged on its way (transport_error_indicator). */
  readonly isDamaged: boolean;
  readonly isScrambled: boolean;
  /** Its counter, or the clock, goes on from elsewhere (discontinuity_indicator). */
  readonly isDiscontinuous: boolean;
  /** A decoder can start here (random_access_indicator). */
  readonly isRandomAccess: boolean;
  /** Its adaptation field is longer than what it holds, as it is where a PES packet ends that does not fill it. */
  readonly isStuffed: boolean;
}

/** Reads the packet at `offset`, all of which must be in `bytes`; undefined when there is none. */
export function readTsPacket(bytes: Uint8Array, offset: number): TsPacket | undefined {
  if (bytes[offset] !== SYNC_BYTE) return undefined;
  const flags = bytes[offset + 3] ?? 0;
  const high = bytes[offset + 1] ?? 0;
  const end = offset + TS_PACKET_BYTES;
  let start = offset + 4;
  let isStuffed = false;
  let marks = 0;
  if ((flags & 0x20) !== 0) {
    const length = bytes[start] ?? 0;
    if (length > 0) marks = bytes[start + 1] ?? 0;
    const used = 1 + (((bytes[start + 1] ?? 0) & FLAG_PCR) === 0 ? 0 : PCR_BYTES);
    isStuffed = length === 0 || length > used;
    start += 1 + length;
  }
  const hasPayload = (flags & 0x10) !== 0 && start < end;
  return {
    pid: ((high & 0x1f) << 8) | (bytes[offset + 2] ?? 0),
    isStart: (high & 0x40) !== 0,
    isDamaged: (high & 0x80) !== 0,
    isScrambled: (flags & 0xc0) !== 0,
    isDiscontinuous: (marks & FLAG_DISCONTINUITY) !== 0,
    isRandomAccess: (marks & FLAG_RANDOM_ACCESS) !== 0,
    continuity: flags & 0x0f,
    payload: hasPayload ? bytes.subarray(start, end) : bytes.subarray(end, end),
    isStuffed,
  };
}

/** The elementary streams of a programme, or the place of its map: what a section in one packet tells. */
export interface Section {
  readonly tableId: number;
  /** From the byte after last_section_number to the check sum. */
  readonly body: Uint8Array;
}

/** The section that begins in a payload with its pointer field; undefined when it does not end there too. */
export function readSection(payload: Uint8Array): Section | undefined {
  const start = 1 + (payload[0] ?? 0);
  const length = (((payload[start + 1] ?? 0) & 0x0f) << 8) | (payload[start + 2] ?? 0);
  const end = start + 3 + length;
  if (length < 9 || end > payload.length) return undefined;
  return { tableId: payload[start] ?? 0, body: payload.subarray(start + 8, end - 4) };
}

/** PID of the map of the first programme in a programme association section (§2.4.4.3). */
export function mapPidOf({ tableId, body }: Section): number | undefined {
  if (tableId !== 0) return undefined;
  for (let at = 0; at + 4 <= body.length; at += 4) {
    // Programme 0 is the network's.
    if ((body[at] ?? 0) !== 0 || (body[at + 1] ?? 0) !== 0)
      return (((body[at + 2] ?? 0) & 0x1f) << 8) | (body[at + 3] ?? 0);
  }
  return undefined;
}

/** The elementary streams of a programme map section (§2.4.4.8), in their order. */
export function streamsOf({ tableId, body }: Section): { pid: number; streamType: number }[] {
  const streams: { pid: number; streamType: number }[] = [];
  if (tableId !== 2) return streams;
  let at = 4 + ((((body[2] ?? 0) & 0x0f) << 8) | (body[3] ?? 0));
  while (at + 5 <= body.length) {
    const pid = (((body[at + 1] ?? 0) & 0x1f) << 8) | (body[at + 2] ?? 0);
    streams.push({ pid, streamType: body[at] ?? 0 });
    at += 5 + ((((body[at + 3] ?? 0) & 0x0f) << 8) | (body[at + 4] ?? 0));
  }
  return streams;
}
