import type { ByteSource, RewritePlan } from '../file-plan.ts';
import { BoxWriter } from './box-writer.ts';
import { type CollectedMovie, collectMovie } from './collect.ts';
import type { CollectedTrack } from './collected-track.ts';
import { finishedFacts } from './finished-facts.ts';
import { LARGE_HEADER_BYTES, RECORDING_BRANDS, writeFileType } from './init-segment.ts';
import { writeMovie } from './movie-writer.ts';
import { planEdits } from './track-edit.ts';

const MAX_U32 = 0xffff_ffff;
const BOX_HEADER_BYTES = 8;

/**
 * How a plain MP4 file with its index first is made of one that `Mp4FragmentWriter` wrote, whole or torn anywhere, or of
 * one that is plain already. Only media goes into the new file, in the order of the old one.
 * @throws ProtocolError MP4_BAD_FILE when it is no such file, or has no whole fragment
 */
export async function planMp4Rewrite(source: ByteSource): Promise<RewritePlan> {
  return rewriteOf(await collectMovie(source), 0);
}

/**
 * A new file with the collected samples.
 * @param startUs time of the source that becomes zero; what lies before is there, but not shown
 */
export function rewriteOf(collected: CollectedMovie, startUs: number): RewritePlan {
  const { movie, tracks, tornBytes } = collected;
  const chunks = chunksInFileOrder(tracks);
  const newOffsets = tracks.map(({ chunkOffsets }) => new Float64Array(chunkOffsets.length));
  let mediaBytes = 0;
  for (const { track, chunk } of chunks) {
    const offsets = newOffsets[track];
    if (offsets !== undefined) offsets[chunk] = mediaBytes;
    mediaBytes += tracks[track]?.chunkBytes.at(chunk) ?? 0;
  }
  const { timescale, edits } = planEdits(tracks, startUs);
  const write = (wideOffsets: boolean) =>
    writeMovie({
      tracks: tracks.map((track, index) => ({ track, edit: edits[index] ?? NO_EDIT })),
      timescale,
      createdSeconds: movie.createdSeconds,
      wideOffsets,
      offsetOf: (track, chunk) => newOffsets[track]?.[chunk] ?? 0,
    });
  const mdatHeaderBytes = mediaBytes + BOX_HEADER_BYTES > MAX_U32 ? LARGE_HEADER_BYTES : BOX_HEADER_BYTES;
  const estimate = mediaBytes + tracks.reduce((sum, { count }) => sum + 24 * count, HEAD_RESERVE_BYTES);
  const moov = write(estimate > MAX_U32);
  const head = new BoxWriter(64 + moov.bytes.length + mdatHeaderBytes);
  writeFileType(head, RECORDING_BRANDS);
  moov.moveChunks(head.length + moov.bytes.length + mdatHeaderBytes);
  head.bytes(moov.bytes);
  writeMediaHeader(head, mediaBytes + mdatHeaderBytes, mdatHeaderBytes === LARGE_HEADER_BYTES);
  const bytes = head.finish();
  return {
    ...finishedFacts(tracks, tornBytes),
    head: bytes,
    copies: () => copiesOf(tracks, chunks),
    byteLength: bytes.length + mediaBytes,
  };
}

/** Room that an index takes besides its samples, for deciding on the size of offsets. */
const HEAD_RESERVE_BYTES = 64 * 1024 * 1024;
const NO_EDIT = { isNeeded: false, emptyDuration: 0, duration: 0, mediaStart: 0, totalDuration: 0 };

/** Writes the header of an `mdat` of `size` bytes, header included. */
export function writeMediaHeader(writer: BoxWriter, size: number, large: boolean): void {
  writer.u32(large ? 1 : size);
  writer.ascii('mdat');
  if (large) writer.u64(size);
}

interface ChunkRef {
  readonly track: number;
  readonly chunk: number;
}

function chunksInFileOrder(tracks: readonly CollectedTrack[]): ChunkRef[] {
  const chunks: (ChunkRef & { readonly offset: number })[] = [];
  for (const [track, { chunkOffsets }] of tracks.entries()) {
    for (let chunk = 0; chunk < chunkOffsets.length; chunk++) {
      chunks.push({ track, chunk, offset: chunkOffsets.at(chunk) });
    }
  }
  return chunks.sort((a, b) => a.offset - b.offset);
}

function* copiesOf(
  tracks: readonly CollectedTrack[],
  chunks: readonly ChunkRef[],
): Generator<{ offset: number; length: number }> {
  let offset = 0;
  let length = 0;
  for (const { track, chunk } of chunks) {
    const { chunkOffsets, chunkBytes } = tracks[track] ?? {};
    const start = chunkOffsets?.at(chunk) ?? 0;
    const bytes = chunkBytes?.at(chunk) ?? 0;
    if (start === offset + length) {
      length += bytes;
      continue;
    }
    if (length > 0) yield { offset, length };
    offset = start;
    length = bytes;
  }
  if (length > 0) yield { offset, length };
}
