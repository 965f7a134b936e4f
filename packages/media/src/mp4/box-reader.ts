import { ProtocolError } from '../packet.ts';

/** Boxes allowed in one container: real files have a few dozen, and a lying one must not cost gigabytes of objects. */
const MAX_CHILDREN = 10_000;

/** A box (ISO 14496-12 §4.2) whose content is a view into the memory of its container. */
export interface Box {
  /** Four-character code. */
  readonly type: string;
  /** Everything after size and type. */
  readonly content: Uint8Array;
}

/** Size and type of a box, before its content has been read. */
export interface BoxHeader {
  readonly type: string;
  /** Bytes of the header itself: 8, or 16 with a 64-bit size. */
  readonly headerBytes: number;
  /** Bytes of header and content; for a box that reaches to the end of its container, all that is `available`. */
  readonly size: number;
}

/** The error of every malformed MP4 file: a `ProtocolError` with code `MP4_BAD_FILE`. */
export function badFile(message: string): ProtocolError {
  return new ProtocolError('MP4_BAD_FILE', message);
}

/** Runs a codec parser on data from the file and turns its `ProtocolError`s into {@link badFile}. */
export function asBadFile<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ProtocolError && error.code !== 'MP4_BAD_FILE') {
      throw badFile(`${error.code}: ${error.message}`);
    }
    throw error;
  }
}

/** Reads big-endian fields one after the other; throws `MP4_BAD_FILE` where the box ends too early. */
export class FieldReader {
  readonly #view: DataView;
  #position: number;

  /** @param start offset of the first field in `content`. */
  constructor(content: Uint8Array, start = 0) {
    this.#view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    this.#position = start;
  }

  /** Bytes that have not been read; zero when the start lay beyond the end. */
  get remaining(): number {
    return Math.max(0, this.#view.byteLength - this.#position);
  }

  /** Passes over `count` bytes. */
  skip(count: number): void {
    this.#take(count);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  /** An unsigned 64-bit field, which must be a safe integer. */
  u64(): number {
    return safeInteger(this.u32() * 0x1_0000_0000 + this.u32());
  }

  /** A signed 64-bit field, which must be a safe integer. */
  i64(): number {
    return safeInteger(this.i32() * 0x1_0000_0000 + this.u32());
  }

  /**
   * Reads a 32-bit number of table entries and checks that the rest of the box can hold them, so that callers may
   * allocate by it.
   */
  tableCount(entryBytes: number): number {
    const count = this.u32();
    if (count * entryBytes > this.remaining) throw badFile(`a table of ${count} entries is larger than its box`);
    return count;
  }

  #take(count: number): number {
    if (count > this.remaining) throw badFile('a box ends inside a field');
    const position = this.#position;
    this.#position += count;
    return position;
  }
}

/**
 * Reads a box header from the start of `bytes`.
 *
 * @param available bytes from the start of the box to the end of its container.
 * @returns undefined when `available` is too short for a header: some writers pad containers.
 * @throws ProtocolError `MP4_BAD_FILE` when the box does not fit in its container.
 */
export function readBoxHeader(bytes: Uint8Array, available: number): BoxHeader | undefined {
  if (available < 8) return undefined;
  const fields = new FieldReader(bytes);
  const shortSize = fields.u32();
  const type = String.fromCharCode(fields.u8(), fields.u8(), fields.u8(), fields.u8());
  const headerBytes = shortSize === 1 ? 16 : 8;
  let size = shortSize;
  if (shortSize === 0) size = available;
  else if (shortSize === 1) size = fields.u64();
  if (size < headerBytes || size > available) throw badFile(`box ${printable(type)} does not fit in its container`);
  return { type, headerBytes, size };
}

/**
 * The boxes in `container`, beginning at `start`.
 *
 * @throws ProtocolError `MP4_BAD_FILE` when a size leaves the container or there are too many boxes.
 */
export function childBoxes(container: Uint8Array, start = 0): Box[] {
  const boxes: Box[] = [];
  let position = start;
  while (position < container.length) {
    const header = readBoxHeader(container.subarray(position), container.length - position);
    if (header === undefined) break;
    if (boxes.length === MAX_CHILDREN) throw badFile('too many boxes in one container');
    boxes.push({
      type: header.type,
      content: container.subarray(position + header.headerBytes, position + header.size),
    });
    position += header.size;
  }
  return boxes;
}

/** The content of the first box on a path of types below `container`, or undefined. */
export function findBox(container: Uint8Array, ...path: readonly string[]): Uint8Array | undefined {
  let content: Uint8Array | undefined = container;
  for (const type of path) {
    content = childBoxes(content).find((box) => box.type === type)?.content;
    if (content === undefined) return undefined;
  }
  return content;
}

/** Like {@link findBox}, for boxes that a valid file must have. */
export function requireBox(container: Uint8Array, ...path: readonly string[]): Uint8Array {
  const content = findBox(container, ...path);
  if (content === undefined) throw badFile(`box ${path.join('/')} is missing`);
  return content;
}

/** A four-character code that is safe in messages and logs. */
export function printable(type: string): string {
  return type.replace(/[^\x20-\x7e]/g, '?');
}

function safeInteger(value: number): number {
  if (!Number.isSafeInteger(value)) throw badFile('a 64-bit field is out of range');
  return value;
}
