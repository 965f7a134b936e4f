import { ProtocolError } from '../packet.ts';

/** Tag types of Adobe FLV 10.1 §E.4.1: 8 audio, 9 video, 18 script data. */
export type FlvTagType = 8 | 9 | 18;

/** One tag of an FLV stream. */
export interface FlvTag {
  type: FlvTagType;
  /** Decoding time in milliseconds, unsigned 32 bits. */
  timestampMs: number;
  /** Body of the tag; owns its memory. */
  data: Uint8Array;
}

/** Limits of an {@link FlvDemuxer}. */
export interface FlvDemuxerOptions {
  /** Largest accepted tag body in bytes; 16 MiB, which is all the format can express, when left out. */
  maxTagBytes?: number;
}

const FILE_HEADER_BYTES = 9;
const TAG_HEADER_BYTES = 11;
const TRAILER_BYTES = 4;

/** No known writer extends the 9-byte header; this bounds what is buffered before the first tag. */
const MAX_HEADER_BYTES = 1024;

/**
 * Incremental parser of an FLV byte stream (Adobe FLV 10.1 annex E) without any I/O: give it the bytes as they come.
 * It buffers at most one tag beyond the chunk it was given.
 */
export class FlvDemuxer {
  /** Flags of the file header; undefined before it is complete. Many writers set them wrongly. */
  hasVideo: boolean | undefined;
  hasAudio: boolean | undefined;
  readonly #maxTagBytes: number;
  #buffer = new Uint8Array(0);
  /** Valid bytes at the start of the buffer. */
  #length = 0;
  /** Bytes of the buffer that have been parsed. */
  #position = 0;
  #failure: ProtocolError | undefined;

  constructor(options: FlvDemuxerOptions = {}) {
    this.#maxTagBytes = options.maxTagBytes ?? 16 * 1024 * 1024;
  }

  /**
   * Takes the next bytes and returns the tags that they complete. Tags of unknown type are left out.
   * @throws ProtocolError FLV_BAD_FILE for anything that is not FLV, encrypted tags and tags over the limit; from
   *   then on every call throws it again.
   */
  push(chunk: Uint8Array): FlvTag[] {
    if (this.#failure !== undefined) throw this.#failure;
    this.#append(chunk);
    const tags: FlvTag[] = [];
    try {
      if (this.hasVideo === undefined && !this.#readHeader()) return tags;
      while (this.#readTag(tags));
    } catch (error) {
      if (error instanceof ProtocolError) this.#failure = error;
      throw error;
    }
    return tags;
  }

  /** Moves the unparsed rest to the front and adds the chunk; doubling keeps the cost per byte constant. */
  #append(chunk: Uint8Array): void {
    const rest = this.#length - this.#position;
    const needed = rest + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, rest * 2));
      larger.set(this.#buffer.subarray(this.#position, this.#length));
      this.#buffer = larger;
    } else if (this.#position > 0) {
      this.#buffer.copyWithin(0, this.#position, this.#length);
    }
    this.#buffer.set(chunk, rest);
    this.#position = 0;
    this.#length = needed;
  }

