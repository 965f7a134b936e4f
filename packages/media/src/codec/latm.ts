import { ProtocolError } from '../packet.ts';
import { type AacConfig, parseAacConfig, readAacConfig } from './aac.ts';
import { BitReader, BitWriter } from './bits.ts';

/** What a StreamMuxConfig (ISO/IEC 14496-3 §1.7.3) says about a LATM stream of one program and one layer. */
export interface LatmConfig {
  /** AudioSpecificConfig; owns its memory. */
  readonly audioConfig: Uint8Array;
  readonly audio: AacConfig;
  /** Frames in one audioMuxElement, 1 to 64. */
  readonly subFrames: number;
  /** Bytes of every frame; undefined when each frame tells its own length. */
  readonly frameBytes: number | undefined;
  /** Bits of other data behind the frames of each element. */
  readonly otherDataBits: number;
}

/** An audioMuxElement carries no more than this of other data; nobody sends any. */
const MAX_OTHER_BITS = 1 << 16;
/** More than the configuration of any sound. */
const MAX_CONFIG_BITS = 8 * 256;
/** Most bytes of one AAC frame that are believed: 48 channels of 6144 bits (ISO/IEC 14496-3 §4.5.3.1). */
const MAX_FRAME_BYTES = 48 * 768;

/**
 * Parses a StreamMuxConfig on its own, as session descriptions have it in `config`.
 * @throws ProtocolError LATM_BAD_CONFIG for broken data, LATM_UNSUPPORTED for several programs or layers
 */
export function parseLatmConfig(bytes: Uint8Array): LatmConfig {
  return orBad('LATM_BAD_CONFIG', () => readStreamMuxConfig(bytes, 0).config);
}

/**
 * Takes an audioMuxElement apart (§1.7.3.1, audioMuxVersionA 0).
 * @param inBand True when the element begins with its configuration (`cpresent=1`).
 * @param known The configuration so far; undefined while there is none.
 * @returns the frames, which own their memory, and the configuration that is in force now; no frames while there is no
 *   configuration; undefined when the element is longer than the bytes.
 * @throws ProtocolError LATM_BAD_PAYLOAD, LATM_UNSUPPORTED
 */
export function splitLatm(
  bytes: Uint8Array,
  inBand: boolean,
  known: LatmConfig | undefined,
): { readonly frames: Uint8Array[]; readonly config: LatmConfig | undefined } | undefined {
  return orBad('LATM_BAD_PAYLOAD', () => readMuxElement(bytes, inBand, known));
}

function readMuxElement(
  bytes: Uint8Array,
  inBand: boolean,
  known: LatmConfig | undefined,
): { frames: Uint8Array[]; config: LatmConfig | undefined } | undefined {
  const reader = new BitReader(bytes);
  let config = known;
  if (inBand && !reader.flag()) {
    const read = readStreamMuxConfig(bytes, 1);
    config = read.config;
    reader.skip(read.bits);
  }
  if (config === undefined) return { frames: [], config };
  const frames: Uint8Array[] = [];
  for (let index = 0; index < config.subFrames; index += 1) {
    const length = config.frameBytes ?? readFrameLength(reader);
    if (length === undefined || length * 8 > reader.bitsLeft) return undefined;
    if (length > 0) frames.push(copyBytes(bytes, bytes.length * 8 - reader.bitsLeft, length));
    reader.skip(length * 8);
  }
  return { frames, config };
}

/** PayloadLengthInfo, §1.7.3.1: bytes of 255 go on. */
function readFrameLength(reader: BitReader): number | undefined {
  let length = 0;
  while (reader.bitsLeft >= 8) {
    const part = reader.bits(8);
    length += part;
    if (length > MAX_FRAME_BYTES) throw new ProtocolError('LATM_BAD_PAYLOAD', `a frame of ${length} bytes and more`);
    if (part !== 255) return length;
  }
  return undefined;
}

/** Bytes out of a bitstream; elements with their configuration inside have them at any bit. */
function copyBytes(source: Uint8Array, startBit: number, length: number): Uint8Array {
  const start = startBit >>> 3;
  const shift = startBit & 7;
  const copy = source.slice(start, start + length);
  if (shift === 0) return copy;
  for (let index = 0; index < length; index += 1)
    copy[index] = ((source[start + index] ?? 0) << shift) | ((source[start + index + 1] ?? 0) >> (8 - shift));
  return copy;
}

function readStreamMuxConfig(bytes: Uint8Array, startBit: number): { config: LatmConfig; bits: number } {
  const reader = new BitReader(bytes);
  reader.skip(startBit);
  const version = reader.bits(1);
  if (version === 1 && reader.flag()) throw unsupported('audioMuxVersionA 1');
  if (version === 1) readValue(reader);
  reader.skip(1);
  const subFrames = reader.bits(6) + 1;
  const programs = reader.bits(4) + 1;
  const layers = reader.bits(3) + 1;
  if (programs > 1 || layers > 1) throw unsupported(`${programs} programs of ${layers} layers`);
  const { audioConfig, audio } = readAudioConfig(bytes, reader, version);
  const frameBytes = readFrameLengthType(reader);
  const otherDataBits = reader.flag() ? readOtherDataBits(reader, version) : 0;
  if (reader.flag()) reader.skip(8);
  const config = { audioConfig, audio, subFrames, frameBytes, otherDataBits };
  return { config, bits: bytes.length * 8 - startBit - reader.bitsLeft };
}

function readAudioConfig(
  bytes: Uint8Array,
  reader: BitReader,
  version: number,
): { audioConfig: Uint8Array; audio: AacConfig } {
  const declared = version === 1 ? readValue(reader) : undefined;
  const start = bytes.length * 8 - reader.bitsLeft;
  if (declared === undefined) readAacConfig(reader);
  else if (declared > MAX_CONFIG_BITS) throw unsupported(`a configuration of ${declared} bits`);
  else reader.skip(declared);
  const copied = new BitReader(bytes);
  copied.skip(start);
  const writer = new BitWriter();
  writer.copy(copied, bytes.length * 8 - reader.bitsLeft - start);
  const audioConfig = writer.bytes();
  return { audioConfig, audio: parseAacConfig(audioConfig) };
}

function readFrameLengthType(reader: BitReader): number | undefined {
  const type = reader.bits(3);
  if (type > 1) throw unsupported(`frame length type ${type}`);
  if (type === 1) return reader.bits(9) + 20;
  reader.skip(8);
  return undefined;
}

function readOtherDataBits(reader: BitReader, version: number): number {
  let bits = 0;
  if (version === 1) bits = readValue(reader);
  else {
    for (let goesOn = true; goesOn; ) {
      goesOn = reader.flag();
      bits = bits * 256 + reader.bits(8);
      if (bits > MAX_OTHER_BITS) break;
    }
  }
  if (bits > MAX_OTHER_BITS) throw unsupported(`${bits} bits of other data`);
  return bits;
}

/** LatmGetValue(): two bits tell how many bytes follow. */
function readValue(reader: BitReader): number {
  return reader.bits(8 * (reader.bits(2) + 1));
}

function orBad<T>(code: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code.startsWith('LATM_')) throw error;
    throw new ProtocolError(code, `bad LATM: ${error.message}`);
  }
}

function unsupported(what: string): ProtocolError {
  return new ProtocolError('LATM_UNSUPPORTED', `LATM with ${what} is not supported`);
}
