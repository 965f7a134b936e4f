/** PID of the only programme's map table. */
export const PMT_PID = 0x1000;
const PROGRAM_NUMBER = 1;

/** One elementary stream as the programme map lists it. */
export interface ProgramStream {
  readonly pid: number;
  /** `stream_type` of ISO 13818-1 table 2-34. */
  readonly streamType: number;
}

/** Writes the programme association section (ISO 13818-1 §2.4.4.3): one programme, whose map is at {@link PMT_PID}. */
export function writePat(): Uint8Array {
  return writeSection(0, [...bigEndian16(PROGRAM_NUMBER), ...bigEndian16(0xe000 | PMT_PID)]);
}

/** Writes the programme map section (ISO 13818-1 §2.4.4.8) without descriptors; `version` is 0 to 31. */
export function writePmt(streams: readonly ProgramStream[], pcrPid: number, version = 0): Uint8Array {
  const body = [...bigEndian16(0xe000 | pcrPid), ...bigEndian16(0xf000)];
  for (const { pid, streamType } of streams) {
    body.push(streamType, ...bigEndian16(0xe000 | pid), ...bigEndian16(0xf000));
  }
  return writeSection(2, body, version);
}

/** Section with the long header (§2.4.4.10) and its CRC, preceded by the pointer field of a packet that it starts. */
function writeSection(tableId: number, body: readonly number[], version = 0): Uint8Array {
  const length = 5 + body.length + 4;
  // The number of the transport stream is that of its programme. Current, section 0 of 0.
  const numbers = [...bigEndian16(PROGRAM_NUMBER), 0xc1 | (version << 1), 0, 0];
  const header = [tableId, ...bigEndian16(0xb000 | length), ...numbers];
  const section = [...header, ...body];
  const crc = crc32(section);
  return Uint8Array.of(0, ...section, ...bigEndian16(crc >>> 16), ...bigEndian16(crc & 0xffff));
}

function bigEndian16(value: number): [number, number] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

/**
 * CRC of ISO 13818-1 annex A: polynomial 0x04c11db7, most significant bit first, no final inversion. It is 0 of a whole
 * section with its check sum.
 */
export function crc32(bytes: Iterable<number>): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000_0000 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  }
  return crc >>> 0;
}
