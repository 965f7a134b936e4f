import { parseAacConfig } from '../../codec/aac.ts';
import { BitReader, BitWriter } from '../../codec/bits.ts';
import { ProtocolError } from '../../packet.ts';
import type { AacFraming, FramedUnit } from './framed-stream.ts';

const SYNC_WORD = 0x2b7;
const LOAS_HEADER_BYTES = 3;
const MAX_ASC_BITS = 64 * 8;
const OBJECT_SBR = 5;
const OBJECT_PS = 29;
const OBJECT_BSAC = 22;
/** AAC main, LC, SSR, LTP: their configuration has a length that this reads. */
const PLAIN_OBJECTS: ReadonlySet<number> = new Set([1, 2, 3, 4]);

/** StreamMuxConfig (ISO 14496-3 §1.7.3.2) as far as broadcasters and cameras use it: one programme, one layer. */
interface MuxConfig {
  readonly asc: Uint8Array;
  readonly frameTicks: number;
  readonly subFrames: number;
  readonly otherDataBits: number;
}

/** AAC frames in LATM with the framing of LOAS (ISO 14496-3 §1.7): `AudioSyncStream`. Keeps the configuration. */
export function latmFraming(): AacFraming {
  let config: MuxConfig | undefined;
  return {
    headerBytes: LOAS_HEADER_BYTES,
    isHeader: (bytes, at) => bytes[at] === 0x56 && ((bytes[at + 1] ?? 0) & 0xe0) === 0xe0,
    lengthAt: (bytes, at) => LOAS_HEADER_BYTES + ((((bytes[at + 1] ?? 0) & 0x1f) << 8) | (bytes[at + 2] ?? 0)),
    read: (unit) => {
      try {
        const reader = new BitReader(unit);
        if (reader.bits(11) !== SYNC_WORD) throw badLatm('no sync word');
        reader.skip(13);
        // useSameStreamMux
        if (!reader.flag()) config = readMuxConfig(reader);
        if (config === undefined) throw badLatm('no configuration yet');
        return readFrames(reader, config);
      } catch (error) {
        if (error instanceof ProtocolError && error.code === 'BITSTREAM_END') throw badLatm(error.message);
        throw error;
      }
    },
  };
}

function readMuxConfig(reader: BitReader): MuxConfig {
  const version = reader.bits(1);
  if (version === 1 && reader.flag()) throw badLatm('audioMuxVersionA 1');
  if (version === 1) readValue(reader);
  // allStreamsSameTimeFraming
  if (!reader.flag()) throw badLatm('streams with framing of their own');
  const subFrames = reader.bits(6) + 1;
  if (reader.bits(4) !== 0) throw badLatm('several programmes');
  if (reader.bits(3) !== 0) throw badLatm('several layers');
  const asc = version === 0 ? readConfig(reader) : readSizedConfig(reader);
  if (reader.bits(3) !== 0) throw badLatm('frames of fixed length');
  // latmBufferFullness
  reader.skip(8);
  let otherDataBits = 0;
  if (reader.flag()) otherDataBits = version === 1 ? readValue(reader) : readEscaped(reader);
  // crcCheckPresent
  if (reader.flag()) reader.skip(8);
  return { asc, frameTicks: parseAacConfig(asc).frameLength, subFrames, otherDataBits };
}

/** LatmGetValue. */
function readValue(reader: BitReader): number {
  const bytes = reader.bits(2) + 1;
  return reader.bits(bytes * 8);
}

function readEscaped(reader: BitReader): number {
  let value = 0;
  for (let more = true, count = 0; more; count++) {
    if (count === 4) throw badLatm('other data without end');
    more = reader.flag();
    value = value * 256 + reader.bits(8);
  }
  return value;
}

/** Version 1 tells the length of the AudioSpecificConfig; fill bits follow it. */
function readSizedConfig(reader: BitReader): Uint8Array {
  const bits = readValue(reader);
  if (bits > MAX_ASC_BITS) throw badLatm(`a configuration of ${bits} bits`);
  const writer = new BitWriter();
  writer.copy(reader, bits);
  return writer.bytes();
}

/** Version 0 does not: it is read and written field by field. */
function readConfig(reader: BitReader): Uint8Array {
  const writer = new BitWriter();
  const copy = (count: number): number => {
    const value = reader.bits(count);
    writer.bits(value, count);
    return value;
  };
  const copyRate = (): void => {
    if (copy(4) === 15) copy(24);
  };
  let objectType = copy(5);
  copyRate();
  const channels = copy(4);
  if (objectType === OBJECT_SBR || objectType === OBJECT_PS) {
    copyRate();
    objectType = copy(5);
    if (objectType === OBJECT_BSAC) throw badLatm('BSAC');
  }
  if (!PLAIN_OBJECTS.has(objectType)) throw badLatm(`object type ${objectType}`);
  if (channels === 0) throw badLatm('channels that the frames describe');
  // frameLengthFlag; dependsOnCoreCoder with coreCoderDelay; extensionFlag, which has nothing behind it here.
  copy(1);
  if (copy(1) === 1) copy(14);
  copy(1);
  return writer.bytes();
}

function readFrames(reader: BitReader, config: MuxConfig): FramedUnit {
  const frames: Uint8Array[] = [];
  for (let i = 0; i < config.subFrames; i++) {
    let length = 0;
    let part: number;
    do {
      part = reader.bits(8);
      length += part;
    } while (part === 255);
    if (length * 8 > reader.bitsLeft) throw badLatm(`a frame of ${length} bytes`);
    const frame = new Uint8Array(length);
    for (let at = 0; at < length; at++) frame[at] = reader.bits(8);
    frames.push(frame);
  }
  if (config.otherDataBits > reader.bitsLeft) throw badLatm('other data is missing');
  return { asc: config.asc, frameTicks: config.frameTicks, frames };
}

function badLatm(reason: string): ProtocolError {
  return new ProtocolError('AAC_BAD_LATM', `AAC in LATM that can not be read: ${reason}`);
}
