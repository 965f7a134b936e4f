import { ProtocolError } from '../../packet.ts';
import { readU16, readU24 } from '../bytes.ts';
import type { DepacketizedFrame, RtpDepacketizer } from './format.ts';
import { type FrameBuilder, FrameDepacketizer } from './frame-depacketizer.ts';
import { type JpegPicture, jpegFile, quantizationTables } from './jpeg-file.ts';

// RFC 2435 §3.1, behind it a restart header for types from 64 on, and a header with tables at offset 0 for Q from 128
// on:
//   | Type-specific |              Fragment Offset                  |
//   |      Type     |       Q       |     Width     |     Height    |

const HEADER_BYTES = 8;
const RESTART_HEADER_BYTES = 4;
const TABLE_HEADER_BYTES = 4;
const WITH_RESTARTS = 64;
const TABLES_IN_BAND = 128;
/** Tables of this Q may change with every picture, those of the others never do (§4.2). */
const ALWAYS_IN_BAND = 255;
const TABLE_BYTES = 64;

type Tables = JpegPicture['tables'];

/**
 * Puts JPEG pictures together, RFC 2435: types 0 and 1, 64 and 65, tables by quality or in the packets. Each comes as
 * a whole JFIF file. A picture needs all its packets: one with a loss is dropped. What is broken is refused with
 * JPEG_BAD_PAYLOAD, other types and pictures of more than 2040 pixels with JPEG_UNSUPPORTED_PAYLOAD.
 */
export function jpegDepacketizer(): RtpDepacketizer {
  return new FrameDepacketizer(new JpegFrame());
}

class JpegFrame implements FrameBuilder {
  readonly #knownTables = new Map<number, Tables>();
  #picture: JpegPicture | undefined;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #broken = false;

  add(payload: Uint8Array, gap: boolean): void {
    const offset = readU24(payload, 1);
    // A gap before the start of a picture is none of it.
    if (offset !== this.#bytes || (gap && offset > 0)) this.#broken = true;
    const { picture, data } = this.#read(payload, offset);
    if (offset === 0) this.#picture = picture;
    if (this.#broken) this.#parts = [];
    else this.#parts.push(data);
    this.#bytes += data.length;
  }

  finish(timestamp: number, complete: boolean): DepacketizedFrame | undefined {
    const picture = this.#picture;
    const parts = this.#parts;
    const whole = complete && !this.#broken && parts.length > 0;
    this.discard();
    if (!whole || picture === undefined) return undefined;
    return { units: [jpegFile(picture, parts)], key: true, timestamp, broken: false };
  }

  discard(): void {
    this.#picture = undefined;
    this.#parts = [];
    this.#bytes = 0;
    this.#broken = false;
  }

  #read(payload: Uint8Array, offset: number): { picture: JpegPicture | undefined; data: Uint8Array } {
    if (payload.length <= HEADER_BYTES) throw badPayload(`${payload.length} bytes`);
    const [type = 0, quality = 0, width = 0, height = 0] = payload.subarray(4);
    const kind = type & ~WITH_RESTARTS;
    if (kind !== 0 && kind !== 1) throw unsupported(`of type ${type}`);
    if (width === 0 || height === 0) throw unsupported('larger than 2040 pixels');
    let start = HEADER_BYTES;
    let restartInterval = 0;
    if (type >= WITH_RESTARTS) {
      restartInterval = readU16(payload, start);
      start += RESTART_HEADER_BYTES;
    }
    if (offset > 0) return { picture: undefined, data: dataOf(payload, start) };
    const read = quality >= TABLES_IN_BAND ? this.#readTables(payload, start, quality) : undefined;
    if (quality === 0 || (quality > 99 && read === undefined)) throw badPayload(`quality ${quality}`);
    const tables = read?.tables ?? quantizationTables(quality);
    const picture = { type: kind, width: 8 * width, height: 8 * height, restartInterval, tables } as const;
    return { picture, data: dataOf(payload, read?.end ?? start) };
  }

  #readTables(payload: Uint8Array, start: number, quality: number): { tables: Tables; end: number } {
    const precision = payload[start + 1] ?? 0;
    const length = readU16(payload, start + 2);
    const begin = start + TABLE_HEADER_BYTES;
    const end = begin + length;
    if (end > payload.length) throw badPayload(`tables of ${length} bytes`);
    if (length === 0) {
      const tables = this.#knownTables.get(quality);
      if (tables === undefined) throw badPayload(`no tables for quality ${quality} yet`);
      return { tables, end };
    }
    const tables = splitTables(payload.slice(begin, end), precision);
    if (quality !== ALWAYS_IN_BAND) this.#knownTables.set(quality, tables);
    return { tables, end };
  }
}

/** One table serves both; a set bit of `precision` says that a table's values have 16 bits. */
function splitTables(bytes: Uint8Array, precision: number): Tables {
  const firstBytes = (precision & 1) === 0 ? TABLE_BYTES : 2 * TABLE_BYTES;
  const secondBytes = (precision & 2) === 0 ? TABLE_BYTES : 2 * TABLE_BYTES;
  if (bytes.length < firstBytes) throw badPayload(`tables of ${bytes.length} bytes`);
  const first = bytes.subarray(0, firstBytes);
  if (bytes.length === firstBytes) return [first, first];
  if (bytes.length < firstBytes + secondBytes) throw badPayload(`tables of ${bytes.length} bytes`);
  return [first, bytes.subarray(firstBytes, firstBytes + secondBytes)];
}

function dataOf(payload: Uint8Array, start: number): Uint8Array {
  if (start >= payload.length) throw badPayload('a header without data');
  return payload.subarray(start);
}

function badPayload(reason: string): ProtocolError {
  return new ProtocolError('JPEG_BAD_PAYLOAD', `bad JPEG payload: ${reason}`);
}

function unsupported(what: string): ProtocolError {
  return new ProtocolError('JPEG_UNSUPPORTED_PAYLOAD', `JPEG pictures ${what} are not supported`);
}