  /** Reads the file header and the first PreviousTagSize, §E.2; false when they are incomplete. */
  #readHeader(): boolean {
    const bytes = this.#buffer;
    const known = Math.min(this.#length, 3);
    // Other formats are refused at the first wrong byte, not when nine have come.
    for (let index = 0; index < known; index += 1) {
      if (bytes[index] !== 'FLV'.charCodeAt(index)) throw badFile('the signature is missing');
    }
    if (this.#length < FILE_HEADER_BYTES) return false;
    if (bytes[3] !== 1) throw badFile(`version ${bytes[3]} is unknown`);
    const headerBytes = readUint32(bytes, 5);
    if (headerBytes < FILE_HEADER_BYTES || headerBytes > MAX_HEADER_BYTES)
      throw badFile(`header of ${headerBytes} bytes`);
    if (this.#length < headerBytes + TRAILER_BYTES) return false;
    const flags = bytes[4] ?? 0;
    this.hasVideo = (flags & 1) !== 0;
    this.hasAudio = (flags & 4) !== 0;
    this.#position = headerBytes + TRAILER_BYTES;
    return true;
  }

  /** Reads one tag with the PreviousTagSize after it, §E.4.1; false when it is incomplete. */
  #readTag(tags: FlvTag[]): boolean {
    const bytes = this.#buffer;
    const start = this.#position;
    const available = this.#length - start;
    if (available < TAG_HEADER_BYTES) return false;
    const type = bytes[start] ?? 0;
    // Two reserved bits, and the filter bit that marks encryption.
    if ((type & 0xe0) !== 0) throw badFile(`tag type 0x${type.toString(16)}`);
    const dataBytes = readUint32(bytes, start) & 0xffffff;
    if (dataBytes > this.#maxTagBytes) throw badFile(`tag of ${dataBytes} bytes, the limit is ${this.#maxTagBytes}`);
    const end = start + TAG_HEADER_BYTES + dataBytes;
    if (available < TAG_HEADER_BYTES + dataBytes + TRAILER_BYTES) return false;
    checkTrailer(readUint32(bytes, end), dataBytes);
    if (type === 8 || type === 9 || type === 18) {
      // TimestampExtended, the fourth byte, holds the upper bits.
      const timestampMs = ((readUint32(bytes, start + 4) >>> 8) | ((bytes[start + 7] ?? 0) << 24)) >>> 0;
      tags.push({ type, timestampMs, data: bytes.slice(start + TAG_HEADER_BYTES, end) });
    }
    this.#position = end + TRAILER_BYTES;
    return true;
  }
}

/** A wrong PreviousTagSize means lost synchronisation, except two values that sloppy writers are known to use. */
function checkTrailer(previousTagSize: number, dataBytes: number): void {
  const expected = TAG_HEADER_BYTES + dataBytes;
  if (previousTagSize === expected || previousTagSize === dataBytes || previousTagSize === 0) return;
  throw badFile(`previous tag size ${previousTagSize} instead of ${expected}`);
}

/** Writes the FLV file header and the PreviousTagSize0 after it, Adobe FLV 10.1 §E.2 and §E.3; 13 bytes. */
export function writeFlvHeader({ hasVideo, hasAudio }: { hasVideo: boolean; hasAudio: boolean }): Uint8Array {
  const flags = (hasVideo ? 1 : 0) | (hasAudio ? 4 : 0);
  return Uint8Array.of(0x46, 0x4c, 0x56, 1, flags, 0, 0, 0, FILE_HEADER_BYTES, 0, 0, 0, 0);
}

/**
 * Writes one tag and the PreviousTagSize after it, Adobe FLV 10.1 §E.4.1.
 * @param timestampMs Decoding time in milliseconds; written modulo 2^32.
 * @param data Body of the tag.
 * @throws ProtocolError FLV_BAD_FILE for a body of 16 MiB or more, which the format cannot express.
 */
export function writeFlvTag(type: FlvTagType, timestampMs: number, data: Uint8Array): Uint8Array {
  if (data.length > 0xffffff) throw badFile(`a tag cannot hold ${data.length} bytes`);
  const tag = new Uint8Array(TAG_HEADER_BYTES + data.length + TRAILER_BYTES);
  const view = new DataView(tag.buffer);
  // The bit operators round down and wrap to 32 bits.
  view.setUint32(0, (type << 24) | data.length);
  view.setUint32(4, ((timestampMs & 0xffffff) << 8) | ((timestampMs >>> 24) & 0xff));
  tag.set(data, TAG_HEADER_BYTES);
  view.setUint32(TAG_HEADER_BYTES + data.length, TAG_HEADER_BYTES + data.length);
  return tag;
}

function readUint32(bytes: Uint8Array, offset: number): number {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0] = bytes.subarray(offset, offset + 4);
  return ((b0 << 24) | (b1 << 16) | (b2 << 8) | b3) >>> 0;
}

function badFile(reason: string): ProtocolError {
  return new ProtocolError('FLV_BAD_FILE', `bad FLV stream: ${reason}`);
}
