import type { ByteWindow } from './byte-window.ts';
import { readElementHeader } from './ebml-reader.ts';
import { EbmlWriter, ROOM_HEADER_BYTES } from './ebml-writer.ts';
import { ID } from './element-ids.ts';
import type { Segment } from './segment.ts';

/** Bytes to write over those of a file. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What becomes known at the end. */
interface Ending {
  readonly cuesOffset: number;
  /** Where the file ends. */
  readonly end: number;
  /** When its last frame ends. */
  readonly endUs: number;
}

/** Id with four bytes and a size with eight. */
const SEGMENT_HEADER_BYTES = 12;
/** Id with two bytes and a size with one, or a `Void` with a size of two. */
const DURATION_HEADER_BYTES = 3;
const DURATION_BYTES = 8;

/**
 * Writes what becomes known at the end into the rooms of the head. First the insides of the rooms, which nobody reads;
 * then their headers, a few bytes each, which make the rooms what they are to be; the size of the segment last. After
 * each of these steps it is a valid file.
 */
export async function headPatches(window: ByteWindow, segment: Segment, ending: Ending): Promise<Patch[]> {
  const seekHead = seekHeadPatches(segment, ending);
  const duration = await durationPatches(window, segment, ending);
  const [seekHeadHeader, seekHeadInside] = seekHead;
  const [durationHeader, durationInside] = duration;
  const size = sizePatch(segment, ending);
  return [durationInside, seekHeadInside, durationHeader, seekHeadHeader, size].filter((patch) => patch !== undefined);
}

/** In the place of the first `Void`, or of a SeekHead that came there when finishing was interrupted. */
function seekHeadPatches(segment: Segment, { cuesOffset }: Ending): Patch[] {
  const { places, contentOffset } = segment;
  const room = places.get(ID.seekHead) ?? places.get(ID.void);
  if (room === undefined || room.headerBytes !== ROOM_HEADER_BYTES) return [];
  const inside = new EbmlWriter(room.size);
  for (const [id, offset] of [
    [ID.info, places.get(ID.info)?.offset],
    [ID.tracks, places.get(ID.tracks)?.offset],
    [ID.cues, cuesOffset],
  ] as const) {
    if (offset === undefined) continue;
    inside.master(ID.seek, () => {
      const seekId = new EbmlWriter(4);
      seekId.id(id);
      inside.binary(ID.seekId, seekId.finish());
      inside.uint(ID.seekPosition, offset - contentOffset);
    });
  }
  const rest = room.size - inside.length;
  if (rest < ROOM_HEADER_BYTES) return [];
  inside.room(rest);
  const header = new EbmlWriter(ROOM_HEADER_BYTES);
  header.id(ID.seekHead);
  header.size(room.size, 5);
  return [
    { offset: room.offset, bytes: header.finish() },
    { offset: room.offset + ROOM_HEADER_BYTES, bytes: inside.finish() },
  ];
}

async function durationPatches(window: ByteWindow, segment: Segment, { endUs }: Ending): Promise<Patch[]> {
  const info = segment.places.get(ID.info);
  if (info === undefined) return [];
  const content = await window.bytes(info.offset + info.headerBytes, info.size);
  const room = findRoom(content);
  if (room === undefined) return [];
  const element = new EbmlWriter(DURATION_HEADER_BYTES + DURATION_BYTES);
  element.float(ID.duration, (endUs * 1000) / segment.timestampScaleNs);
  const bytes = element.finish();
  const offset = info.offset + info.headerBytes + room;
  return [
    { offset, bytes: bytes.subarray(0, DURATION_HEADER_BYTES) },
    { offset: offset + DURATION_HEADER_BYTES, bytes: bytes.subarray(DURATION_HEADER_BYTES) },
  ];
}

/** Where in Info there is a duration, or the `Void` that was written in its place. */
function findRoom(info: Uint8Array): number | undefined {
  let position = 0;
  while (position < info.length) {
    const header = readElementHeader(info, position);
    if (header?.size === undefined) return undefined;
    const fits = header.headerBytes === DURATION_HEADER_BYTES && header.size === DURATION_BYTES;
    if (fits && (header.id === ID.void || header.id === ID.duration)) return position;
    position += header.headerBytes + header.size;
  }
  return undefined;
}

function sizePatch({ offset, contentOffset }: Segment, { end }: Ending): Patch | undefined {
  if (contentOffset - offset !== SEGMENT_HEADER_BYTES) return undefined;
  const size = new EbmlWriter(8);
  size.size(end - contentOffset, 8);
  return { offset: offset + 4, bytes: size.finish() };
}
