import { type BlockHead, readBlocks } from './blocks.ts';
import type { ByteWindow } from './byte-window.ts';
import { findCluster, findClusterAt } from './cluster-search.ts';
import { CueIndex } from './cues.ts';
import { ID } from './element-ids.ts';
import { microseconds, type Segment } from './segment.ts';

/** More would be no index of a real file; places are then found by search. */
const MAX_CUES_BYTES = 16 * 1024 * 1024;
/** How much earlier is looked when no key frame was found, doubled each time. */
const STEP_BACK_US = 10_000_000;
/** How much of the end is looked through for the last time. */
const TAIL_BYTES = [256 * 1024, 4 * 1024 * 1024];

/** A key frame where reading begins. */
export interface KeyPlace {
  readonly clusterOffset: number;
  /** Of its block. */
  readonly offset: number;
  readonly ticks: number;
}

/** Finds key frames of one track by the file's Cues, or without them by search. */
export class KeyFrameSearch {
  readonly #segment: Segment;
  readonly #trackNumber: number;
  #cues: CueIndex | undefined | 'unread' = 'unread';

  constructor(segment: Segment, trackNumber: number) {
    this.#segment = segment;
    this.#trackNumber = trackNumber;
  }

  /**
   * The last key frame whose time is at or before `us`; undefined when there is none.
   * @throws ProtocolError WEBM_BAD_FILE, and what the source rejects with
   */
  async before(window: ByteWindow, us: number): Promise<KeyPlace | undefined> {
    const { timestampScaleNs, firstCluster } = this.#segment;
    const wanted = Math.floor((us * 1000) / timestampScaleNs);
    let backUs = 0;
    for (;;) {
      const from = Math.floor(((us - backUs) * 1000) / timestampScaleNs);
      const start = from <= 0 ? firstCluster : await this.#clusterBefore(window, from);
      const found = await this.#lastKey(window, start, wanted);
      if (found !== undefined || start <= firstCluster) return found;
      backUs = Math.max(STEP_BACK_US, backUs * 2);
    }
  }

  async #clusterBefore(window: ByteWindow, ticks: number): Promise<number> {
    const { contentOffset, firstCluster, end } = this.#segment;
    if (this.#cues === 'unread') this.#cues = await this.#readCues(window);
    const position = this.#cues?.before(ticks);
    if (position !== undefined) {
      const offset = contentOffset + position;
      // Cues of a file that was cut or edited may lead anywhere.
      const header = offset < end ? await window.headerIfAny(offset) : undefined;
      if (header?.id === ID.cluster) return offset;
    }
    return findClusterAt(window, ticks, { first: firstCluster, end });
  }

  async #readCues(window: ByteWindow): Promise<CueIndex | undefined> {
    const place = this.#segment.places.get(ID.cues);
    if (place === undefined || place.size > MAX_CUES_BYTES) return undefined;
    return CueIndex.parse(await window.bytes(place.offset + place.headerBytes, place.size), this.#trackNumber);
  }

  async #lastKey(window: ByteWindow, start: number, wanted: number): Promise<KeyPlace | undefined> {
    let found: KeyPlace | undefined;
    for await (const block of readBlocks(window, start, this.#segment.end)) {
      if (block.clusterTicks > wanted) break;
      if (!block.key || block.trackNumber !== this.#trackNumber) continue;
      if (block.ticks > wanted) break;
      found = { clusterOffset: block.clusterOffset, offset: block.offset, ticks: block.ticks };
    }
    return found;
  }
}

/**
 * Time of the last block, for files that do not tell their duration; 0 when it is not found near the end.
 * @throws ProtocolError WEBM_BAD_FILE, and what the source rejects with
 */
export async function lastTimeUs(window: ByteWindow, segment: Segment): Promise<number> {
  const { firstCluster, end, timestampScaleNs } = segment;
  for (const bytes of TAIL_BYTES) {
    const start = Math.max(firstCluster, end - bytes);
    const cluster = await findCluster(window, start, end);
    if (cluster === undefined) continue;
    let last: BlockHead | undefined;
    for await (const block of readBlocks(window, cluster.offset, end)) {
      if (last === undefined || block.ticks > last.ticks) last = block;
    }
    if (last !== undefined) return Math.max(0, microseconds(last.ticks, timestampScaleNs));
  }
  return 0;
}
