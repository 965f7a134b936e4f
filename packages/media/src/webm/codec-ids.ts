import {
  h265SpsOf,
  parseAacConfig,
  parseAv1Sequence,
  parseH265Sps,
  parseOpusHead,
  parseSps,
  parseVpConfig,
  writeAv1Config,
  writeAvcConfig,
  writeHevcConfig,
} from '../codec/index.ts';
import { type Codec, ProtocolError, type Track } from '../packet.ts';
import type { DocType } from './head.ts';

/** Codec ids (RFC 9559 codec registry). G.711 and G.722 have none of their own, they come as WAVEFORMATEX. */
const CODEC_IDS: Readonly<Partial<Record<Codec, string>>> = {
  h264: 'V_MPEG4/ISO/AVC',
  h265: 'V_MPEGH/ISO/HEVC',
  av1: 'V_AV1',
  vp8: 'V_VP8',
  vp9: 'V_VP9',
  aac: 'A_AAC',
  opus: 'A_OPUS',
  pcma: 'A_MS/ACM',
  pcmu: 'A_MS/ACM',
  g722: 'A_MS/ACM',
};

/** wFormatTag of WAVEFORMATEX by codec (RFC 2361; that of G.722 is FFmpeg's). */
export const WAVE_FORMAT_TAGS = { pcma: 6, pcmu: 7, g722: 0x028f } as const;

const WEBM_CODECS: ReadonlySet<Codec> = new Set<Codec>(['vp8', 'vp9', 'av1', 'opus']);

/** How long before the wanted place an Opus decoder should begin (RFC 7845 §4.6), nanoseconds. */
export const OPUS_SEEK_PRE_ROLL_NS = 80_000_000;

/** True for codecs that `WebmWriter` can write: WebM knows few, Matroska nearly all. */
export function isWebmCarriable(codec: Codec, docType: DocType): boolean {
  return docType === 'webm' ? WEBM_CODECS.has(codec) : CODEC_IDS[codec] !== undefined;
}

/** @throws ProtocolError WEBM_UNSUPPORTED_CODEC */
export function codecIdOf({ codec }: Track, docType: DocType): string {
  const id = CODEC_IDS[codec];
  if (id === undefined || !isWebmCarriable(codec, docType)) throw unsupported(`cannot write ${codec} into ${docType}`);
  return id;
}

/**
 * CodecPrivate of a track; undefined where its codec has none.
 * @throws ProtocolError WEBM_UNSUPPORTED_CODEC without parameters, and the codec's own errors when they are malformed
 */
export function codecPrivateOf(track: Track): Uint8Array | undefined {
  switch (track.codec) {
    case 'h264':
      return writeAvcConfig(track.parameters);
    case 'h265':
      return withoutCompleteness(writeHevcConfig(track.parameters));
    case 'av1':
      return writeAv1Config(track.parameters);
    case 'vp9':
      return track.parameters[0] && vp9Features(track.parameters[0]);
    case 'aac':
    case 'opus':
      return firstParameter(track);
    case 'pcma':
    case 'pcmu':
    case 'g722':
      return waveFormat(WAVE_FORMAT_TAGS[track.codec], track.clockRate);
    default:
      return undefined;
  }
}

/** The array_completeness bits (ISO 14496-15 §8.3.3.1) say that there are no parameter sets in-band, but there are. */
function withoutCompleteness(hvcC: Uint8Array): Uint8Array {
  let position = 23;
  for (let arrays = hvcC[22] ?? 0; arrays > 0; arrays -= 1) {
    hvcC[position] = (hvcC[position] ?? 0) & 0x7f;
    let units = ((hvcC[position + 1] ?? 0) << 8) | (hvcC[position + 2] ?? 0);
    position += 3;
    for (; units > 0; units -= 1) position += 2 + (((hvcC[position] ?? 0) << 8) | (hvcC[position + 1] ?? 0));
  }
  return hvcC;
}

/** VP9 codec feature metadata (WebM container guidelines): profile, level, bit depth, chroma subsampling. */
function vp9Features(record: Uint8Array): Uint8Array {
  const { profile, level, bitDepth, chromaSubsampling } = parseVpConfig(record);
  return Uint8Array.of(1, 1, profile, 2, 1, level, 3, 1, bitDepth, 4, 1, chromaSubsampling);
}

/** WAVEFORMATEX, little-endian, of mono sound with one byte for each sample, or for two of G.722. */
function waveFormat(tag: number, sampleRate: number): Uint8Array {
  const isG722 = tag === WAVE_FORMAT_TAGS.g722;
  const view = new DataView(new ArrayBuffer(18));
  view.setUint16(0, tag, true);
  view.setUint16(2, 1, true);
  view.setUint32(4, sampleRate, true);
  view.setUint32(8, isG722 ? sampleRate / 2 : sampleRate, true);
  view.setUint16(12, 1, true);
  view.setUint16(14, isG722 ? 4 : 8, true);
  return new Uint8Array(view.buffer);
}

/** CodecDelay: how much later the times of an Opus track are in the file, because its decoder begins with as much silence. */
export function opusDelayNs(track: Track): number {
  if (track.codec !== 'opus') return 0;
  return Math.round((parseOpusHead(firstParameter(track)).preSkip * 1e9) / 48_000);
}

/** Size in pixels and sample aspect ratio of a picture. */
export interface PictureShape {
  readonly width: number;
  readonly height: number;
  readonly sarWidth: number;
  readonly sarHeight: number;
}

/**
 * The shape of a track's pictures from its parameters, or from `size` where they do not tell it.
 * @throws ProtocolError WEBM_UNSUPPORTED_CODEC when neither tells it
 */
export function pictureShapeOf(track: Track, size?: { readonly width: number; readonly height: number }): PictureShape {
  const shape = knownShape(track) ?? (size && { ...size, sarWidth: 1, sarHeight: 1 });
  if (shape === undefined) throw unsupported(`${track.codec} track of unknown size`);
  return shape;
}

function knownShape({ codec, parameters }: Track): PictureShape | undefined {
  if (codec === 'h264') {
    const sps = parameters.find((unit) => ((unit[0] ?? 0) & 31) === 7);
    return sps && parseSps(sps);
  }
  if (codec === 'h265') {
    const sps = h265SpsOf(parameters);
    return sps && parseH265Sps(sps);
  }
  const sequence = codec === 'av1' ? parameters[0] : undefined;
  return sequence && { ...parseAv1Sequence(sequence), sarWidth: 1, sarHeight: 1 };
}

/** What the Audio element of a track says. */
export interface SoundShape {
  readonly sampleRate: number;
  /** What the decoder gives, where SBR doubles it. */
  readonly outputSampleRate: number | undefined;
  readonly channels: number;
}

/** @throws ProtocolError when the parameters are missing or malformed */
export function soundShapeOf(track: Track): SoundShape {
  if (track.codec === 'aac') {
    const { sampleRate, extensionSampleRate, channels } = parseAacConfig(firstParameter(track));
    return { sampleRate, outputSampleRate: extensionSampleRate, channels };
  }
  const channels = track.codec === 'opus' ? parseOpusHead(firstParameter(track)).channels : 1;
  return { sampleRate: track.clockRate, outputSampleRate: undefined, channels };
}

function firstParameter(track: Track): Uint8Array {
  const [parameter] = track.parameters;
  if (parameter === undefined) throw unsupported(`${track.codec} track without parameters`);
  return parameter;
}

function unsupported(reason: string): ProtocolError {
  return new ProtocolError('WEBM_UNSUPPORTED_CODEC', reason);
}
