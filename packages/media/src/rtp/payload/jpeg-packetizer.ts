import { ProtocolError } from '../../packet.ts';
import { joinBytes, readU16, writeU16, writeU24 } from '../bytes.ts';
import type { RtpPacketizer, RtpPayload } from './format.ts';
import { STANDARD_HUFFMAN } from './jpeg-file.ts';

const SOI = 0xd8;
const EOI = 0xd9;
const SOF0 = 0xc0;
const SOF15 = 0xcf;
const DHT = 0xc4;
const JPG = 0xc8;
const DAC = 0xcc;
const SOS = 0xda;
const DQT = 0xdb;
const DRI = 0xdd;
const TABLE_BYTES = 64;
const HEADER_BYTES = 8;
const TABLES_HEADER_BYTES = 4 + 2 * TABLE_BYTES;
const RESTART_HEADER_BYTES = 4;
const MAX_SIDE = 255 * 8;
const MAX_OFFSET = 0xff_ffff;
/** Q for tables that are in the packets and may change. */
const ALWAYS_IN_BAND = 255;

/** What RTP needs of a JPEG file. */
interface JpegParts {
  readonly tables: (Uint8Array | undefined)[];
  restartInterval: number;
  /** SOF0. */
  frame: Uint8Array | undefined;
  /** Entropy-coded data, up to EOI. */
  data: Uint8Array | undefined;
}

/**
 * Divides JPEG files as RFC 2435 says, with their quantization tables in the first packet of each.
 *
 * `packetize` throws ProtocolError JPEG_UNSUPPORTED_PICTURE for what RTP can't express: progressive pictures, other
 * Huffman tables than the usual ones, other sampling than 4:2:2 and 4:2:0, more than 2040 pixels; JPEG_BAD_FILE for
 * what is broken.
 */
export function jpegPacketizer(): RtpPacketizer {
  return {
    packetize({ units }, maxPayloadBytes): RtpPayload[] {
      const [file] = units;
      return file === undefined ? [] : packetize(readJpeg(file), maxPayloadBytes);
    },
  };
}

function packetize(parts: JpegParts, maxPayloadBytes: number): RtpPayload[] {
  const { frame, data, restartInterval } = parts;
  if (frame === undefined || data === undefined || data.length === 0) throw badFile('it has no picture');
  const { type, width, height, tables } = describe(frame, parts.tables);
  if (data.length > MAX_OFFSET) throw unsupported(`of ${data.length} bytes`);
  const header = new Uint8Array(HEADER_BYTES + (restartInterval > 0 ? RESTART_HEADER_BYTES : 0));
  header.set([restartInterval > 0 ? 64 + type : type, ALWAYS_IN_BAND, Math.ceil(width / 8), Math.ceil(height / 8)], 4);
  if (restartInterval > 0) {
    writeU16(header, HEADER_BYTES, restartInterval);
    // The first and the last of a chunk that is the whole picture, of no known number.
    writeU16(header, HEADER_BYTES + 2, 0xffff);
  }
  const tablesHeader = joinBytes([Uint8Array.of(0, 0, 0, 2 * TABLE_BYTES), ...tables]);
  const payloads: RtpPayload[] = [];
  for (let offset = 0; offset < data.length; ) {
    const headers = offset === 0 ? [header, tablesHeader] : [header];
    const headerBytes = header.length + (offset === 0 ? TABLES_HEADER_BYTES : 0);
    const end = Math.min(data.length, offset + Math.max(1, maxPayloadBytes - headerBytes));
    const payload = joinBytes([...headers, data.subarray(offset, end)]);
    writeU24(payload, 1, offset);
    payloads.push({ payload, marker: end === data.length, startPoint: offset === 0, timestampOffset: 0 });
    offset = end;
  }
  return payloads;
}

