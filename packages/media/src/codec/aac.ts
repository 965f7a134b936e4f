import { ProtocolError, type Track } from '../packet.ts';
import { BitReader, BitWriter } from './bits.ts';

/** What an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) or an ADTS header tells about AAC frames. */
export interface AacConfig {
  /** Audio object type: 1 main, 2 LC, 3 SSR, 4 LTP; 5 with SBR (HE-AAC), 29 with SBR and PS (HE-AAC v2). */
  objectType: number;
  /** Sampling rate of the core coder in Hz; with SBR the decoder's output has `extensionSampleRate`. */
  sampleRate: number;
  /** Channels of the core coder; parametric stereo makes two out of one. */
  channels: number;
  /** Core samples per frame and channel. */
  frameLength: 1024 | 960;
  /** Output sampling rate in Hz; present only when SBR is signalled. */
  extensionSampleRate?: number;
}

/** An ADTS header, ISO/IEC 14496-3 §1.A.2.2. */
export interface AdtsHeader {
  config: AacConfig;
  /** Bytes of the header itself: 7, or 9 with a checksum. */
  headerBytes: number;
  /** Bytes of the raw frame after the header; the next header is `headerBytes + frameBytes` further on. */
  frameBytes: number;
}

/** Sampling rates by samplingFrequencyIndex, table 1.18. */
const SAMPLE_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];

/** samplingFrequencyIndex that is followed by the rate in 24 bits. */
const EXPLICIT_RATE = 15;

/** Channels by channelConfiguration, table 1.19; 0 stands for a program config element or a reserved value. */
const CHANNELS = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0];

/** Object types with a GASpecificConfig and frames of 1024 or 960 samples. Low delay types have other lengths. */
const GENERAL_AUDIO: ReadonlySet<number> = new Set([1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22]);

const OBJECT_LC = 2;
const OBJECT_SBR = 5;
const OBJECT_SCALABLE = 6;
const OBJECT_ER_SCALABLE = 20;
const OBJECT_ER_BSAC = 22;
const OBJECT_PS = 29;

/** ADTS counts its own 7 bytes in a 13-bit frame length. */
const ADTS_HEADER_BYTES = 7;
const ADTS_MAX_BYTES = 0x1fff;

/**
 * Parses an AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1, of an AAC object type with 1024 or 960 samples per frame.
 * SBR and PS are recognised in both ways of signalling them: hierarchical, and as an extension at the end.
 * @throws ProtocolError AAC_BAD_CONFIG for broken data and for other object types.
 */
export function parseAacConfig(asc: Uint8Array): AacConfig {
  try {
    return readConfig(new BitReader(asc));
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'BITSTREAM_END') throw badConfig(error.message);
    throw error;
  }
}

/**
 * channelConfiguration of an AudioSpecificConfig (ISO/IEC 14496-3 table 1.19): 1 to 7 and more for usual layouts of
 * speakers, 0 when a program config element describes them.
 * @throws ProtocolError AAC_BAD_CONFIG
 */
export function aacChannelConfiguration(asc: Uint8Array): number {
  parseAacConfig(asc);
  const reader = new BitReader(asc);
  readObjectType(reader);
  readSampleRate(reader);
  return reader.bits(4);
}

/**
 * Reads an AudioSpecificConfig that other data follow, as inside LATM: up to its end, but without an extension that
 * could be anything else there. The result has `extensionSampleRate` only with hierarchical signalling.
 * @throws ProtocolError AAC_BAD_CONFIG, or BITSTREAM_END
 */
export function readAacConfig(reader: BitReader): AacConfig {
  let coreType = readObjectType(reader);
  const sampleRate = readSampleRate(reader);
  const channelConfiguration = reader.bits(4);
  const objectType = coreType;
  let extensionSampleRate: number | undefined;
  if (coreType === OBJECT_SBR || coreType === OBJECT_PS) {
    extensionSampleRate = readSampleRate(reader);
    coreType = readObjectType(reader);
    if (coreType === OBJECT_ER_BSAC) reader.skip(4);
  }
  if (!GENERAL_AUDIO.has(coreType)) throw badConfig(`object type ${coreType} is not supported`);
  const frameLength = reader.flag() ? 960 : 1024;
  const channels = readGeneralAudio(reader, coreType, channelConfiguration);
  const config: AacConfig = { objectType, sampleRate, channels, frameLength };
  return extensionSampleRate === undefined ? config : { ...config, extensionSampleRate };
}

function readConfig(reader: BitReader): AacConfig {
  const config = readAacConfig(reader);
  if (config.extensionSampleRate !== undefined) return config;
  const extension = readExtension(reader);
  if (extension === undefined) return config;
  return { ...config, objectType: extension.objectType, extensionSampleRate: extension.sampleRate };
}

