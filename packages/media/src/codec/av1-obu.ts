import { ProtocolError } from '../packet.ts';

/** obu_type values of the AV1 specification, §6.2.2, that are treated specially. */
export const OBU_SEQUENCE_HEADER = 1;
export const OBU_TEMPORAL_DELIMITER = 2;
export const OBU_FRAME_HEADER = 3;
export const OBU_FRAME = 6;
const OBU_TILE_LIST = 8;
const OBU_PADDING = 15;

/** One open bitstream unit; both parts are views into the data. */
export interface Av1Obu {
  /** obu_type. */
  type: number;
  /** Header, extension and, where it has one, the size field; then the payload. */
  bytes: Uint8Array;
  /** What follows the size field. */
  payload: Uint8Array;
  /** obu_has_size_field. Without it the unit reaches to the end of the data. */
  hasSize: boolean;
}

/** A temporal unit with the largest picture has at most 512 tiles, each maybe in an OBU of its own. */
const MAX_OBUS = 2048;

/**
 * Divides data in the low-overhead bitstream format (AV1 specification §5.2) into its OBUs.
 * The result are views into `data`.
 * @throws ProtocolError AV1_BAD_OBU for a forbidden bit, a size past the end, or more than 2048 OBUs.
 */
export function splitObus(data: Uint8Array): Av1Obu[] {
  const obus: Av1Obu[] = [];
  let position = 0;
  while (position < data.length) {
    const obu = readObu(data, position);
    obus.push(obu);
    if (obus.length > MAX_OBUS) throw badObu(`more than ${MAX_OBUS} OBUs`);
    position += obu.bytes.length;
  }
  return obus;
}

function readObu(data: Uint8Array, start: number): Av1Obu {
  const header = data[start] ?? 0;
  if ((header & 0x80) !== 0) throw badObu('the forbidden bit is set');
  const hasSize = (header & 2) !== 0;
  let position = start + ((header & 4) !== 0 ? 2 : 1);
  let size = data.length - position;
  if (hasSize) {
    size = 0;
    // leb128(), §4.10.5: seven bits per byte, the lowest ones first. The value must fit into 32 bits.
    for (let index = 0; ; index += 1) {
      const byte = data[position];
      if (byte === undefined) throw badObu('the data ends inside a size');
      position += 1;
      size += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) break;
      if (index === 7) throw badObu('a size has more than 8 bytes');
    }
  }
  if (size < 0 || size > data.length - position) throw badObu(`a size exceeds the data`);
  const end = position + size;
  return {
    type: (header >> 3) & 15,
    bytes: data.subarray(start, end),
    payload: data.subarray(position, end),
    hasSize,
  };
}

/** The OBU with a size field: itself when it has one, else a copy. */
export function withSizeField(obu: Av1Obu): Uint8Array {
  if (obu.hasSize) return obu.bytes;
  const headerBytes = obu.bytes.length - obu.payload.length;
  const size: number[] = [];
  for (let rest = obu.payload.length; ; rest = Math.floor(rest / 128)) {
    size.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    if (rest < 128) break;
  }
  const bytes = new Uint8Array(obu.bytes.length + size.length);
  bytes.set(obu.bytes.subarray(0, headerBytes));
  bytes[0] = (bytes[0] ?? 0) | 2;
  bytes.set(size, headerBytes);
  bytes.set(obu.payload, headerBytes + size.length);
  return bytes;
}

/** True for OBUs that a file or packet does not carry: temporal delimiters, tile lists and padding. */
export function isDroppedObu(type: number): boolean {
  return type === OBU_TEMPORAL_DELIMITER || type === OBU_TILE_LIST || type === OBU_PADDING;
}

function badObu(reason: string): ProtocolError {
  return new ProtocolError('AV1_BAD_OBU', `bad AV1 bitstream: ${reason}`);
}
