import { parseAacConfig, parseAdts } from '../../codec/aac.ts';
import { BitReader } from '../../codec/bits.ts';
import { ProtocolError } from '../../packet.ts';
import { joinBytes, readU16, writeU16 } from '../bytes.ts';
import { AAC_HBR, type AacAuHeaderFormat } from './aac-format.ts';
import type { DepacketizedFrame, RtpDepacketizer, RtpMediaPacket, RtpPacketizer, RtpPayload } from './format.ts';
import { evenPieces } from './pieces.ts';

/** Frames in one packet; more than fit into 64 KiB of AAC. */
const MAX_FRAMES = 512;
/** A fragmented frame that says it is longer is none of AAC. */
const MAX_FRAGMENTED_BYTES = 64 * 1024;
/** Ticks that a frame lasts while nothing is known of it. */
const USUAL_FRAME_TICKS = 1024;
/** AU-headers-length and one AU header of AAC-hbr. */
const HBR_HEADER_BYTES = 4;
const HBR_MAX_FRAME_BYTES = 0x1fff;

export interface AacDepacketizerOptions {
  readonly format?: AacAuHeaderFormat | undefined;
  /** AudioSpecificConfig, as the track has it. */
  readonly parameters?: readonly Uint8Array[] | undefined;
  /** Ticks a second of the RTP timestamps, which is not always the sampling rate; that by default. */
  readonly clockRate?: number | undefined;
}

/**
 * AAC by RFC 3640 (`mpeg4-generic`): any number of frames in a packet, or a frame in several. The frames behind the
 * first of a packet come in `more`. Interleaved ones are refused with AAC_UNSUPPORTED_PAYLOAD, what is broken with
 * AAC_BAD_PAYLOAD. ADTS headers, which cameras put in front of frames, are taken off.
 */
export function aacDepacketizer(options: AacDepacketizerOptions = {}): RtpDepacketizer {
  return new AacDepacketizer(options);
}

/** Ticks of the RTP clock that a frame of this configuration lasts. */
export function aacFrameTicks(config: Uint8Array | undefined, clockRate: number | undefined): number {
  if (config === undefined) return USUAL_FRAME_TICKS;
  const { frameLength, sampleRate } = parseAacConfig(config);
  return Math.max(1, Math.round((frameLength * (clockRate ?? sampleRate)) / sampleRate));
}

/** Frames of one packet, each `ticks` after the other; undefined when there are none. They must own their memory. */
export function spacedFrames(
  units: readonly Uint8Array[],
  timestamp: number,
  ticks: number,
): DepacketizedFrame | undefined {
  const frames = units.map((unit, index) => ({
    units: [unit],
    key: true,
    timestamp: timestamp + index * ticks,
    broken: false,
  }));
  const [first, ...more] = frames;
  if (first === undefined) return undefined;
  return more.length > 0 ? { ...first, more } : first;
}

interface Fragmented {
  readonly timestamp: number;
  /** Bytes of the whole frame. */
  readonly size: number;
  readonly parts: Uint8Array[];
  bytes: number;
}

class AacDepacketizer implements RtpDepacketizer {
  readonly #format: AacAuHeaderFormat;
  readonly #ticks: number;
  #fragmented: Fragmented | undefined;

  constructor({ format = AAC_HBR, parameters, clockRate }: AacDepacketizerOptions) {
    this.#format = format;
    this.#ticks = format.constantDuration || aacFrameTicks(parameters?.[0], clockRate);
  }

