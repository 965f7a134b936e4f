import { ProtocolError, type Track } from '../packet.ts';

/** Identification header of Opus, RFC 7845 §5.1. */
export interface OpusHead {
  /** Channels of the decoder's output, 1 to 255. */
  channels: number;
  /** Samples at 48 kHz to discard from the decoder's output at the start. */
  preSkip: number;
  /** Sampling rate of what was encoded, in Hz, for information; 0 unknown. Decoders give 48 kHz. */
  inputSampleRate: number;
  /** Gain to apply, in 1/256 dB, signed. */
  outputGain: number;
  /** Channel mapping family: 0 mono or stereo, 1 surround in the order of Vorbis, 255 undefined. */
  mappingFamily: number;
  /** Stream count, coupled count and one byte per channel, §5.1.1; empty for family 0. */
  mapping: Uint8Array;
}

const MAGIC = 'OpusHead';
const HEAD_BYTES = 19;
/** Clock of every Opus stream, whatever was encoded. */
export const OPUS_CLOCK_RATE = 48_000;
/** RFC 6716 §3.2.5: a packet lasts 120 ms at most. */
const MAX_PACKET_TICKS = 5760;

/**
 * Parses an identification header ("OpusHead"), RFC 7845 §5.1.
 * @throws ProtocolError OPUS_BAD_HEAD
 */
export function parseOpusHead(data: Uint8Array): OpusHead {
  if (data.length < HEAD_BYTES) throw badHead(`${data.length} bytes are too few`);
  for (let index = 0; index < MAGIC.length; index += 1) {
    if (data[index] !== MAGIC.charCodeAt(index)) throw badHead('the signature is missing');
  }
  // Minor versions are compatible, major ones are not.
  if ((data[8] ?? 0) >> 4 !== 0) throw badHead(`version ${data[8]}`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const channels = data[9] ?? 0;
  const mappingFamily = data[18] ?? 0;
  if (channels === 0) throw badHead('no channels');
  if (mappingFamily === 0 && channels > 2) throw badHead(`${channels} channels in family 0`);
  const mappingBytes = mappingFamily === 0 ? 0 : 2 + channels;
  if (data.length < HEAD_BYTES + mappingBytes) throw badHead('the channel mapping is cut off');
  const mapping = new Uint8Array(data.subarray(HEAD_BYTES, HEAD_BYTES + mappingBytes));
  checkMapping(mapping);
  return {
    channels,
    preSkip: view.getUint16(10, true),
    inputSampleRate: view.getUint32(12, true),
    outputGain: view.getInt16(16, true),
    mappingFamily,
    mapping,
  };
}

function checkMapping(mapping: Uint8Array): void {
  if (mapping.length === 0) return;
  const [streams = 0, coupled = 0] = mapping;
  if (streams === 0 || coupled > streams || streams + coupled > 255) throw badHead(`${streams} streams`);
}

/** Writes an identification header ("OpusHead"), RFC 7845 §5.1; what is left out is stereo without anything special. */
export function writeOpusHead(head: Partial<OpusHead> = {}): Uint8Array {
  const mapping = head.mapping ?? new Uint8Array(0);
  const bytes = new Uint8Array(HEAD_BYTES + mapping.length);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < MAGIC.length; index += 1) bytes[index] = MAGIC.charCodeAt(index);
  bytes[8] = 1;
  bytes[9] = head.channels ?? 2;
  view.setUint16(10, head.preSkip ?? 0, true);
  view.setUint32(12, head.inputSampleRate ?? OPUS_CLOCK_RATE, true);
  view.setInt16(16, head.outputGain ?? 0, true);
  bytes[18] = head.mappingFamily ?? 0;
  bytes.set(mapping, HEAD_BYTES);
  return bytes;
}

/**
 * Writes the content of a `dOps` box, Encapsulation of Opus in ISO Base Media File Format §4.3.2: the fields of the
 * identification header, big-endian.
 */
export function writeOpusSpecificBox(head: OpusHead): Uint8Array {
  const bytes = new Uint8Array(11 + head.mapping.length);
  const view = new DataView(bytes.buffer);
  bytes[1] = head.channels;
  view.setUint16(2, head.preSkip);
  view.setUint32(4, head.inputSampleRate);
  view.setInt16(8, head.outputGain);
  bytes[10] = head.mappingFamily;
  bytes.set(head.mapping, 11);
  return bytes;
}

/**
 * Parses the content of a `dOps` box.
 * @throws ProtocolError OPUS_BAD_HEAD
 */
export function parseOpusSpecificBox(data: Uint8Array): OpusHead {
  if (data.length < 11) throw badHead(`a dOps box of ${data.length} bytes`);
  if (data[0] !== 0) throw badHead(`dOps version ${data[0]}`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const head = {
    channels: data[1] ?? 0,
    preSkip: view.getUint16(2),
    inputSampleRate: view.getUint32(4),
    outputGain: view.getInt16(8),
    mappingFamily: data[10] ?? 0,
    mapping: data.subarray(11),
  };
  return parseOpusHead(writeOpusHead(head));
}

/** Samples at 48 kHz of one frame, by the configuration number of the TOC byte, RFC 6716 table 2. */
function frameTicks(toc: number): number {
  const config = toc >> 3;
  if (config < 12) return [480, 960, 1920, 2880][config & 3] ?? 0;
  if (config < 16) return [480, 960][config & 1] ?? 0;
  return [120, 240, 480, 960][config & 3] ?? 0;
}

/**
 * How long an Opus packet lasts, in samples at 48 kHz: from its first byte or two (RFC 6716 §3.1). Of a packet with
 * several streams all last the same. Undefined for an empty packet and for one that claims nothing or more than 120 ms.
 */
export function opusPacketTicks(packet: Uint8Array): number | undefined {
  const frames = opusFrameCount(packet);
  if (frames === undefined) return undefined;
  const ticks = frames * frameTicks(packet[0] ?? 0);
  return ticks > 0 && ticks <= MAX_PACKET_TICKS ? ticks : undefined;
}

/** Frames of an Opus packet (RFC 6716 §3.2), 0 to 63; undefined when the packet is too short to tell. */
export function opusFrameCount(packet: Uint8Array): number | undefined {
  const [toc, count] = packet;
  if (toc === undefined) return undefined;
  const code = toc & 3;
  if (code === 0) return 1;
  if (code < 3) return 2;
  return count === undefined ? undefined : count & 0x3f;
}

/**
 * Makes an Opus track with the 48 kHz clock.
 * @param head Identification header; the track keeps it, so it must own its memory.
 * @throws ProtocolError OPUS_BAD_HEAD
 */
export function opusTrack(id: number, head: Uint8Array): Track {
  parseOpusHead(head);
  return { id, kind: 'audio', codec: 'opus', clockRate: OPUS_CLOCK_RATE, parameters: [head] };
}

function badHead(reason: string): ProtocolError {
  return new ProtocolError('OPUS_BAD_HEAD', `bad Opus header: ${reason}`);
}