function readObjectType(reader: BitReader): number {
  const type = reader.bits(5);
  return type === 31 ? 32 + reader.bits(6) : type;
}

function readSampleRate(reader: BitReader): number {
  const index = reader.bits(4);
  const rate = index === EXPLICIT_RATE ? reader.bits(24) : SAMPLE_RATES[index];
  if (rate === undefined || rate === 0) throw badConfig(`no sampling rate for index ${index}`);
  return rate;
}

/** The rest of GASpecificConfig, §4.4.1, after frameLengthFlag. Returns the number of channels. */
function readGeneralAudio(reader: BitReader, coreType: number, channelConfiguration: number): number {
  // dependsOnCoreCoder is followed by coreCoderDelay
  if (reader.flag()) reader.skip(14);
  const extended = reader.flag();
  const channels = channelConfiguration === 0 ? readProgramChannels(reader) : (CHANNELS[channelConfiguration] ?? 0);
  if (channels === 0) throw badConfig(`channel configuration ${channelConfiguration} has no channels`);
  if (coreType === OBJECT_SCALABLE || coreType === OBJECT_ER_SCALABLE) reader.skip(3);
  if (extended) {
    if (coreType === OBJECT_ER_BSAC) reader.skip(16);
    // Three error resilience flags of the ER types.
    if (coreType === 17 || coreType === 19 || coreType === OBJECT_ER_SCALABLE) reader.skip(3);
    reader.skip(1);
  }
  return channels;
}

/** Counts the channels of a program_config_element, §4.4.1.1. */
function readProgramChannels(reader: BitReader): number {
  reader.skip(4 + 2 + 4);
  const speakers = reader.bits(4) + reader.bits(4) + reader.bits(4);
  const lowFrequency = reader.bits(2);
  const associatedData = reader.bits(3);
  const coupling = reader.bits(4);
  if (reader.flag()) reader.skip(4);
  if (reader.flag()) reader.skip(4);
  if (reader.flag()) reader.skip(3);
  let channels = lowFrequency;
  for (let index = 0; index < speakers; index += 1) {
    // A channel pair element counts twice.
    channels += reader.flag() ? 2 : 1;
    reader.skip(4);
  }
  reader.skip(lowFrequency * 4 + associatedData * 4 + coupling * 5);
  reader.skip(reader.bitsLeft % 8);
  reader.skip(reader.bits(8) * 8);
  return channels;
}

/** The backward compatible signalling at the end: syncExtensionType 0x2b7 for SBR, then 0x548 for PS. */
function readExtension(reader: BitReader): { objectType: number; sampleRate: number } | undefined {
  if (reader.bitsLeft < 16 || reader.bits(11) !== 0x2b7) return undefined;
  if (readObjectType(reader) !== OBJECT_SBR || !reader.flag()) return undefined;
  const sampleRate = readSampleRate(reader);
  const stereo = reader.bitsLeft >= 12 && reader.bits(11) === 0x548 && reader.flag();
  return { objectType: stereo ? OBJECT_PS : OBJECT_SBR, sampleRate };
}

/**
 * Writes an AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1. For object types 5 and 29 the core is LC, signalled
 * hierarchically, and the extension sampling rate is twice the core's unless given.
 * @throws ProtocolError AAC_BAD_CONFIG for an object type, rate or number of channels that cannot be expressed.
 */
export function writeAacConfig(
  config: Pick<AacConfig, 'objectType' | 'sampleRate' | 'channels'> & Partial<AacConfig>,
): Uint8Array {
  const { objectType, sampleRate, channels } = config;
  const channelConfiguration = channels > 0 ? CHANNELS.indexOf(channels) : -1;
  if (channelConfiguration < 0) throw badConfig(`${channels} channels have no channel configuration`);
  const extended = objectType === OBJECT_SBR || objectType === OBJECT_PS;
  const coreType = extended ? OBJECT_LC : objectType;
  if (coreType < 1 || coreType > 4) throw badConfig(`object type ${objectType} cannot be written`);
  const writer = new BitWriter();
  writer.bits(objectType, 5);
  writeSampleRate(writer, sampleRate);
  writer.bits(channelConfiguration, 4);
  if (extended) {
    writeSampleRate(writer, config.extensionSampleRate ?? sampleRate * 2);
    writer.bits(coreType, 5);
  }
  writer.bits(config.frameLength === 960 ? 1 : 0, 1);
  writer.bits(0, 2);
  return writer.bytes();
}

function writeSampleRate(writer: BitWriter, sampleRate: number): void {
  const index = SAMPLE_RATES.indexOf(sampleRate);
  if (index >= 0) {
    writer.bits(index, 4);
    return;
  }
  if (!Number.isInteger(sampleRate) || sampleRate < 1 || sampleRate > 0xffffff) {
    throw badConfig(`sampling rate ${sampleRate} cannot be written`);
  }
  writer.bits(EXPLICIT_RATE, 4);
  writer.bits(sampleRate, 24);
}

