import { ProtocolError } from '../packet.ts';
import { type BoxRange, boxAt, contentOf } from './box-range.ts';
import { FieldReader } from './box-reader.ts';
import type { Movie } from './movie.ts';
import type { ReadAhead } from './read-ahead.ts';

/** Of an index that is read as a whole: some hundred thousand entries. */
const MAX_INDEX_BYTES = 8 * 1024 * 1024;

/** A place in a fragmented file where a search for a time may begin. */
export interface FragmentPlace {
  /** Position of a `moof`. */
  readonly offset: number;
  /** Media time of the first sample there or of one in it, in units of the track's timescale. */
  readonly time: number;
}

/**
 * The places that the file itself lists: in a `sidx` after `moov` (ISO 14496-12 §8.16.3), else in `mfra` at its end
 * (§8.8.9). Ascending by time. Empty when there is no such list, or it can't be read: it only saves time.
 *
 * @param trackIndex track whose times are wanted.
 */
export async function readFragmentIndex(source: ReadAhead, movie: Movie, trackIndex: number): Promise<FragmentPlace[]> {
  try {
    const places = (await readSidx(source, movie, trackIndex)) ?? (await readMfra(source, movie, trackIndex)) ?? [];
    return places.filter(({ offset }) => offset < source.size).sort((a, b) => a.time - b.time);
  } catch (error) {
    if (error instanceof ProtocolError) return [];
    throw error;
  }
}

async function readSidx(source: ReadAhead, movie: Movie, trackIndex: number): Promise<FragmentPlace[] | undefined> {
  const moov = movie.head.at(-1);
  const track = movie.tracks[trackIndex];
  let box: BoxRange | undefined = moov;
  while (box !== undefined && track !== undefined) {
    box = await boxAt(source, box.end, source.size);
    if (box === undefined || box.type === 'moof' || box.type === 'mdat') return undefined;
    if (box.type !== 'sidx') continue;
    const fields = new FieldReader(await contentOf(source, box, MAX_INDEX_BYTES));
    const isWide = fields.u8() === 1;
    fields.skip(3);
    if (fields.u32() !== track.trackId) continue;
    return parseSidx(fields, { isWide, end: box.end, timescale: track.time.timescale });
  }
  return undefined;
}

function parseSidx(
  fields: FieldReader,
  { isWide, end, timescale }: { isWide: boolean; end: number; timescale: number },
): FragmentPlace[] | undefined {
  const scale = timescale / fields.u32();
  let time = isWide ? fields.u64() : fields.u32();
  let offset = end + (isWide ? fields.u64() : fields.u32());
  fields.skip(2);
  const count = fields.u16();
  const places: FragmentPlace[] = [];
  for (let i = 0; i < count; i++) {
    const reference = fields.u32();
    // One that refers to other indexes.
    if (reference >= 0x8000_0000) return undefined;
    places.push({ offset, time: time * scale });
    offset += reference;
    time += fields.u32();
    fields.skip(4);
  }
  return places;
}

async function readMfra(source: ReadAhead, movie: Movie, trackIndex: number): Promise<FragmentPlace[] | undefined> {
  if (source.size < 16) return undefined;
  // mfro is the last box, and its last field tells where mfra begins.
  const length = new FieldReader(await source.read(source.size - 4, 4)).u32();
  if (length < 24 || length > source.size) return undefined;
  const mfra = await boxAt(source, source.size - length, source.size);
  if (mfra?.type !== 'mfra') return undefined;
  const trackId = movie.tracks[trackIndex]?.trackId;
  let position = mfra.contentStart;
  while (position < mfra.end) {
    const box = await boxAt(source, position, mfra.end);
    if (box === undefined) return undefined;
    position = box.end;
    if (box.type !== 'tfra') continue;
    const fields = new FieldReader(await contentOf(source, box, MAX_INDEX_BYTES));
    const isWide = fields.u8() === 1;
    fields.skip(3);
    if (fields.u32() === trackId) return parseTfra(fields, isWide);
  }
  return undefined;
}

function parseTfra(fields: FieldReader, isWide: boolean): FragmentPlace[] {
  const lengths = fields.u32();
  const numberBytes = ((lengths >> 4) & 3) + ((lengths >> 2) & 3) + (lengths & 3) + 3;
  const count = fields.tableCount((isWide ? 16 : 8) + numberBytes);
  const places: FragmentPlace[] = [];
  for (let i = 0; i < count; i++) {
    const time = isWide ? fields.u64() : fields.u32();
    const offset = isWide ? fields.u64() : fields.u32();
    fields.skip(numberBytes);
    if (places.at(-1)?.offset !== offset) places.push({ offset, time });
  }
  return places;
}
