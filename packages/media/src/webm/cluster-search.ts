import { ProtocolError } from '../packet.ts';
import type { ByteWindow } from './byte-window.ts';
import { readElementHeader, uintOf } from './ebml-reader.ts';
import { ID } from './element-ids.ts';

/** A cluster that was found. */
export interface ClusterPlace {
  readonly offset: number;
  readonly ticks: number;
}

/** Bytes that are looked through at once. */
const STEP_BYTES = 256 * 1024;
/** Enough for what a cluster begins with: its header, a check sum, its time and the next element. */
const BEGINNING_BYTES = 64;
/** Ranges that are small enough to be walked through. */
const CLOSE_BYTES = 1024 * 1024;

/** What may follow a cluster whose size is known. */
const AFTER_CLUSTER: ReadonlySet<number> = new Set([
  ID.cluster,
  ID.cues,
  ID.tags,
  ID.void,
  ID.crc32,
  ID.seekHead,
  ID.chapters,
  ID.attachments,
  ID.info,
  ID.tracks,
]);

/** The first cluster that begins at or after `start` and before `end`. */
export async function findCluster(window: ByteWindow, start: number, end: number): Promise<ClusterPlace | undefined> {
  let offset = start;
  while (offset + 4 < end) {
    const bytes = await window.upTo(offset, Math.min(STEP_BYTES, end - offset) + 3);
    for (const index of clusterIds(bytes)) {
      const ticks = await clusterTicks(window, offset + index);
      if (ticks !== undefined) return { offset: offset + index, ticks };
    }
    offset += STEP_BYTES;
  }
  return undefined;
}

function* clusterIds(bytes: Uint8Array): Generator<number> {
  let index = bytes.indexOf(0x1f);
  while (index >= 0 && index + 4 <= bytes.length) {
    if (bytes[index + 1] === 0x43 && bytes[index + 2] === 0xb6 && bytes[index + 3] === 0x75) yield index;
    index = bytes.indexOf(0x1f, index + 1);
  }
}

/** The time of the cluster at `offset`; undefined when there is none, because the four bytes of its id occur in a frame. */
async function clusterTicks(window: ByteWindow, offset: number): Promise<number | undefined> {
  try {
    const bytes = await window.upTo(offset, BEGINNING_BYTES);
    const cluster = readElementHeader(bytes, 0);
    if (cluster?.id !== ID.cluster) return undefined;
    const end = cluster.size === undefined ? undefined : offset + cluster.headerBytes + cluster.size;
    if (end !== undefined && end < window.size) {
      const next = await window.header(end);
      if (next !== undefined && !AFTER_CLUSTER.has(next.id)) return undefined;
    }
    return timeIn(bytes, cluster.headerBytes);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** The time comes first, after at most a check sum or padding. */
function timeIn(bytes: Uint8Array, start: number): number | undefined {
  let position = start;
  for (let count = 0; count < 3; count += 1) {
    const header = readElementHeader(bytes, position);
    if (header?.size === undefined) return undefined;
    const content = position + header.headerBytes;
    if (header.id === ID.timestamp) {
      return content + header.size <= bytes.length ? uintOf(bytes.subarray(content, content + header.size)) : undefined;
    }
    if (header.id !== ID.crc32 && header.id !== ID.void) return undefined;
    position = content + header.size;
  }
  return undefined;
}

/**
 * The last cluster whose time is at or before `ticks`, or one shortly before it, found without reading the others;
 * `first` when none is.
 */
export async function findClusterAt(
  window: ByteWindow,
  ticks: number,
  range: { readonly first: number; readonly end: number },
): Promise<number> {
  let low = range.first;
  let high = range.end;
  while (high - low > CLOSE_BYTES) {
    const middle = Math.floor((low + high) / 2);
    const found = await findCluster(window, middle, high);
    if (found === undefined || found.ticks > ticks) high = middle;
    else low = found.offset;
  }
  return low;
}
