import type { ByteSource, FileTrack, MediaFileReader } from '../file-plan.ts';
import type { MediaPacket } from '../packet.ts';
import { type BlockHead, readBlocks } from './blocks.ts';
import { ByteWindow } from './byte-window.ts';
import { type CompleteTrack, completeTracks } from './complete-tracks.ts';
import { FrameReader, frameDurationUs } from './frames.ts';
import { splitLaces } from './lacing.ts';
import { KeyFrameSearch, type KeyPlace, lastTimeUs } from './seek.ts';
import { microseconds, readSegment, type Segment } from './segment.ts';

/** One read while the file is opened or a place is searched: enough for the head of most files. */
const SEARCH_READ_BYTES = 64 * 1024;
/** One read while packets are read. */
const STREAM_READ_BYTES = 1024 * 1024;

/**
 * Reads WebM and Matroska files (RFC 9559) of any writer, also those without sizes, duration or Cues that a live writer
 * leaves, and those that end in the middle of a block. Holds 1 MiB of the file, or one block where that is larger.
 *
 * Matroska has presentation times only; decoding times are derived from them.
 */
export class WebmReader implements MediaFileReader {
  /** `durationUs` is that of the file: there is none of single tracks. */
  readonly tracks: readonly FileTrack[];
  /** As the file tells it; of one that does not, the time of its last block. */
  readonly durationUs: number;
  /** What was left out, by codec id, such as `S_TEXT/UTF8` or `V_VP9 (encrypted)`. */
  readonly skipped: readonly string[];
  readonly #source: ByteSource;
  readonly #segment: Segment;
  readonly #entries: readonly CompleteTrack[];
  readonly #search: KeyFrameSearch | undefined;
  /** The track whose key frames are the places to begin: the first one with pictures, else the first one. */
  readonly #leading: CompleteTrack | undefined;

  private constructor(source: ByteSource, segment: Segment, found: Awaited<ReturnType<typeof completeTracks>>) {
    this.#source = source;
    this.#segment = segment;
    this.#entries = found.tracks;
    this.durationUs = segment.durationUs ?? 0;
    this.tracks = found.tracks.map(({ track }) => ({ track, durationUs: this.durationUs }));
    this.skipped = found.skipped;
    this.#leading = found.tracks.find(({ track }) => track.kind === 'video') ?? found.tracks[0];
    this.#search = this.#leading && new KeyFrameSearch(segment, this.#leading.source.number);
  }

  /**
   * Reads the head of a file, and a little more where that leaves something open.
   * @throws ProtocolError WEBM_BAD_FILE when it breaks the format or exceeds a limit (64 tracks, 64 MiB per block), and
   *   what the source rejects with
   */
  static async open(source: ByteSource): Promise<WebmReader> {
    const window = new ByteWindow(source, SEARCH_READ_BYTES);
    const segment = await readSegment(window);
    const found = await completeTracks(window, segment);
    const durationUs = segment.durationUs ?? (await lastTimeUs(window, segment));
    return new WebmReader(source, { ...segment, durationUs }, found);
  }

  async *readPackets(fromUs = 0): AsyncGenerator<MediaPacket> {
    const start = await this.#placeBefore(fromUs);
    const lanes = new Map(
      this.#entries.map((entry) => [entry.source.number, new Lane(entry, this.#segment, this.#startOf(entry, start))]),
    );
    const window = new ByteWindow(this.#source, STREAM_READ_BYTES);
    const { firstCluster, end } = this.#segment;
    for await (const block of readBlocks(window, start?.clusterOffset ?? firstCluster, end)) {
      const lane = lanes.get(block.trackNumber);
      if (lane === undefined || !lane.wants(block)) continue;
      yield* lane.packets(block, await window.bytes(block.dataOffset, block.dataBytes));
    }
  }

  async #placeBefore(fromUs: number): Promise<KeyPlace | undefined> {
    if (fromUs <= 0 || this.#search === undefined) return undefined;
    const delayUs = (this.#leading?.source.codecDelayNs ?? 0) / 1000;
    return this.#search.before(new ByteWindow(this.#source, SEARCH_READ_BYTES), fromUs + delayUs);
  }

  #startOf(entry: CompleteTrack, place: KeyPlace | undefined): LaneStart | undefined {
    if (place === undefined) return undefined;
    const { timestampScaleNs } = this.#segment;
    if (entry === this.#leading) return { offset: place.offset, us: Number.NEGATIVE_INFINITY };
    const delayUs = (this.#leading?.source.codecDelayNs ?? 0) / 1000;
    return { offset: 0, us: microseconds(place.ticks, timestampScaleNs) - delayUs };
  }
}

/** Where a track begins when the file is not read from its beginning. */
interface LaneStart {
  /** No block before this place in the file. */
  readonly offset: number;
  /** No frame before this time. */
  readonly us: number;
}

/** One track while packets are read. */
class Lane {
  readonly #entry: CompleteTrack;
  readonly #frames: FrameReader;
  readonly #timestampScaleNs: number;
  #start: LaneStart | undefined;

  constructor(entry: CompleteTrack, { timestampScaleNs }: Segment, start: LaneStart | undefined) {
    this.#entry = entry;
    this.#timestampScaleNs = timestampScaleNs;
    this.#start = start;
    this.#frames = new FrameReader(entry.source, entry.track, entry.reorderDepth);
  }

  /** False for blocks before the start, and for pictures until there is a key frame. */
  wants(block: BlockHead): boolean {
    if (this.#start === undefined) return true;
    if (block.offset < this.#start.offset || this.#ptsUs(block) < this.#start.us) return false;
    if (this.#entry.track.kind === 'video' && !block.key) return false;
    this.#start = undefined;
    return true;
  }

  *packets(block: BlockHead, data: Uint8Array): Generator<MediaPacket> {
    let ptsUs = this.#ptsUs(block);
    const { source, track } = this.#entry;
    for (const frame of splitLaces(data, block.lacing)) {
      const packet = this.#frames.packet(frame, Math.round(ptsUs), block.key);
      if (packet !== undefined) yield packet;
      if (block.lacing !== 'none') ptsUs += frameDurationUs(source, track, { head: frame, byteLength: frame.length });
    }
  }

  #ptsUs({ ticks }: BlockHead): number {
    return Math.round(microseconds(ticks, this.#timestampScaleNs) - this.#entry.source.codecDelayNs / 1000);
  }
}
