import { badFile, readBoxHeader } from './box-reader.ts';
import type { ReadAhead } from './read-ahead.ts';

const MAX_HEADER_BYTES = 16;
/** Boxes allowed in one container, and one after the other in a file before something useful comes. */
const MAX_BOXES = 10_000;

/** Where a box is in a file. */
export interface BoxRange {
  readonly type: string;
  readonly start: number;
  readonly contentStart: number;
  readonly end: number;
}

/**
 * The box at `position` of a container that ends at `end`; undefined where there is no room for one.
 * @throws ProtocolError MP4_BAD_FILE when it leaves its container
 */
export async function boxAt(source: ReadAhead, position: number, end: number): Promise<BoxRange | undefined> {
  const available = end - position;
  const length = Math.min(MAX_HEADER_BYTES, available);
  if (length < 8) return undefined;
  const header = readBoxHeader(source.peek(position, length) ?? (await source.read(position, length)), available);
  if (header === undefined) return undefined;
  return {
    type: header.type,
    start: position,
    contentStart: position + header.headerBytes,
    end: position + header.size,
  };
}

/**
 * The boxes between two positions of a file.
 * @throws ProtocolError MP4_BAD_FILE when they do not fit, or are too many
 */
export async function boxesBetween(source: ReadAhead, start: number, end: number): Promise<BoxRange[]> {
  const boxes: BoxRange[] = [];
  for (let position = start; ; ) {
    const box = await boxAt(source, position, end);
    if (box === undefined) return boxes;
    if (boxes.length === MAX_BOXES) throw badFile('too many boxes in one container');
    boxes.push(box);
    position = box.end;
  }
}

/**
 * The boxes of a file up to and including the first of a type, or all when there is none.
 * @throws ProtocolError MP4_BAD_FILE when they do not fit, or are too many
 */
export async function boxesUntil(source: ReadAhead, type: string): Promise<BoxRange[]> {
  const boxes: BoxRange[] = [];
  for (let position = 0; ; ) {
    const box = await boxAt(source, position, source.size);
    if (box === undefined) return boxes;
    if (boxes.length === MAX_BOXES) throw badFile(`too many boxes before ${type}`);
    boxes.push(box);
    if (box.type === type) return boxes;
    position = box.end;
  }
}

/**
 * The content of a box that is small by nature.
 * @throws ProtocolError MP4_BAD_FILE when it has more than `maxBytes`
 */
export async function contentOf(source: ReadAhead, box: BoxRange, maxBytes = 1024 * 1024): Promise<Uint8Array> {
  const length = box.end - box.contentStart;
  if (length > maxBytes) throw badFile(`box ${box.type} has ${length} bytes`);
  return source.read(box.contentStart, length);
}