/**
 * Writes the 7-byte ADTS header (ISO/IEC 14496-3 §1.A.2.2, MPEG-4, no checksum) that goes before a raw frame.
 * ADTS cannot signal SBR and PS: the header then describes the LC core, and decoders find SBR by themselves.
 * @param frameBytes Bytes of the raw frame, without the header.
 * @throws ProtocolError AAC_BAD_ADTS when the configuration or the size does not fit into a header.
 */
export function writeAdts(config: AacConfig, frameBytes: number): Uint8Array {
  const { objectType } = config;
  const coreType = objectType === OBJECT_SBR || objectType === OBJECT_PS ? OBJECT_LC : objectType;
  const rate = SAMPLE_RATES.indexOf(config.sampleRate);
  const channelConfiguration = config.channels > 0 ? CHANNELS.indexOf(config.channels) : -1;
  const length = ADTS_HEADER_BYTES + frameBytes;
  if (coreType < 1 || coreType > 4) throw badAdts(`object type ${objectType}`);
  if (rate < 0) throw badAdts(`sampling rate ${config.sampleRate}`);
  if (channelConfiguration < 1 || channelConfiguration > 7) throw badAdts(`${config.channels} channels`);
  if (!(frameBytes >= 0 && length <= ADTS_MAX_BYTES)) throw badAdts(`frame of ${frameBytes} bytes`);
  return Uint8Array.of(
    0xff,
    0xf1,
    ((coreType - 1) << 6) | (rate << 2) | (channelConfiguration >> 2),
    ((channelConfiguration & 3) << 6) | (length >> 11),
    (length >> 3) & 0xff,
    // The low bits belong to the buffer fullness, 0x7ff: variable bit rate.
    ((length & 7) << 5) | 0x1f,
    0xfc,
  );
}

/**
 * Parses the ADTS header at the start of `data`, ISO/IEC 14496-3 §1.A.2.2. The frame itself may be incomplete.
 * @throws ProtocolError AAC_BAD_ADTS for fewer than 7 bytes, a missing sync word, reserved values, several raw frames
 *   behind one header and channels that only the frame itself describes.
 */
export function parseAdts(data: Uint8Array): AdtsHeader {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0] = data.subarray(0, ADTS_HEADER_BYTES);
  if (data.length < ADTS_HEADER_BYTES) throw badAdts(`${data.length} bytes are too few`);
  if (b0 !== 0xff || (b1 & 0xf6) !== 0xf0) throw badAdts('no sync word');
  const sampleRate = SAMPLE_RATES[(b2 >> 2) & 15];
  if (sampleRate === undefined) throw badAdts('reserved sampling rate');
  const channels = CHANNELS[((b2 & 1) << 2) | (b3 >> 6)] ?? 0;
  if (channels === 0) throw badAdts('the header does not tell the channels');
  if ((b6 & 3) !== 0) throw badAdts('several raw frames behind one header are not supported');
  const headerBytes = (b1 & 1) === 1 ? ADTS_HEADER_BYTES : ADTS_HEADER_BYTES + 2;
  const length = ((b3 & 3) << 11) | (b4 << 3) | (b5 >> 5);
  if (length < headerBytes) throw badAdts(`frame length ${length} is shorter than the header`);
  const config: AacConfig = { objectType: (b2 >> 6) + 1, sampleRate, channels, frameLength: 1024 };
  return { config, headerBytes, frameBytes: length - headerBytes };
}

/**
 * The `codecs` parameter of a media type (RFC 6381 §3.3), such as 'mp4a.40.2'.
 * @throws ProtocolError AAC_BAD_CONFIG
 */
export function aacCodecString(asc: Uint8Array): string {
  return `mp4a.40.${parseAacConfig(asc).objectType}`;
}

/**
 * Makes an AAC track whose clock is the core sampling rate, so that a frame lasts `frameLength` ticks.
 * @param asc AudioSpecificConfig; the track keeps it, so it must own its memory.
 * @throws ProtocolError AAC_BAD_CONFIG
 */
export function aacTrack(id: number, asc: Uint8Array): Track {
  return { id, kind: 'audio', codec: 'aac', clockRate: parseAacConfig(asc).sampleRate, parameters: [asc] };
}

function badConfig(reason: string): ProtocolError {
  return new ProtocolError('AAC_BAD_CONFIG', `bad AudioSpecificConfig: ${reason}`);
}

function badAdts(reason: string): ProtocolError {
  return new ProtocolError('AAC_BAD_ADTS', `bad ADTS header: ${reason}`);
}