function describe(
  frame: Uint8Array,
  known: readonly (Uint8Array | undefined)[],
): { type: 0 | 1; width: number; height: number; tables: [Uint8Array, Uint8Array] } {
  const [precision = 0] = frame;
  const height = readU16(frame, 1);
  const width = readU16(frame, 3);
  const sampling = [7, 10, 13].map((index) => frame[index]);
  if (precision !== 8 || frame.length < 15 || frame[5] !== 3) throw unsupported('without three components of 8 bits');
  if (width === 0 || height === 0 || width > MAX_SIDE || height > MAX_SIDE) throw unsupported(`of ${width}x${height}`);
  const type = sampling[0] === 0x21 ? 0 : 1;
  if ((sampling[0] !== 0x21 && sampling[0] !== 0x22) || sampling[1] !== 0x11 || sampling[2] !== 0x11)
    throw unsupported('of another sampling than 4:2:2 and 4:2:0');
  const tables = [frame[8] ?? 0, frame[11] ?? 0].map((id) => known[id]);
  const [luminance, chrominance] = tables;
  if (luminance === undefined || chrominance === undefined || frame[14] !== frame[11])
    throw badFile('quantization tables are missing');
  return { type, width, height, tables: [luminance, chrominance] };
}

/** Takes a file apart, ITU-T T.81 §B. */
function readJpeg(file: Uint8Array): JpegParts {
  if (file[0] !== 0xff || file[1] !== SOI) throw badFile('it does not begin with SOI');
  const parts: JpegParts = { tables: [], restartInterval: 0, frame: undefined, data: undefined };
  let position = 2;
  while (position + 4 <= file.length && parts.data === undefined) {
    if (file[position] !== 0xff) throw badFile(`no marker at ${position}`);
    const marker = file[position + 1] ?? 0;
    // Fill bytes before a marker.
    if (marker === 0xff) {
      position += 1;
      continue;
    }
    const end = position + 2 + readU16(file, position + 2);
    if (end > file.length || end < position + 4) throw badFile('a segment exceeds it');
    takeSegment(parts, marker, file.subarray(position + 4, end));
    if (marker === SOS) parts.data = file.subarray(end, endOfData(file));
    position = end;
  }
  return parts;
}

function takeSegment(parts: JpegParts, marker: number, body: Uint8Array): void {
  if (marker === DQT) readQuantization(parts, body);
  else if (marker === DRI) parts.restartInterval = readU16(body, 0);
  else if (marker === DHT) checkHuffman(body);
  else if (marker === SOF0) parts.frame = body;
  else if (marker > SOF0 && marker <= SOF15 && marker !== JPG && marker !== DAC)
    throw unsupported('that are not baseline');
  else if (marker === SOS && body[0] !== 3) throw unsupported('in several scans');
}

function readQuantization({ tables }: JpegParts, body: Uint8Array): void {
  for (let position = 0; position < body.length; position += 1 + TABLE_BYTES) {
    const head = body[position] ?? 0;
    const table = body.subarray(position + 1, position + 1 + TABLE_BYTES);
    if (head > 3) throw unsupported('with quantization of 16 bits');
    if (table.length < TABLE_BYTES) throw badFile('a quantization table is cut off');
    tables[head] = table;
  }
}

/** Receivers have the usual tables only, and know them by their destination. */
function checkHuffman(body: Uint8Array): void {
  let position = 0;
  while (position < body.length) {
    const standard = STANDARD_HUFFMAN.find(({ id }) => id === body[position]);
    const bytes = standard?.bytes ?? new Uint8Array(0);
    const start = position + 1;
    if (standard === undefined || !bytes.every((byte, index) => byte === body[start + index]))
      throw unsupported('with Huffman tables of their own');
    position = start + bytes.length;
  }
}

function endOfData(file: Uint8Array): number {
  for (let end = file.length; end >= 2; end -= 1) if (file[end - 2] === 0xff && file[end - 1] === EOI) return end - 2;
  return file.length;
}

function badFile(reason: string): ProtocolError {
  return new ProtocolError('JPEG_BAD_FILE', `bad JPEG file: ${reason}`);
}

function unsupported(what: string): ProtocolError {
  return new ProtocolError('JPEG_UNSUPPORTED_PICTURE', `JPEG pictures ${what} do not fit into RTP`);
}
