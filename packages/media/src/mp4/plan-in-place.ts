import type { ByteSource, InPlacePlan } from '../file-plan.ts';
import { type BoxRange, boxAt } from './box-range.ts';
import { badFile } from './box-reader.ts';
import { BoxWriter } from './box-writer.ts';
import { type CollectedMovie, collectMovie } from './collect.ts';
import { finishedFacts } from './finished-facts.ts';
import { LARGE_HEADER_BYTES } from './init-segment.ts';
import { writeMovie } from './movie-writer.ts';
import { writeMediaHeader } from './plan-rewrite.ts';
import { ReadAhead } from './read-ahead.ts';
import { planEdits } from './track-edit.ts';

const MAX_U32 = 0xffff_ffff;
const BOX_HEADER_BYTES = 8;
/** Brands of a file without fragments, the first one as the major one. */
const PLAIN_BRANDS = ['isom', 'iso6', 'mp42', 'iso2', 'mp41'];

/**
 * How a file that `Mp4FragmentWriter` wrote, whole or torn anywhere, becomes a plain MP4 file where it is: the index goes
 * into the reserved room or to the end, and everything between becomes one `mdat`. The last patch makes the change, by
 * at most 16 bytes; carried out in part, the plan can be made anew. A file that is plain already needs nothing.
 *
 *     ftyp [free      ] moov [free] moof mdat moof mdat …      as written
 *     ftyp [free      ] mdat------------------------------ moov    index at the end: moov's header becomes mdat's
 *     ftyp [moov           (free)] mdat--------------------   index in the reserved room: free becomes moov, and what
 *                                                         was moov becomes a free box within it
 *
 * @throws ProtocolError MP4_BAD_FILE when it is no such file, or has no whole fragment
 */
export async function planMp4InPlace(source: ByteSource): Promise<InPlacePlan> {
  const collected = await collectMovie(source);
  const { movie, tracks, end, tornBytes } = collected;
  const facts = finishedFacts(tracks, tornBytes);
  if (!movie.isFragmented) return { ...facts, truncateTo: source.size, append: [], patches: [] };
  const [ftyp] = movie.head;
  const old = movie.head.at(-1);
  if (ftyp?.type !== 'ftyp' || old === undefined || end <= old.end) throw badFile('no fragment follows the header');
  const moov = indexOf(collected);
  const brands = await patchOfBrands(new ReadAhead(source), ftyp);
  const inside = await patchesOfRoom(new ReadAhead(source), collected, moov);
  if (inside !== undefined) return { ...facts, truncateTo: end, append: [], patches: [...brands, ...inside] };
  const header = mediaHeader(end - old.start);
  return { ...facts, truncateTo: end, append: [moov], patches: [...brands, { offset: old.start, bytes: header }] };
}

type Patch = InPlacePlan['patches'][number];

function indexOf({ movie, tracks, end }: CollectedMovie): Uint8Array {
  const { timescale, edits } = planEdits(tracks, 0);
  return writeMovie({
    tracks: tracks.flatMap((track, index) => {
      const edit = edits[index];
      return edit ? [{ track, edit }] : [];
    }),
    timescale,
    createdSeconds: movie.createdSeconds,
    wideOffsets: end > MAX_U32,
    offsetOf: (track, chunk) => tracks[track]?.chunkOffsets.at(chunk) ?? 0,
  }).bytes;
}

/** What puts the index into the `free` box before the old one; undefined when there is none, or it is too small. */
async function patchesOfRoom(
  source: ReadAhead,
  { movie: { head }, end }: CollectedMovie,
  moov: Uint8Array,
): Promise<Patch[] | undefined> {
  const [, room, old] = head;
  if (room?.type !== 'free' || old?.type !== 'moov') return undefined;
  const next = await boxAt(source, old.end, source.size);
  if (next?.type !== 'free' || next.end - next.contentStart !== LARGE_HEADER_BYTES) return undefined;
  const content = moov.subarray(BOX_HEADER_BYTES);
  const restStart = room.contentStart + content.length;
  if (restStart + BOX_HEADER_BYTES > room.end) return undefined;
  // From the end of the index to the header of the media: the rest of the room, the old index, and the header of `next`.
  const filled = new BoxWriter(content.length + BOX_HEADER_BYTES);
  filled.bytes(content);
  filled.u32(next.contentStart - restStart);
  filled.ascii('free');
  const flip = new BoxWriter(BOX_HEADER_BYTES);
  flip.u32(next.contentStart - room.start);
  flip.ascii('moov');
  return [
    { offset: room.contentStart, bytes: filled.finish() },
    { offset: next.contentStart, bytes: mediaHeader(end - next.contentStart) },
    { offset: room.start, bytes: flip.finish() },
  ];
}

function mediaHeader(size: number): Uint8Array {
  const writer = new BoxWriter(LARGE_HEADER_BYTES);
  writeMediaHeader(writer, size, true);
  return writer.finish();
}

/** Brands that promise fragments are replaced; there are as many as before. */
async function patchOfBrands(source: ReadAhead, ftyp: BoxRange): Promise<Patch[]> {
  const length = ftyp.end - ftyp.contentStart;
  if (length < 8 || length > 1024) return [];
  const [major = 0] = await source.read(ftyp.contentStart, 1);
  const name = String.fromCharCode(major, ...(await source.read(ftyp.contentStart + 1, 3)));
  if (name === PLAIN_BRANDS[0]) return [];
  const writer = new BoxWriter(length);
  for (let position = 0; position + 4 <= length; position += 4) {
    if (position === 4) writer.u32(0);
    else writer.ascii(PLAIN_BRANDS[Math.max(0, position / 4 - 2) % PLAIN_BRANDS.length] ?? 'isom');
  }
  return [{ offset: ftyp.contentStart, bytes: writer.finish() }];
}
