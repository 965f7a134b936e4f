import { aacTrack, canonicalUnits, h264Track, parseAdts, splitAnnexB, writeAacConfig } from '../codec/index.ts';
import { ProtocolError, type Track } from '../packet.ts';
import { TS_PACKET_BYTES } from './ts-output.ts';
import type { TsPacket } from './ts-packet.ts';

/** Longest PES packet that tells its length, and what is kept of one that does not, for its parameter sets. */
const MAX_KEPT_BYTES = 65_541;
const MODULUS = 2 ** 33;
const STREAM_TYPE_H264 = 0x1b;
const STREAM_TYPE_AAC_ADTS = 0x0f;

/** A PES packet that has begun. */
interface OpenPes {
  /** Where its first transport packet begins in the file. */
  readonly offset: number;
  /** Where its last one so far begins. */
  lastOffset: number;
  isStuffed: boolean;
  bytes: number;
  readonly kept: Uint8Array[];
  keptBytes: number;
}

/** True for what `TsMuxer` writes: H.264, and AAC with ADTS headers. */
export function isCounted(streamType: number): boolean {
  return streamType === STREAM_TYPE_H264 || streamType === STREAM_TYPE_AAC_ADTS;
}

/** Counts the PES packets of one elementary stream, and knows when they begin and end. */
export class PesTally {
  readonly id: number;
  readonly #isVideo: boolean;
  #open: OpenPes | undefined;
  #track: Track | undefined;
  #samples = 0;
  /** Presentation times in ticks of 90 kHz without the wrapping at 33 bits: earliest, latest, and the one before it. */
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  #beforeLast = Number.NEGATIVE_INFINITY;
  /** Length of the latest PES packet in ticks, where its frames tell it. */
  #pesTicks = 0;

  constructor(id: number, streamType: number) {
    this.id = id;
    this.#isVideo = streamType === STREAM_TYPE_H264;
  }

  /** Undefined while nothing has told its parameters. */
  get track(): Track | undefined {
    return this.#track;
  }

  get samples(): number {
    return this.#samples;
  }

  /** Ticks of 90 kHz; only with samples. */
  get firstTicks(): number {
    return this.#first;
  }

  get endTicks(): number {
    const step = this.#beforeLast > Number.NEGATIVE_INFINITY ? this.#last - this.#beforeLast : 0;
    return this.#last + (this.#isVideo ? step : this.#pesTicks);
  }

  /** @param near a time of the programme that this one is near to, ticks; undefined for the first one. */
  take(packet: TsPacket, offset: number, near: number | undefined): void {
    if (packet.isStart) {
      this.#close(near);
      this.#open = { offset, lastOffset: offset, isStuffed: false, bytes: 0, kept: [], keptBytes: 0 };
    }
    const open = this.#open;
    if (open === undefined) return;
    open.lastOffset = offset;
    open.isStuffed = packet.isStuffed;
    open.bytes += packet.payload.length;
    if (open.keptBytes + packet.payload.length > MAX_KEPT_BYTES || !this.#needsMore(open)) return;
    open.kept.push(packet.payload);
    open.keptBytes += packet.payload.length;
  }

  /**
   * Ends the last PES packet when it is whole.
   * @param end where the last transport packet of the file ends, and whether bytes follow that are none.
   * @returns where it begins when it is torn
   */
  finish(end: { readonly offset: number; readonly isTorn: boolean }, near: number | undefined): number | undefined {
    const open = this.#open;
    if (open === undefined) return undefined;
    if (isWhole(open, end)) {
      this.#close(near);
      return undefined;
    }
    this.#open = undefined;
    return open.offset;
  }

  /** Pictures need only their header, once the parameter sets are known. */
  #needsMore({ keptBytes }: OpenPes): boolean {
    return !this.#isVideo || this.#track === undefined || keptBytes === 0;
  }

  #close(near: number | undefined): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const pes = concat(open.kept, open.keptBytes);
    const time = presentationTime(pes);
    if (time === undefined) return;
    const ticks = unwrapped(time, this.#last > Number.NEGATIVE_INFINITY ? this.#last : near);
    const content = pes.subarray(9 + (pes[8] ?? 0));
    try {
      if (this.#isVideo) this.#countPicture(content);
      else this.#countFrames(content);
    } catch (error) {
      // What the bytes of a codec say decides over nothing but the numbers that are told.
      if (!(error instanceof ProtocolError)) throw error;
    }
    this.#first = Math.min(this.#first, ticks);
    if (ticks > this.#last) {
      this.#beforeLast = this.#last;
      this.#last = ticks;
    } else if (ticks < this.#last) {
      this.#beforeLast = Math.max(this.#beforeLast, ticks);
    }
  }

  #countPicture(content: Uint8Array): void {
    this.#samples += 1;
    if (this.#track !== undefined) return;
    const { parameters } = canonicalUnits(splitAnnexB(content));
    if (parameters.length > 0)
      this.#track = h264Track(
        this.id,
        parameters.map((unit) => new Uint8Array(unit)),
      );
  }

  #countFrames(content: Uint8Array): void {
    this.#pesTicks = 0;
    let position = 0;
    while (position < content.length) {
      const { config, headerBytes, frameBytes } = parseAdts(content.subarray(position));
      position += headerBytes + frameBytes;
      if (position > content.length) return;
      this.#samples += 1;
      this.#pesTicks += (config.frameLength * 90_000) / config.sampleRate;
      this.#track ??= aacTrack(this.id, writeAacConfig(config));
    }
  }
}

/**
 * Whether a PES packet that nothing follows is whole. One of sound tells its length. A picture does not: there the last
 * transport packet is filled up, or others come after it. One picture in 184 fits exactly; it is taken for whole when the
 * file has nothing torn behind it.
 */
function isWhole(open: OpenPes, end: { readonly offset: number; readonly isTorn: boolean }): boolean {
  const [kept] = open.kept;
  if (kept === undefined || kept.length < 9) return false;
  const length = ((kept[4] ?? 0) << 8) | (kept[5] ?? 0);
  if (length > 0) return open.bytes >= 6 + length;
  return open.isStuffed || open.lastOffset + TS_PACKET_BYTES < end.offset || !end.isTorn;
}

/** PTS of a PES packet (ISO 13818-1 §2.4.3.6); undefined when there is none. */
function presentationTime(pes: Uint8Array): number | undefined {
  if (pes.length < 14 || pes[0] !== 0 || pes[1] !== 0 || pes[2] !== 1 || ((pes[7] ?? 0) & 0x80) === 0) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = pes.subarray(9, 14);
  return ((a >> 1) & 7) * 2 ** 30 + ((b << 22) | ((c >> 1) << 15) | (d << 7) | (e >> 1));
}

/** The time that is nearest to `near` of those that wrap to `time`. */
function unwrapped(time: number, near: number | undefined): number {
  if (near === undefined) return time;
  const rounds = Math.round((near - time) / MODULUS);
  return time + rounds * MODULUS;
}

function concat(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const result = new Uint8Array(bytes);
  let position = 0;
  for (const piece of pieces) {
    result.set(piece, position);
    position += piece.length;
  }
  return result;
}
