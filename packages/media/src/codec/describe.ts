import { type Codec, ProtocolError, type Track } from '../packet.ts';
import { aacCodecString, parseAacConfig } from './aac.ts';
import { av1CodecString, parseAv1Sequence } from './av1.ts';
import { avcCodecString, parseSps } from './h264.ts';
import { NAL_SPS, nalType } from './h264-nal.ts';
import { h265SpsOf, hevcCodecString, parseH265Sps } from './h265.ts';
import { OPUS_CLOCK_RATE, parseOpusHead } from './opus.ts';
import { l16Channels } from './raw-audio.ts';
import { vp9CodecString } from './vp9.ts';

/** Audio object type with parametric stereo: the core has one channel, the decoder gives two. */
const OBJECT_PS = 29;

const TITLES: Readonly<Record<Codec, string>> = {
  h264: 'H.264',
  h265: 'H.265',
  av1: 'AV1',
  vp8: 'VP8',
  vp9: 'VP9',
  flv1: 'Sorenson Spark',
  mjpeg: 'Motion JPEG',
  mpeg1: 'MPEG-1 video',
  aac: 'AAC',
  opus: 'Opus',
  pcma: 'G.711 A-law',
  pcmu: 'G.711 mu-law',
  g722: 'G.722',
  g726: 'G.726',
  l16: 'PCM (L16)',
  speex: 'Speex',
};

/** The codec's name as people know it, such as 'H.265' or 'G.711 A-law'. */
export function codecTitle(codec: Codec): string {
  return TITLES[codec];
}

/**
 * The `codecs` parameter of a media type (RFC 6381) for a track, such as 'avc1.64001F' or 'opus'. Undefined for codecs
 * that have none, and while the parameters are unknown or broken.
 */
export function codecString(track: Track): string | undefined {
  return unlessBroken(() => codecStringOf(track));
}

function codecStringOf({ codec, parameters }: Track): string | undefined {
  const [first] = parameters;
  switch (codec) {
    case 'h264':
      return avcCodecString(parameters);
    case 'h265':
      return hevcCodecString(parameters);
    case 'av1':
      return av1CodecString(parameters);
    case 'vp9':
      return vp9CodecString(parameters);
    case 'vp8':
      return 'vp8';
    case 'aac':
      return first && aacCodecString(first);
    case 'opus':
      return 'opus';
    case 'flv1':
    case 'mjpeg':
    case 'mpeg1':
    case 'pcma':
    case 'pcmu':
    case 'g722':
    case 'g726':
    case 'l16':
    case 'speex':
      return undefined;
  }
}

/**
 * Picture size in pixels (cropped, before the sample aspect ratio) and frame rate of a track, from its parameters.
 * Undefined where they do not tell it (VP8, VP9 and Sorenson Spark have the size in their key frames) or are broken.
 */
export function videoSize(track: Track): { width: number; height: number; fps: number | undefined } | undefined {
  return unlessBroken(() => {
    const { codec, parameters } = track;
    if (codec === 'h264') {
      const sps = parameters.find((unit) => nalType(unit) === NAL_SPS);
      return sps && sizeOf(parseSps(sps));
    }
    if (codec === 'h265') {
      const sps = h265SpsOf(parameters);
      return sps && sizeOf(parseH265Sps(sps));
    }
    const sequence = codec === 'av1' ? parameters[0] : undefined;
    return sequence && sizeOf(parseAv1Sequence(sequence));
  });
}

function sizeOf({ width, height, fps }: { width: number; height: number; fps: number | undefined }) {
  return { width, height, fps };
}

/**
 * Sampling rate in Hz and channels of what a decoder makes of an audio track: with SBR the doubled rate, with
 * parametric stereo two channels. Undefined for video and while the parameters are unknown or broken.
 */
export function audioFormat(track: Track): { sampleRate: number; channels: number } | undefined {
  if (track.kind !== 'audio') return undefined;
  return unlessBroken(() => {
    const [first] = track.parameters;
    if (track.codec === 'aac') return first && aacFormat(first);
    if (track.codec === 'l16') return { sampleRate: track.clockRate, channels: l16Channels(track.parameters) };
    if (track.codec !== 'opus') return { sampleRate: track.clockRate, channels: 1 };
    return first && { sampleRate: OPUS_CLOCK_RATE, channels: parseOpusHead(first).channels };
  });
}

function aacFormat(asc: Uint8Array): { sampleRate: number; channels: number } {
  const { objectType, sampleRate, extensionSampleRate, channels } = parseAacConfig(asc);
  return { sampleRate: extensionSampleRate ?? sampleRate, channels: objectType === OBJECT_PS ? 2 : channels };
}

/** The result of `parse`, or undefined when it meets broken parameters. */
function unlessBroken<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
