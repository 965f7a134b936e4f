import type { Track } from '../packet.ts';
import { type BlockHead, readBlocks } from './blocks.ts';
import type { ByteWindow } from './byte-window.ts';
import { announcedReorderDepth, trackOfFrame } from './frames.ts';
import { splitLaces } from './lacing.ts';
import type { Segment } from './segment.ts';
import type { WebmTrack } from './track-entry.ts';

/** How much of the file may be looked at for what its head does not tell. */
const MAX_PEEK_BYTES = 4 * 1024 * 1024;
/** Pictures that show how deep the reordering is; two groups of the deepest pyramid that encoders use. */
const PICTURES_FOR_DEPTH = 34;

/** A track of the file with its configuration. */
export interface CompleteTrack {
  readonly source: WebmTrack;
  /** `id` is the index in the list. */
  readonly track: Track;
  /** How many pictures may come before one that is shown earlier. */
  readonly reorderDepth: number;
}

/** What is still to be found out of a track. */
interface Unknown {
  readonly source: WebmTrack;
  track: Track | undefined;
  /** Undefined when it is known. */
  readonly pictures: number[] | undefined;
}

/**
 * Looks at the first frames where a track's description leaves something open: its configuration, or in which order its
 * pictures are shown.
 * @throws ProtocolError WEBM_BAD_FILE, and what the source rejects with
 */
export async function completeTracks(
  window: ByteWindow,
  segment: Segment,
): Promise<{ tracks: CompleteTrack[]; skipped: string[] }> {
  const entries = segment.tracks.map((source) => ({ source, track: source.track, pictures: picturesToCount(source) }));
  const byNumber = new Map<number, Unknown>(entries.map((entry) => [entry.source.number, entry]));
  if (entries.some(isOpen)) {
    const end = Math.min(segment.end, segment.firstCluster + MAX_PEEK_BYTES);
    for await (const block of readBlocks(window, segment.firstCluster, end)) {
      const entry = byNumber.get(block.trackNumber);
      if (entry === undefined) continue;
      entry.pictures?.push(block.ticks);
      if (entry.track === undefined) entry.track = await trackOfBlock(window, entry.source, block);
      if (!entries.some(isOpen)) break;
    }
  }
  const tracks: CompleteTrack[] = [];
  const skipped = [...segment.skipped];
  for (const { source, track, pictures } of entries) {
    if (track === undefined) skipped.push(`${source.codecId} (no configuration)`);
    else tracks.push({ source, track: { ...track, id: tracks.length }, reorderDepth: depthOf(track, pictures) });
  }
  return { tracks, skipped };
}

function picturesToCount({ track, codecId }: WebmTrack): number[] | undefined {
  if (track === undefined) return codecId.startsWith('V_MPEG') ? [] : undefined;
  if (track.codec !== 'h264' && track.codec !== 'h265') return undefined;
  return announcedReorderDepth(track) === undefined ? [] : undefined;
}

function isOpen({ track, pictures }: Unknown): boolean {
  return track === undefined || (pictures !== undefined && pictures.length < PICTURES_FOR_DEPTH);
}

async function trackOfBlock(window: ByteWindow, source: WebmTrack, block: BlockHead): Promise<Track | undefined> {
  if (!block.key) return undefined;
  const [frame] = splitLaces(await window.bytes(block.dataOffset, block.dataBytes), block.lacing);
  return frame && trackOfFrame(source, 0, frame);
}

function depthOf(track: Track, pictures: readonly number[] | undefined): number {
  if (track.codec !== 'h264' && track.codec !== 'h265') return 0;
  const announced = announcedReorderDepth(track);
  if (announced !== undefined) return announced;
  return (pictures ?? []).reduce((deepest, ticks, index) => {
    const later = pictures?.slice(0, index).filter((earlier) => earlier > ticks).length ?? 0;
    return Math.max(deepest, later);
  }, 0);
}
