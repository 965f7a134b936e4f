import { writeOpusHead } from '@sluice/media';
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
};

/** Codecs whose packets do not tell their rate and channels. */
const BARE: ReadonlySet<string> = new Set(['speex', 'pcma', 'pcmu', 'g722']);
/** G.722 has 16 kHz, though its clock in RTP has half of it (RFC 3551 §4.5.2). */
const G722_RATE = 16_000;
const G711_RATE = 8000;

/** Opens a decoder for a source. @throws NativeError */
export function openAudioDecoder(source: SourceMessage): Decoder {
  const name = DECODERS[source.codec];
  if (!name) throw new NativeError(`${source.codec} is no sound that can be decoded`);
  const [extraData] = parametersOf(source);
  const rate = source.codec === 'g722' ? G722_RATE : source.clockRate;
  return new Decoder({
    name,
    extraData,
    options: {},
    configure: BARE.has(source.codec) ? (context) => setSound(context, { rate, channels: 1 }) : undefined,
  });
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
  const channels = Math.min(2, decoded.channels);
  const share = channels / 2;
  switch (message.target) {
    case 'opus':
      return {
        name: 'libopus',
        format: { rate: 48_000, channels, layout: 'flt' },
        bitrateBps: message.bitrateBps ?? message.opusBitrateBps * share,
        options: { application: 'lowdelay', frame_duration: 20, compression_level: 5 },
      };
    case 'aac': {
      const rate = decoded.rate === 44_100 ? 44_100 : 48_000;
      const bitrateBps = message.bitrateBps ?? message.aacBitrateBps * share;
      if (hasEncoder('libfdk_aac')) {
        return {
          name: 'libfdk_aac',
          format: { rate, channels, layout: 's16' },
          bitrateBps,
          options: { afterburner: 0, flags: '+global_header' },
        };
      }
      const options = { aac_coder: 'fast', flags: '+global_header' };
      return { name: 'aac', format: { rate, channels, layout: 'fltp' }, bitrateBps, options };
    }
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
