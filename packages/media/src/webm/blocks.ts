import type { ByteWindow } from './byte-window.ts';
import { badFile, readVarInt, uintOf } from './ebml-reader.ts';
import { ID } from './element-ids.ts';

/** Longest header of a block: track number, time, flags. */
const MAX_BLOCK_HEADER_BYTES = 8 + 2 + 1;
const FLAG_KEY = 0x80;
const LACING_MASK = 0x06;

/** How several frames share a block (RFC 9559 §10.3), by its flags. */
export type Lacing = 'none' | 'xiph' | 'fixed' | 'ebml';
const LACINGS: readonly Lacing[] = ['none', 'xiph', 'fixed', 'ebml'];

/** What a block says before its frames. */
export interface BlockHead {
  readonly trackNumber: number;
  /** Time of the first frame in units of TimestampScale, from the beginning of the file. */
  readonly ticks: number;
  /** Marked as a place to start. */
  readonly key: boolean;
  readonly lacing: Lacing;
  /** Where the block's element begins in the file. */
  readonly offset: number;
  /** Where the frames, or how they are laced, begin. */
  readonly dataOffset: number;
  readonly dataBytes: number;
  readonly clusterOffset: number;
  /** Time of the cluster. */
  readonly clusterTicks: number;
}

/** Where a walk through the clusters is. */
interface Position {
  /** Next element. */
  offset: number;
  clusterOffset: number;
  clusterTicks: number | undefined;
}

/**
 * The blocks from `start`, where a cluster or another child of the segment begins, to `end`. Elements of segment and
 * clusters are taken as one sequence, which needs no sizes of clusters. Ends before a piece that leaves the file: a
 * writer was stopped there, or has not gone on yet.
 *
 * @throws ProtocolError WEBM_BAD_FILE
 */
export async function* readBlocks(window: ByteWindow, start: number, end: number): AsyncGenerator<BlockHead> {
  const at: Position = { offset: start, clusterOffset: start, clusterTicks: undefined };
  while (at.offset < end) {
    const header = await window.header(at.offset);
    if (header === undefined) return;
    const { id, size } = header;
    const contentOffset = at.offset + header.headerBytes;
    if (id === ID.cluster) {
      at.clusterOffset = at.offset;
      at.clusterTicks = undefined;
      at.offset = contentOffset;
      continue;
    }
    // Another file that was put behind this one, with tracks of its own.
    if (id === ID.ebml || id === ID.segment) return;
    if (size === undefined) throw badFile('an element that is no cluster has no size');
    const next = contentOffset + size;
    if (next > window.size) return;
    if (id === ID.timestamp) {
      if (size > 8) throw badFile(`a time of ${size} bytes`);
      at.clusterTicks = uintOf(await window.bytes(contentOffset, size));
    } else if (id === ID.simpleBlock) {
      yield await readBlock(window, at, { contentOffset, size, key: undefined });
    } else if (id === ID.blockGroup) {
      const block = await readBlockGroup(window, at, next, contentOffset);
      if (block !== undefined) yield block;
    }
    at.offset = next;
  }
}

/** A group is a key frame when it refers to no other block. */
async function readBlockGroup(
  window: ByteWindow,
  at: Position,
  end: number,
  start: number,
): Promise<BlockHead | undefined> {
  let found: { contentOffset: number; size: number } | undefined;
  let key = true;
  let offset = start;
  while (offset < end) {
    const header = await window.header(offset);
    if (header?.size === undefined) throw badFile('an element of a block group has no size');
    const contentOffset = offset + header.headerBytes;
    offset = contentOffset + header.size;
    if (offset > end) throw badFile('an element does not fit in its block group');
    if (header.id === ID.block) found = { contentOffset, size: header.size };
    if (header.id === ID.referenceBlock) key = false;
  }
  return found && readBlock(window, at, { ...found, key });
}

interface BlockPlace {
  readonly contentOffset: number;
  readonly size: number;
  /** Undefined for a SimpleBlock, which has a flag for it. */
  readonly key: boolean | undefined;
}

async function readBlock(window: ByteWindow, at: Position, place: BlockPlace): Promise<BlockHead> {
  if (at.clusterTicks === undefined) throw badFile('a block comes before the time of its cluster');
  const bytes = await window.bytes(place.contentOffset, Math.min(MAX_BLOCK_HEADER_BYTES, place.size));
  const number = readVarInt(bytes, 0);
  const headerBytes = (number?.bytes ?? 0) + 3;
  if (number?.value === undefined || headerBytes > place.size) throw badFile('a block ends inside its header');
  const [high = 0, low = 0, flags = 0] = bytes.subarray(number.bytes);
  const relative = (((high << 8) | low) << 16) >> 16;
  return {
    trackNumber: number.value,
    ticks: at.clusterTicks + relative,
    key: place.key ?? (flags & FLAG_KEY) !== 0,
    lacing: LACINGS[(flags & LACING_MASK) >> 1] ?? 'none',
    offset: at.offset,
    dataOffset: place.contentOffset + headerBytes,
    dataBytes: place.size - headerBytes,
    clusterOffset: at.clusterOffset,
    clusterTicks: at.clusterTicks,
  };
}
