import { type MediaPacket, ProtocolError, type Track } from '../packet.ts';
import { aacChannelConfiguration, parseAacConfig } from './aac.ts';
import { BitWriter } from './bits.ts';
import { opusFrameCount, opusPacketTicks, parseOpusHead } from './opus.ts';
import { parseG726Parameters } from './raw-audio.ts';
import { speexFrameCount } from './speex.ts';

/** The values of G.711 that decode to zero, or to the smallest step. */
const PCMA_SILENCE = 0xd5;
const PCMU_SILENCE = 0xff;
/** The smallest steps of both bands of G.722: its decoder fades to below -50 dB within 10 ms. */
const G722_SILENCE = 0xff;

/** Two seconds of them; real encoders put at most ten into a packet. */
const MAX_SPEEX_FRAMES = 100;

/**
 * A frame of silence that takes the place of an audio packet's: the same codec and configuration, the same duration
 * and channels. A decoder goes over to silence within its usual overlap. Undefined for video, for packets whose
 * duration cannot be told, and for kinds of AAC that nobody streams (scalable, error resilient, channels in a program
 * config element).
 */
export function silentFrame(packet: MediaPacket): Uint8Array | undefined {
  const { track } = packet;
  const [data] = packet.units;
  if (data === undefined || data.length === 0) return undefined;
  try {
    switch (track.codec) {
      case 'aac':
        return silentAac(track);
      case 'opus':
        return silentOpus(track, data);
      case 'pcma':
        return new Uint8Array(data.length).fill(PCMA_SILENCE);
      case 'pcmu':
        return new Uint8Array(data.length).fill(PCMU_SILENCE);
      case 'g722':
        return new Uint8Array(data.length).fill(G722_SILENCE);
      case 'g726':
        return silentG726(track, data);
      case 'l16':
        return new Uint8Array(data.length);
      case 'speex':
        return silentSpeex(track, data);
      default:
        return undefined;
    }
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** The smallest step, at every rate but 16 kbit/s, which has no step that fades. */
function silentG726({ parameters }: Track, { length }: Uint8Array): Uint8Array | undefined {
  const { bitsPerSample } = parseG726Parameters(parameters);
  return bitsPerSample === 2 ? undefined : new Uint8Array(length).fill(0xff);
}

/** id_syn_ele of ISO/IEC 14496-3 table 4.85. */
const SINGLE = 0;
const PAIR = 1;
const LOW_FREQUENCY = 3;
const END = 7;

/** Elements of a frame by channelConfiguration, table 1.19. */
const ELEMENTS: readonly (readonly number[])[] = [
  [],
  [SINGLE],
  [PAIR],
  [SINGLE, PAIR],
  [SINGLE, PAIR, SINGLE],
  [SINGLE, PAIR, PAIR],
  [SINGLE, PAIR, PAIR, LOW_FREQUENCY],
  [SINGLE, PAIR, PAIR, PAIR, LOW_FREQUENCY],
];

/** Main, LC and LTP write a frame without content alike; 5 and 29 are LC with additions that may be absent. */
const AAC_TYPES: ReadonlySet<number> = new Set([1, 2, 4, 5, 29]);

/** A raw_data_block (ISO/IEC 14496-3 §4.4.2.1) whose elements have no scale factor bands, so no spectrum. */
function silentAac(track: Track): Uint8Array | undefined {
  const [asc] = track.parameters;
  if (asc === undefined || !AAC_TYPES.has(parseAacConfig(asc).objectType)) return undefined;
  const elements = ELEMENTS[aacChannelConfiguration(asc)];
  if (elements === undefined || elements.length === 0) return undefined;
  const writer = new BitWriter();
  const tags = [0, 0, 0, 0];
  for (const element of elements) {
    const tag = tags[element] ?? 0;
    tags[element] = tag + 1;
    writer.bits(element, 3);
    writer.bits(tag, 4);
    if (element === PAIR) {
      writer.bits(1, 1); // common_window
      writeWindow(writer);
      writer.bits(0, 2); // ms_mask_present
      writeChannel(writer, false);
      writeChannel(writer, false);
    } else writeChannel(writer, true);
  }
  writer.bits(END, 3);
  return writer.bytes();
}

/** ics_info, table 4.6: a long window, max_sfb 0, no prediction. */
function writeWindow(writer: BitWriter): void {
  writer.bits(0, 1 + 2 + 1 + 6 + 1);
}

/** individual_channel_stream, table 4.50: neither sections nor scale factors, no pulses, TNS and gain control. */
function writeChannel(writer: BitWriter, withWindow: boolean): void {
  writer.bits(0, 8); // global_gain
  if (withWindow) writeWindow(writer);
  writer.bits(0, 3);
}

/** Configuration numbers of full band CELT frames of 2.5, 5, 10 and 20 ms (RFC 6716 table 2), in ticks of 48 kHz. */
const CELT_CONFIG: ReadonlyMap<number, number> = new Map([
  [120, 28],
  [240, 29],
  [480, 30],
  [960, 31],
]);
const CELT_MAX_TICKS = 960;
/** A range coded frame whose first symbol is the silence flag (RFC 6716 §4.3), and nothing after it. */
const CELT_SILENCE = [0xff, 0xfe];

/** As many streams as the packet has, each of CELT frames of the same length, or of 20 ms where theirs is longer. */
function silentOpus(track: Track, data: Uint8Array): Uint8Array | undefined {
  const ticks = opusPacketTicks(data);
  const frames = opusFrameCount(data);
  if (ticks === undefined || frames === undefined) return undefined;
  const frameTicks = Math.min(ticks / frames, CELT_MAX_TICKS);
  const config = CELT_CONFIG.get(frameTicks);
  if (config === undefined) return undefined;
  const stereo = ((data[0] ?? 0) >> 2) & 1;
  const [head] = track.parameters;
  const mapping = head && parseOpusHead(head).mapping;
  const streams = mapping?.[0] ?? 1;
  const coupled = mapping?.[1] ?? stereo;
  const bytes: number[] = [];
  for (let stream = 0; stream < streams; stream += 1) {
    const toc = (config << 3) | (stream < coupled ? 4 : 0);
    // All streams but the last one say how long they are (RFC 6716 appendix B).
    pushCeltPacket(bytes, toc, { count: ticks / frameTicks, delimited: stream < streams - 1 });
  }
  return Uint8Array.from(bytes);
}

/** One packet of equal frames, RFC 6716 §3.2: code 0 for one frame, 1 for two, 3 for more. */
function pushCeltPacket(bytes: number[], toc: number, shape: { count: number; delimited: boolean }): void {
  const { count, delimited } = shape;
  if (count <= 2) bytes.push(toc | (count - 1));
  else bytes.push(toc | 3, count);
  if (delimited) bytes.push(CELT_SILENCE.length);
  for (let frame = 0; frame < count; frame += 1) bytes.push(...CELT_SILENCE);
}

/**
 * A narrowband Speex frame of mode 1 as the reference encoder writes it for silence: flat line spectrum, no pitch,
 * the smallest gain. Mode 0 would not do: decoders fill it with noise as loud as what came before.
 */
const SPEEX_SILENCE = [0x0e, 0x9d, 0x66, 0x00, 0x00, 0x00];
const SPEEX_SILENCE_BITS = 43;
/** One high-band layer: its flag, and mode 0, which is without sound. */
const SPEEX_SILENT_LAYER = 0b1000;

function silentSpeex(track: Track, data: Uint8Array): Uint8Array | undefined {
  const count = speexFrameCount(data);
  if (count === 0 || count > MAX_SPEEX_FRAMES) return undefined;
  const layers = track.clockRate >= 32_000 ? 2 : track.clockRate >= 16_000 ? 1 : 0;
  const writer = new BitWriter();
  for (let frame = 0; frame < count; frame += 1) {
    for (const [index, byte] of SPEEX_SILENCE.entries()) {
      const bits = Math.min(8, SPEEX_SILENCE_BITS - 8 * index);
      writer.bits(byte >> (8 - bits), bits);
    }
    for (let layer = 0; layer < layers; layer += 1) writer.bits(SPEEX_SILENT_LAYER, 4);
  }
  // The terminator: a zero and then ones, as many as fit.
  const padding = (8 - (writer.bitCount % 8)) % 8;
  if (padding > 0) writer.bits(2 ** (padding - 1) - 1, padding);
  return writer.bytes();
}
