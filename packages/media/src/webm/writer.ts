import { joinedBytes } from '../codec/h264-nal.ts';
import type { MediaPacket, Track } from '../packet.ts';
import { opusDelayNs } from './codec-ids.ts';
import { EbmlWriter, idBytes, sizeBytes } from './ebml-writer.ts';
import { ID } from './element-ids.ts';
import { type HeadOptions, writeHead } from './head.ts';

/** Choices for {@link WebmWriter}. */
export interface WebmWriterOptions extends Omit<HeadOptions, 'timestampScaleNs'> {
  /** Stream time that becomes zero in the file, microseconds; not later than the first `ptsUs`. Default 0. */
  readonly baseUs?: number | undefined;
}

/**
 * Nanoseconds per tick. WebM's guidelines ask for a millisecond and players were made by them. Matroska's own tools write
 * finer ones, so 100 us there: rounding then costs less than the clocks of the sources do, and 16 bits still hold 3.2 s.
 */
const TIMESTAMP_SCALE_NS = { webm: 1_000_000, matroska: 100_000 } as const;
/** Times in a cluster are signed 16-bit numbers relative to its own. */
const MAX_RELATIVE_TICKS = 0x7fff;
/** Track number (one byte up to 126), time, and flags before a block's frame. */
const BLOCK_HEADER_BYTES = 4;
const FLAG_KEY = 0x80;

/** A packet, and how it is written. */
interface PlannedBlock {
  readonly packet: MediaPacket;
  readonly trackNumber: number;
  readonly ticks: number;
  /** What goes before the packet's own units: parameter sets. */
  readonly prefix: readonly Uint8Array[];
  /** Each unit after its length (ISO 14496-15 §4.3.3.1), as NAL units are; frames of other codecs are written as they are. */
  readonly hasLengths: boolean;
  readonly bytes: number;
}

/**
 * Writes a WebM or Matroska file (RFC 9559) that is playable after each cluster, and that `planWebmInPlace` can finish:
 * {@link head} once, then any number of {@link cluster}s. The segment has no size yet, each cluster has its own.
 *
 * Key frames of h264 and h265 carry their parameter sets in-band, all of them: when they change later, players that jump
 * back need the old ones again.
 */
export class WebmWriter {
  readonly #tracks: readonly Track[];
  readonly #options: WebmWriterOptions;
  readonly #numbers = new Map<number, number>();
  /** What times of a track are later by in the file (CodecDelay), nanoseconds. */
  readonly #delaysNs = new Map<number, number>();
  readonly #scaleNs: number;

