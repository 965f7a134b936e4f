import type { ByteWindow } from './byte-window.ts';
import { badFile, childElements, findChild, floatOf, textOf, uintOf } from './ebml-reader.ts';
import { idBytes } from './ebml-writer.ts';
import { ID } from './element-ids.ts';
import { parseTrackEntry, type WebmTrack } from './track-entry.ts';

const MAX_ELEMENTS_BEFORE_CLUSTERS = 1000;
const MAX_TRACKS = 64;
const MAX_INFO_BYTES = 1024 * 1024;
/** Fonts and covers are attachments, so what describes the tracks is small. */
const MAX_TRACKS_BYTES = 16 * 1024 * 1024;
/** Times beyond this (about 31 years) are taken for damage; below it, microseconds are exact integers. */
export const MAX_TIME_US = 1e15;

/** Where an element is. */
export interface Place {
  /** Of its id in the file. */
  readonly offset: number;
  readonly headerBytes: number;
  readonly size: number;
}

/** What a file says before its clusters, and where the parts are. */
export interface Segment {
  /** Where the segment's element begins in the file. */
  readonly offset: number;
  /** Where its content begins: positions in SeekHead and Cues count from here. */
  readonly contentOffset: number;
  /** Where it ends; the end of the file when it has no size. */
  readonly end: number;
  /** Undefined when the writer left it open. */
  readonly size: number | undefined;
  readonly timestampScaleNs: number;
  /** Undefined when the file does not tell. */
  readonly durationUs: number | undefined;
  readonly tracks: readonly WebmTrack[];
  readonly skipped: readonly string[];
  /** Where the first cluster begins; the end when there is none. */
  readonly firstCluster: number;
  /** First element of each id among those before the clusters, and what SeekHead names behind them. */
  readonly places: ReadonlyMap<number, Place>;
}

/** What is collected on the way to the first cluster. */
interface Walk {
  readonly places: Map<number, Place>;
  firstCluster: number | undefined;
}

/**
 * Reads everything before the clusters.
 * @throws ProtocolError WEBM_BAD_FILE when it is no WebM or Matroska file, breaks the format or exceeds a limit (64
 *   tracks, 16 MiB of their description), and what the source rejects with
 */
export async function readSegment(window: ByteWindow): Promise<Segment> {
  const offset = await findSegment(window);
  const header = await window.header(offset);
  if (header?.id !== ID.segment) throw badFile('there is no segment');
  const contentOffset = offset + header.headerBytes;
  const end = Math.min(window.size, header.size === undefined ? window.size : contentOffset + header.size);
  const walk = await walkToClusters(window, contentOffset, end);
  await followSeekHead(window, contentOffset, walk);

  const info = walk.places.get(ID.info);
  const tracksPlace = walk.places.get(ID.tracks);
  if (tracksPlace === undefined) throw badFile('there is no description of the tracks');
  const { timestampScaleNs, durationUs } = parseInfo(
    info === undefined ? new Uint8Array() : await contentOf(window, info, MAX_INFO_BYTES),
  );
  const { tracks, skipped } = parseTracks(await contentOf(window, tracksPlace, MAX_TRACKS_BYTES));
  return {
    offset,
    contentOffset,
    end,
    size: header.size,
    timestampScaleNs,
    durationUs,
    tracks,
    skipped,
    firstCluster: walk.firstCluster ?? end,
    places: walk.places,
  };
}

/** Checks the EBML header and returns where the segment begins, after it and at most some padding. */
async function findSegment(window: ByteWindow): Promise<number> {
  const header = await window.header(0);
  if (header?.id !== ID.ebml || header.size === undefined) throw badFile('there is no EBML header');
  const content = await contentOf(window, { offset: 0, headerBytes: header.headerBytes, size: header.size }, 4096);
  const docType = textOf(findChild(content, ID.docType) ?? new Uint8Array());
  if (docType !== 'webm' && docType !== 'matroska') throw badFile(`document type ${docType || 'unknown'}`);
  let offset = header.headerBytes + header.size;
  for (let count = 0; count < 10; count += 1) {
    const next = await window.header(offset);
    if (next?.id !== ID.void || next.size === undefined) break;
    offset += next.headerBytes + next.size;
  }
  return offset;
}