  push(packet: RtpMediaPacket, lost: boolean): DepacketizedFrame | undefined {
    const { payload, timestamp } = packet;
    if (payload.length === 0) return undefined;
    if (lost || this.#fragmented?.timestamp !== timestamp) this.#fragmented = undefined;
    const { sizes, start } = readAuHeaders(payload, this.#format);
    const data = payload.subarray(start);
    const [size = 0] = sizes;
    if (sizes.length === 1 && size > data.length) return this.#takeFragment({ timestamp, size, data });
    this.#fragmented = undefined;
    return spacedFrames(splitFrames(data, sizes), timestamp, this.#ticks);
  }

  /** RFC 3640 §3.1: every fragment has the header of its frame, with the size of the whole. */
  #takeFragment(part: { timestamp: number; size: number; data: Uint8Array }): DepacketizedFrame | undefined {
    const { timestamp, size, data } = part;
    if (size > MAX_FRAGMENTED_BYTES) throw badPayload(`a frame of ${size} bytes`);
    if (this.#fragmented?.size !== size) this.#fragmented = { timestamp, size, parts: [], bytes: 0 };
    const fragmented = this.#fragmented;
    if (data.length > 0) fragmented.parts.push(new Uint8Array(data));
    fragmented.bytes += data.length;
    if (fragmented.bytes < size) return undefined;
    this.#fragmented = undefined;
    if (fragmented.bytes > size) throw badPayload(`fragments of ${fragmented.bytes} bytes for a frame of ${size}`);
    return spacedFrames([withoutAdts(joinBytes(fragmented.parts))], timestamp, this.#ticks);
  }
}

/** Sizes of the frames in a packet and where their data start; one size for all the rest where headers tell none. */
function readAuHeaders(payload: Uint8Array, format: AacAuHeaderFormat): { sizes: number[]; start: number } {
  try {
    return readHeaders(payload, format);
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'BITSTREAM_END') throw badPayload('it ends inside a header');
    throw error;
  }
}

function readHeaders(payload: Uint8Array, format: AacAuHeaderFormat): { sizes: number[]; start: number } {
  const sizes: number[] = [];
  let start = 0;
  let headers = 0;
  if (hasHeaders(format)) {
    const headerBits = readU16(payload, 0);
    start = 2 + Math.ceil(headerBits / 8);
    if (start > payload.length) throw badPayload(`headers of ${headerBits} bits`);
    const reader = new BitReader(payload.subarray(2, start));
    const endBits = reader.bitsLeft - headerBits;
    for (; reader.bitsLeft > endBits && headers < MAX_FRAMES; headers += 1) {
      const size = readAuHeader(reader, format, headers);
      if (size > 0) sizes.push(size);
    }
  }
  start += auxiliaryBytes(payload.subarray(start), format);
  const left = payload.length - start;
  if (left < 0) throw badPayload('the auxiliary section exceeds the packet');
  if (format.sizeLength > 0) return { sizes, start };
  const size = format.constantSize > 0 ? format.constantSize : Math.max(1, headers > 1 ? 0 : left);
  return {
    sizes: Array.from({ length: Math.min(MAX_FRAMES, Math.max(1, Math.floor(left / size))) }, () => size),
    start,
  };
}

function hasHeaders(format: AacAuHeaderFormat): boolean {
  const { sizeLength, indexLength, indexDeltaLength, ctsDeltaLength, dtsDeltaLength, streamStateLength } = format;
  const bits = sizeLength + indexLength + indexDeltaLength + ctsDeltaLength + dtsDeltaLength + streamStateLength;
  return bits > 0 || format.randomAccess;
}

/** RFC 3640 §3.2.1.1. The index of the first frame says nothing that its packet does not. */
function readAuHeader(reader: BitReader, format: AacAuHeaderFormat, position: number): number {
  const size = reader.bits(format.sizeLength);
  const index = reader.bits(position === 0 ? format.indexLength : format.indexDeltaLength);
  if (position > 0 && index !== 0)
    throw new ProtocolError('AAC_UNSUPPORTED_PAYLOAD', `interleaved AAC, ${index} frames are left out between two`);
  if (format.ctsDeltaLength > 0 && reader.flag()) reader.skip(format.ctsDeltaLength);
  if (format.dtsDeltaLength > 0 && reader.flag()) reader.skip(format.dtsDeltaLength);
  if (format.randomAccess) reader.skip(1);
  reader.skip(format.streamStateLength);
  return size;
}

/** RFC 3640 §3.2.2: its size in bits, then so many bits. */
function auxiliaryBytes(data: Uint8Array, { auxiliaryDataSizeLength }: AacAuHeaderFormat): number {
  if (auxiliaryDataSizeLength === 0) return 0;
  const bits = new BitReader(data).bits(auxiliaryDataSizeLength);
  return Math.ceil((auxiliaryDataSizeLength + bits) / 8);
}

function splitFrames(data: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  let position = 0;
  return sizes.map((size) => {
    const end = position + size;
    if (end > data.length) throw badPayload(`frames of ${end} bytes, ${data.length} are there`);
    const frame = withoutAdts(data.slice(position, end));
    position = end;
    return frame;
  });
}

/** The first bits of an ADTS header would be the end of a raw frame, so no frame begins with them. */
function withoutAdts(frame: Uint8Array): Uint8Array {
  if (frame[0] !== 0xff || ((frame[1] ?? 0) & 0xf6) !== 0xf0) return frame;
  try {
    const { headerBytes, frameBytes } = parseAdts(frame);
    return frame.length === headerBytes + frameBytes ? frame.subarray(headerBytes) : frame;
  } catch {
    return frame;
  }
}

/**
 * AAC by RFC 3640 as AAC-hbr, one frame a packet, so that nothing waits; frames that do not fit are fragmented. Frames
 * of 8192 bytes and more can't be expressed.
 */
export function aacPacketizer(): RtpPacketizer {
  return {
    packetize({ units }, maxPayloadBytes): RtpPayload[] {
      return units.flatMap((unit) => {
        if (unit.length > HBR_MAX_FRAME_BYTES) throw badPayload(`a frame of ${unit.length} bytes`);
        const pieces = evenPieces(unit, maxPayloadBytes - HBR_HEADER_BYTES);
        return pieces.map((piece, index) => {
          const payload = new Uint8Array(HBR_HEADER_BYTES + piece.length);
          writeU16(payload, 0, AAC_HBR.sizeLength + AAC_HBR.indexLength);
          writeU16(payload, 2, unit.length << AAC_HBR.indexLength);
          payload.set(piece, HBR_HEADER_BYTES);
          return { payload, marker: index === pieces.length - 1, startPoint: true, timestampOffset: 0 };
        });
      });
    },
  };
}

function badPayload(reason: string): ProtocolError {
  return new ProtocolError('AAC_BAD_PAYLOAD', `bad AAC payload: ${reason}`);
}