  /**
   * @param tracks one to 126, each with another `id`.
   * @throws RangeError for no, too many, or tracks with the same id
   */
  constructor(tracks: readonly Track[], options: WebmWriterOptions) {
    if (tracks.length === 0 || tracks.length > 126) throw new RangeError(`${tracks.length} tracks`);
    this.#tracks = tracks;
    this.#options = options;
    this.#scaleNs = TIMESTAMP_SCALE_NS[options.docType];
    for (const [index, track] of tracks.entries()) this.#numbers.set(track.id, index + 1);
    if (this.#numbers.size !== tracks.length) throw new RangeError('two tracks have the same id');
  }

  /**
   * Everything before the first cluster.
   * @throws ProtocolError WEBM_UNSUPPORTED_CODEC for a codec that `isWebmCarriable` refuses or a track without parameters
   *   or size, and the codec parsers' own errors when the parameters are malformed
   */
  head(): Uint8Array {
    return writeHead(this.#tracks, { ...this.#options, timestampScaleNs: this.#scaleNs });
  }

  /**
   * One cluster with these packets, in the given order, which must be that of decoding within each track and should be
   * that of time between them. Several clusters when they span more than one can hold (32 s; 3 s for Matroska).
   * @throws RangeError for a track that the head does not have, and for times before `baseUs`
   */
  cluster(packets: readonly MediaPacket[]): Uint8Array {
    const groups = this.#groups(packets.map((packet) => this.#plan(packet)));
    const writer = new EbmlWriter(groups.reduce((sum, group) => sum + clusterBytes(group), 0));
    for (const group of groups) writeCluster(writer, group);
    return writer.finish();
  }

  #plan(packet: MediaPacket): PlannedBlock {
    const { track } = packet;
    const trackNumber = this.#numbers.get(track.id);
    if (trackNumber === undefined) throw new RangeError(`the file has no track ${track.id}`);
    const delayNs = this.#delayNs(track);
    const ticks = Math.round(((packet.ptsUs - (this.#options.baseUs ?? 0)) * 1000 + delayNs) / this.#scaleNs);
    if (ticks < 0) throw new RangeError(`a packet of track ${track.id} is before the beginning of the file`);
    const hasLengths = track.codec === 'h264' || track.codec === 'h265';
    const prefix = hasLengths && packet.key ? track.parameters : [];
    const bytes = hasLengths ? joinedBytes(prefix) + joinedBytes(packet.units) : packet.byteLength;
    return { packet, trackNumber, ticks, prefix, hasLengths, bytes };
  }

  #delayNs(track: Track): number {
    const known = this.#delaysNs.get(track.id);
    if (known !== undefined) return known;
    // Of the head, because that is what readers know.
    const delayNs = opusDelayNs(this.#tracks.find(({ id }) => id === track.id) ?? track);
    this.#delaysNs.set(track.id, delayNs);
    return delayNs;
  }

  /** Cuts where the times of one cluster would not fit any more. */
  #groups(blocks: readonly PlannedBlock[]): PlannedBlock[][] {
    const groups: PlannedBlock[][] = [];
    let group: PlannedBlock[] = [];
    let earliest = 0;
    let latest = 0;
    for (const block of blocks) {
      const first = group.length === 0;
      const lowest = first ? block.ticks : Math.min(earliest, block.ticks);
      const highest = first ? block.ticks : Math.max(latest, block.ticks);
      if (first || highest - lowest > MAX_RELATIVE_TICKS) {
        group = [];
        groups.push(group);
        earliest = block.ticks;
        latest = block.ticks;
      } else {
        earliest = lowest;
        latest = highest;
      }
      group.push(block);
    }
    return groups;
  }
}

function clusterTicks(group: readonly PlannedBlock[]): number {
  return group.reduce((lowest, { ticks }) => Math.min(lowest, ticks), Number.POSITIVE_INFINITY);
}

/** Always eight bytes, so that the size of a cluster does not depend on its time. */
const TIMESTAMP_ELEMENT_BYTES = 10;
const CLUSTER_SIZE_BYTES = 8;

function blockElementBytes({ bytes }: PlannedBlock): number {
  const size = BLOCK_HEADER_BYTES + bytes;
  return idBytes(ID.simpleBlock) + sizeBytes(size) + size;
}

function contentBytes(group: readonly PlannedBlock[]): number {
  return group.reduce((sum, block) => sum + blockElementBytes(block), TIMESTAMP_ELEMENT_BYTES);
}

function clusterBytes(group: readonly PlannedBlock[]): number {
  return idBytes(ID.cluster) + CLUSTER_SIZE_BYTES + contentBytes(group);
}

function writeCluster(writer: EbmlWriter, group: readonly PlannedBlock[]): void {
  const base = clusterTicks(group);
  writer.id(ID.cluster);
  writer.size(contentBytes(group), CLUSTER_SIZE_BYTES);
  writer.id(ID.timestamp);
  writer.size(8);
  writer.u32(Math.floor(base / 2 ** 32));
  writer.u32(base % 2 ** 32);
  for (const block of group) {
    writer.id(ID.simpleBlock);
    writer.size(BLOCK_HEADER_BYTES + block.bytes);
    writer.size(block.trackNumber, 1);
    writer.i16(block.ticks - base);
    writer.u8(block.packet.key ? FLAG_KEY : 0);
    writeFrame(writer, block);
  }
}

function writeFrame(writer: EbmlWriter, { packet, prefix, hasLengths }: PlannedBlock): void {
  for (const unit of [...prefix, ...packet.units]) {
    if (hasLengths) writer.u32(unit.length);
    writer.bytes(unit);
  }
}
