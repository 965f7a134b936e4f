import type { ByteSource, InPlacePlan } from '../file-plan.ts';
import { ProtocolError } from '../packet.ts';
import { readBlocks } from './blocks.ts';
import { ByteWindow } from './byte-window.ts';
import { completeTracks } from './complete-tracks.ts';
import { type Cue, writeCues } from './cues.ts';
import { badFile } from './ebml-reader.ts';
import { ID } from './element-ids.ts';
import { headPatches } from './head-patches.ts';
import { readSegment, type Segment } from './segment.ts';
import { TrackTally } from './track-tally.ts';

/** Most blocks are shorter, so nearly all of the file is read anyway. */
const READ_BYTES = 256 * 1024;
/** One per second for more than a day; of longer files some are left out. */
const MAX_CUES = 100_000;

/**
 * How a file that `WebmWriter` wrote, whole or torn anywhere, becomes a finished one where it is: a torn cluster is cut
 * off, Cues come to the end, and SeekHead, duration and size into the room that the head has for them. A file that is
 * finished already gets a plan that changes nothing.
 * @throws ProtocolError WEBM_BAD_FILE when it is no such file, or has no whole cluster; what the source rejects with
 */
export async function planWebmInPlace(source: ByteSource): Promise<InPlacePlan> {
  const window = new ByteWindow(source, READ_BYTES);
  const segment = await readSegment(window);
  const { tracks } = await completeTracks(window, segment);
  const tallies = tracks.map((entry) => new TrackTally(entry, segment.timestampScaleNs));
  const { clustersEnd, cues } = await readClusters(window, segment, tallies);

  const used = tallies.filter(({ samples }) => samples > 0);
  if (used.length === 0) throw badFile('there is no whole cluster');
  const endUs = Math.max(...used.map((tally) => tally.endUs));
  const facts = {
    durationUs: endUs - Math.min(...used.map((tally) => tally.startUs)),
    tracks: tallies.map(({ track, samples, durationUs }) => ({ track, samples, durationUs })),
  };
  if (isFinished(segment, source.size)) {
    return { ...facts, tornBytes: 0, truncateTo: source.size, append: [], patches: [] };
  }
  const index = writeCues(cues);
  const end = clustersEnd + index.length;
  const patches = await headPatches(window, segment, { cuesOffset: clustersEnd, end, endUs });
  // Cues that are there already, because finishing was interrupted, are nothing that is lost.
  const next = await window.headerIfAny(clustersEnd);
  const tornBytes = next?.id === ID.cues ? 0 : source.size - clustersEnd;
  return { ...facts, tornBytes, truncateTo: clustersEnd, append: [index], patches };
}

/** The size is written last, so a file that has it has all the rest. */
function isFinished({ size, end, places }: Segment, fileSize: number): boolean {
  const cues = places.get(ID.cues);
  return (
    size !== undefined && end === fileSize && cues !== undefined && cues.offset + cues.headerBytes + cues.size === end
  );
}

/** Counts the blocks of all whole clusters, and notes the places to begin. */
async function readClusters(
  window: ByteWindow,
  segment: Segment,
  tallies: readonly TrackTally[],
): Promise<{ clustersEnd: number; cues: Cue[] }> {
  const hasPictures = tallies.some(({ track }) => track.kind === 'video');
  const leading = new Set(tallies.filter(({ track }) => !hasPictures || track.kind === 'video'));
  let cues: Cue[] = [];
  let offset = segment.firstCluster;
  for (;;) {
    const end = await endOfCluster(window, offset);
    if (end === undefined) break;
    const found = await countCluster(window, { offset, end, tallies });
    if (found === undefined) break;
    for (const { tally, ticks } of found) {
      if (!leading.has(tally)) continue;
      cues.push({ trackNumber: tally.trackNumber, ticks, clusterPosition: offset - segment.contentOffset });
    }
    if (cues.length > MAX_CUES) cues = cues.filter((_, index) => index % 2 === 0);
    offset = end;
  }
  return { clustersEnd: offset, cues: cues.toSorted((a, b) => a.ticks - b.ticks) };
}

async function endOfCluster(window: ByteWindow, offset: number): Promise<number | undefined> {
  const header = await window.headerIfAny(offset);
  if (header?.id !== ID.cluster || header.size === undefined) return undefined;
  const end = offset + header.headerBytes + header.size;
  return end <= window.size ? end : undefined;
}

interface ClusterRange {
  readonly offset: number;
  readonly end: number;
  readonly tallies: readonly TrackTally[];
}

/**
 * Counts the blocks of one cluster. Returns each track's first key frame; one place per cluster and track is enough,
 * because reading begins with the cluster anyway. Undefined, and nothing is counted, when it is damaged: after a power
 * failure the end of a file may be zeros.
 */
async function countCluster(
  window: ByteWindow,
  { offset, end, tallies }: ClusterRange,
): Promise<{ tally: TrackTally; ticks: number }[] | undefined> {
  const undo = tallies.map((tally) => tally.snapshot());
  const keys = new Map<TrackTally, number>();
  try {
    for await (const block of readBlocks(window, offset, end)) {
      const tally = tallies.find(({ trackNumber }) => trackNumber === block.trackNumber);
      if (block.dataOffset + block.dataBytes > end) throw badFile('a block does not fit in its cluster');
      if (tally === undefined) continue;
      await tally.count(window, block);
      if (block.key && !keys.has(tally)) keys.set(tally, block.ticks);
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    for (const restore of undo) restore();
    return undefined;
  }
  return [...keys].map(([tally, ticks]) => ({ tally, ticks }));
}
