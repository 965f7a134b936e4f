import { l16Channels, ProtocolError, parseG726Parameters, writeOpusHead } from '@sluice/media';
import type { OpenMessage, SourceMessage } from '../wire.ts';
import { type PcmFormat, setSound } from './native/audio.ts';
import { Decoder, Encoder, hasEncoder, NativeError } from './native/codec.ts';
import { parametersOf } from './session.ts';

/** FFmpeg's names. libopus also conceals broken packets. */
const DECODERS: Readonly<Record<string, string>> = {
  aac: 'aac',
  opus: 'libopus',
  speex: 'speex',
  pcma: 'pcm_alaw',
  pcmu: 'pcm_mulaw',
  g722: 'g722',
  l16: 'pcm_s16be',
};

/** Codecs whose packets do not tell their rate and channels. */
const BARE: ReadonlySet<string> = new Set(['speex', 'pcma', 'pcmu', 'g722']);
/** G.722 has 16 kHz, though its clock in RTP has half of it (RFC 3551 §4.5.2). */
const G722_RATE = 16_000;
const G711_RATE = 8000;

/** Opens a decoder for a source. @throws NativeError */
export function openAudioDecoder(source: SourceMessage): Decoder {
  if (source.codec === 'g726') return openG726Decoder(source);
  const name = DECODERS[source.codec];
  if (!name) throw new NativeError(`${source.codec} is no sound that can be decoded`);
  const parameters = parametersOf(source);
  if (source.codec === 'l16') {
    const sound = { rate: source.clockRate, channels: l16Channels(parameters) };
    return new Decoder({ name, extraData: undefined, options: {}, configure: (context) => setSound(context, sound) });
  }
  const [extraData] = parameters;
  const rate = source.codec === 'g722' ? G722_RATE : source.clockRate;
  return new Decoder({
    name,
    extraData,
    options: {},
    configure: BARE.has(source.codec) ? (context) => setSound(context, { rate, channels: 1 }) : undefined,
  });
}

/** FFmpeg has a decoder for each order of the samples in a byte. */
function openG726Decoder(source: SourceMessage): Decoder {
  const { bitsPerSample, packing } = g726FormatOf(source);
  return new Decoder({
    name: packing === 'aal2' ? 'g726' : 'g726le',
    extraData: undefined,
    options: {},
    configure: (context) => {
      setSound(context, { rate: source.clockRate, channels: 1 });
      context.bitsPerCodedSample = bitsPerSample;
    },
  });
}

function g726FormatOf(source: SourceMessage): ReturnType<typeof parseG726Parameters> {
  try {
    return parseG726Parameters(parametersOf(source));
  } catch (error) {
    if (error instanceof ProtocolError) throw new NativeError(error.message);
    throw error;
  }
}

/** An encoder, ready, with the form of sound that it takes. */
export interface OpenedEncoder {
  readonly encoder: Encoder;
  readonly format: PcmFormat;
  readonly samplesPerFrame: number;
  /** What decoders need: `Track.parameters`. */
  readonly parameters: readonly Uint8Array[];
}

interface EncoderPlan {
  readonly name: string;
  readonly format: PcmFormat;
  readonly bitrateBps: number;
  readonly options: Readonly<Record<string, string | number>>;
}

/** Opens the encoder for a target, for sound that was decoded with this rate and these channels. @throws NativeError */
export function openAudioEncoder(message: OpenMessage, decoded: { rate: number; channels: number }): OpenedEncoder {
  const { name, format, bitrateBps, options } = encoderPlan(message, decoded);
  const configure = (context: Parameters<typeof setSound>[0]) => setSound(context, format, bitrateBps);
  const encoder = new Encoder({ name, options, configure });
  // G.711 and G.722 take what they get; telephones expect packets of 20 ms.
  const samplesPerFrame = BARE.has(message.target) ? format.rate / 50 : encoder.frameSize;
  const { extraData } = encoder;
  if (message.target === 'opus') {
    // The times of the packets already leave the encoder's delay out; players would skip it twice.
    const head = writeOpusHead({ channels: format.channels, preSkip: 0, inputSampleRate: decoded.rate });
    return { encoder, format, samplesPerFrame, parameters: [head] };
  }
  return { encoder, format, samplesPerFrame, parameters: extraData.length > 0 ? [extraData] : [] };
}

function encoderPlan(message: OpenMessage, decoded: { rate: number; channels: number }): EncoderPlan {
  const channels = message.channels ?? Math.min(2, decoded.channels);
  const share = channels / 2;
  switch (message.target) {
    case 'opus':
      return {
        name: 'libopus',
        format: { rate: 48_000, channels, layout: 'flt' },
        bitrateBps: message.bitrateBps ?? message.opusBitrateBps * share,
        options: { application: 'lowdelay', frame_duration: 20, compression_level: 5 },
      };
    case 'aac':
      return aacPlan(message, decoded.rate, channels);
    case 'pcma':
    case 'pcmu':
    case 'g722': {
      const rate = message.target === 'g722' ? G722_RATE : G711_RATE;
      return {
        name: { pcma: 'pcm_alaw', pcmu: 'pcm_mulaw', g722: 'g722' }[message.target],
        format: { rate, channels: 1, layout: 's16' },
        bitrateBps: 0,
        options: {},
      };
    }
    default:
      throw new NativeError(`${message.target} is no sound that can be encoded`);
  }
}

/** Sampling rates of AAC (ISO/IEC 14496-3 table 1.18) that are not more than Opus has. */
const AAC_RATES = [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] as const;
/** What the modes of a variable bitrate give about, for each channel, by fdk's documentation; 0 is not one of them. */
const VARIABLE_BITRATES_BPS = [0, 32_000, 40_000, 56_000, 72_000, 112_000] as const;

function aacPlan(message: OpenMessage, decodedRate: number, channels: number): EncoderPlan {
  const { sampleRate = decodedRate === 44_100 ? 44_100 : 48_000, variableBitrate } = message;
  const rate = nearest(AAC_RATES, sampleRate);
  const constantBps = message.bitrateBps ?? (message.aacBitrateBps * channels) / 2;
  if (hasEncoder('libfdk_aac')) {
    return {
      name: 'libfdk_aac',
      format: { rate, channels, layout: 's16' },
      bitrateBps: variableBitrate > 0 ? 0 : constantBps,
      options: { afterburner: 0, flags: '+global_header', vbr: variableBitrate },
    };
  }
  const variableBps = (VARIABLE_BITRATES_BPS[variableBitrate] ?? 0) * channels;
  return {
    name: 'aac',
    format: { rate, channels, layout: 'fltp' },
    bitrateBps: variableBps || constantBps,
    options: { aac_coder: 'fast', flags: '+global_header' },
  };
}

function nearest(values: readonly number[], wanted: number): number {
  return values.reduce((best, value) => (Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best));
}