async function contentOf(window: ByteWindow, place: Place, maxBytes: number): Promise<Uint8Array> {
  if (place.size > maxBytes) throw badFile(`a description of ${place.size} bytes`);
  return window.bytes(place.offset + place.headerBytes, place.size);
}

async function walkToClusters(window: ByteWindow, start: number, end: number): Promise<Walk> {
  const walk: Walk = { places: new Map(), firstCluster: undefined };
  let offset = start;
  for (let count = 0; offset < end; count += 1) {
    if (count === MAX_ELEMENTS_BEFORE_CLUSTERS) throw badFile('too many elements before the first cluster');
    const header = await window.header(offset);
    if (header === undefined) break;
    if (header.id === ID.cluster) {
      walk.firstCluster = offset;
      break;
    }
    if (header.size === undefined) throw badFile('an element that is no cluster has no size');
    const { headerBytes, size } = header;
    if (!walk.places.has(header.id)) walk.places.set(header.id, { offset, headerBytes, size });
    offset += headerBytes + size;
  }
  return walk;
}

/** SeekHead (RFC 9559 §5.1.1) tells where the elements behind the clusters are. What it says wrongly is left out. */
async function followSeekHead(window: ByteWindow, contentOffset: number, walk: Walk): Promise<void> {
  const seekHead = walk.places.get(ID.seekHead);
  if (seekHead === undefined) return;
  for (const { id, content } of childElements(await contentOf(window, seekHead, MAX_INFO_BYTES))) {
    if (id !== ID.seek) continue;
    const wanted = uintOf(findChild(content, ID.seekId) ?? new Uint8Array());
    if (walk.places.has(wanted) || ![ID.info, ID.tracks, ID.cues].some((known) => known === wanted)) continue;
    const offset = contentOffset + uintOf(findChild(content, ID.seekPosition) ?? new Uint8Array());
    if (offset + idBytes(wanted) >= window.size) continue;
    const header = await window.header(offset);
    if (header?.id !== wanted || header.size === undefined) continue;
    const { headerBytes, size } = header;
    if (offset + headerBytes + size <= window.size) walk.places.set(wanted, { offset, headerBytes, size });
  }
}

function parseInfo(info: Uint8Array): { timestampScaleNs: number; durationUs: number | undefined } {
  const scale = findChild(info, ID.timestampScale);
  const timestampScaleNs = scale === undefined ? 1_000_000 : uintOf(scale);
  if (timestampScaleNs === 0 || timestampScaleNs > 1e9) throw badFile(`a time scale of ${timestampScaleNs} ns`);
  const duration = findChild(info, ID.duration);
  const ticks = duration === undefined ? 0 : floatOf(duration);
  const durationUs = Math.round((ticks * timestampScaleNs) / 1000);
  // Live writers leave zero, or what no duration can be.
  return { timestampScaleNs, durationUs: durationUs > 0 && durationUs <= MAX_TIME_US ? durationUs : undefined };
}

function parseTracks(content: Uint8Array): { tracks: WebmTrack[]; skipped: string[] } {
  const tracks: WebmTrack[] = [];
  const skipped: string[] = [];
  for (const { id, content: entry } of childElements(content)) {
    if (id !== ID.trackEntry) continue;
    if (tracks.length + skipped.length === MAX_TRACKS) throw badFile('too many tracks');
    const parsed = parseTrackEntry(entry, tracks.length);
    if (typeof parsed === 'string') skipped.push(parsed);
    else if (tracks.some(({ number }) => number === parsed.number)) throw badFile('two tracks have the same number');
    else tracks.push(parsed);
  }
  return { tracks, skipped };
}

/**
 * Time of a block in microseconds.
 * @throws ProtocolError WEBM_BAD_FILE when it is out of range
 */
export function microseconds(ticks: number, timestampScaleNs: number): number {
  const us = Math.round((ticks * timestampScaleNs) / 1000);
  if (Math.abs(us) > MAX_TIME_US) throw badFile(`a time of ${us} us`);
  return us;
}
