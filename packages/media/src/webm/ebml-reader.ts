import { decodeUtf8 } from '../amf/utf8.ts';
import { ProtocolError } from '../packet.ts';

/** Elements in one parent: real files have a cue per second at most, and a lying one must not cost gigabytes of objects. */
const MAX_CHILDREN = 1_000_000;
/** Longest id and size of Matroska (RFC 9559 §4.3: EBMLMaxIDLength 4, EBMLMaxSizeLength 8), together. */
export const MAX_HEADER_BYTES = 12;

/** Id and size of an element, before its content has been read. */
export interface ElementHeader {
  readonly id: number;
  /** Bytes of the header itself. */
  readonly headerBytes: number;
  /** Bytes of the content; undefined when it ends where the next element of its parent begins (RFC 8794 §6.2). */
  readonly size: number | undefined;
}

/** An element whose content is a view into the memory of its parent. */
export interface Element {
  readonly id: number;
  readonly content: Uint8Array;
}

/** The error of every malformed WebM or Matroska file: a `ProtocolError` with code `WEBM_BAD_FILE`. */
export function badFile(message: string): ProtocolError {
  return new ProtocolError('WEBM_BAD_FILE', message);
}

/** Runs a codec parser on data from the file and turns its `ProtocolError`s into {@link badFile}. */
export function asBadFile<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ProtocolError && error.code !== 'WEBM_BAD_FILE') {
      throw badFile(`${error.code}: ${error.message}`);
    }
    throw error;
  }
}

/** A number of variable length (RFC 8794 §4). */
export interface VarInt {
  /** Undefined when all its bits are ones, which means "unknown" in a size. */
  readonly value: number | undefined;
  readonly bytes: number;
}

/**
 * Reads a number of variable length without its length marker.
 * @returns undefined when `data` ends inside it
 * @throws ProtocolError WEBM_BAD_FILE for more than eight bytes or more than 2^53
 */
export function readVarInt(data: Uint8Array, position: number): VarInt | undefined {
  const first = data[position];
  if (first === undefined) return undefined;
  const bytes = Math.clz32(first) - 23;
  if (bytes > 8) throw badFile('a number of more than eight bytes');
  if (position + bytes > data.length) return undefined;
  let value = first & (0xff >> bytes);
  let isUnknown = value === 0xff >> bytes;
  for (let index = 1; index < bytes; index += 1) {
    const byte = data[position + index] ?? 0;
    value = value * 256 + byte;
    isUnknown &&= byte === 0xff;
  }
  if (isUnknown) return { value: undefined, bytes };
  if (!Number.isSafeInteger(value)) throw badFile('a number is out of range');
  return { value, bytes };
}

/**
 * Reads an element's id and size.
 * @returns undefined when `data` ends inside them
 * @throws ProtocolError WEBM_BAD_FILE for an id of more than four bytes, and as {@link readVarInt} does
 */
export function readElementHeader(data: Uint8Array, position: number): ElementHeader | undefined {
  const first = data[position];
  if (first === undefined) return undefined;
  const idLength = Math.clz32(first) - 23;
  if (idLength > 4) throw badFile(`no element begins with byte ${first}`);
  if (position + idLength > data.length) return undefined;
  let id = 0;
  for (let index = 0; index < idLength; index += 1) id = id * 256 + (data[position + index] ?? 0);
  const size = readVarInt(data, position + idLength);
  return size && { id, headerBytes: idLength + size.bytes, size: size.value };
}

/**
 * The children of an element, in their order.
 * @throws ProtocolError WEBM_BAD_FILE when one leaves its parent, has no size, or there are too many
 */
export function* childElements(parent: Uint8Array): Generator<Element> {
  let position = 0;
  for (let count = 0; position < parent.length; count += 1) {
    if (count === MAX_CHILDREN) throw badFile('too many elements in one');
    const header = readElementHeader(parent, position);
    if (header?.size === undefined) throw badFile('an element has no size');
    const start = position + header.headerBytes;
    if (start + header.size > parent.length) throw badFile('an element does not fit in its parent');
    position = start + header.size;
    yield { id: header.id, content: parent.subarray(start, position) };
  }
}

/** The content of the first child with this id; undefined when there is none. */
export function findChild(parent: Uint8Array, id: number): Uint8Array | undefined {
  for (const child of childElements(parent)) if (child.id === id) return child.content;
  return undefined;
}

/**
 * An unsigned integer; zero when it is empty (RFC 8794 §7.2).
 * @throws ProtocolError WEBM_BAD_FILE for more than eight bytes or more than 2^53
 */
export function uintOf(content: Uint8Array): number {
  if (content.length > 8) throw badFile(`an integer of ${content.length} bytes`);
  let value = 0;
  for (const byte of content) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw badFile('an integer is out of range');
  return value;
}

/**
 * A float of 0, 4 or 8 bytes.
 * @throws ProtocolError WEBM_BAD_FILE for other lengths
 */
export function floatOf(content: Uint8Array): number {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  if (content.length === 4) return view.getFloat32(0);
  if (content.length === 8) return view.getFloat64(0);
  if (content.length === 0) return 0;
  throw badFile(`a float of ${content.length} bytes`);
}

/** Text, as far as its first zero byte, without what could harm a log. */
export function textOf(content: Uint8Array): string {
  const end = content.indexOf(0);
  const text = decodeUtf8(end < 0 ? content : content.subarray(0, end));
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
}
