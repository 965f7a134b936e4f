import { l16Channels } from '../../codec/raw-audio.ts';
import type { Codec } from '../../packet.ts';
import { aacDepacketizer, aacPacketizer } from './aac.ts';
import { AAC_HBR, type AacPayloadFormat } from './aac-format.ts';
import {
  opusDepacketizer,
  opusPacketizer,
  rawAudioDepacketizer,
  rawAudioPacketizer,
  speexPacketizer,
} from './audio.ts';
import { av1Depacketizer, av1Packetizer } from './av1.ts';
import type { RtpDepacketizer, RtpPacketizer } from './format.ts';
import { h264Depacketizer, h264Packetizer } from './h264.ts';
import { h265Depacketizer, h265Packetizer } from './h265.ts';
import { jpegDepacketizer } from './jpeg.ts';
import { jpegPacketizer } from './jpeg-packetizer.ts';
import { latmDepacketizer } from './latm.ts';
import { vp8Depacketizer, vp8Packetizer } from './vp8.ts';
import { vp9Depacketizer, vp9Packetizer } from './vp9.ts';

/** Codecs that have a payload format here. */
export type RtpCodec = Exclude<Codec, 'flv1' | 'mpeg1'>;

/** True for codecs that have a payload format here. */
export function isRtpCodec(codec: Codec): codec is RtpCodec {
  return codec !== 'flv1';
}

/** What a session description says about how packets are put together. */
export interface RtpFormatOptions {
  /** Parameter sets out of the session description, as `Track.parameters` has them; for video. None by default. */
  readonly parameters?: readonly Uint8Array[] | undefined;
  /** H.264 only: `packetization-mode` of what is sent; 1 by default. Receivers take both. */
  readonly packetizationMode?: 0 | 1 | undefined;
  /** H.264 and H.265 only: what is received may have start codes, and early markers; false by default. */
  readonly startCodes?: boolean | undefined;
  /** Opus only: channels of the track that is made; 2 by default. */
  readonly channels?: 1 | 2 | undefined;
  /** AAC only: how its frames lie in the packets that are received; AAC-hbr by default, which is what is sent. */
  readonly aac?: AacPayloadFormat | undefined;
  /** AAC only: ticks a second of the RTP timestamps that are received; the sampling rate by default. */
  readonly clockRate?: number | undefined;
  /** VP8 and VP9 only: picture ID of the first frame that is sent; 0 by default. */
  readonly firstPictureId?: number | undefined;
}

/** The depacketizer of a codec. */
export function rtpDepacketizer(codec: RtpCodec, options: RtpFormatOptions = {}): RtpDepacketizer {
  switch (codec) {
    case 'h264':
      return h264Depacketizer(options.parameters, options.startCodes);
    case 'h265':
      return h265Depacketizer(options.parameters, options.startCodes);
    case 'av1':
      return av1Depacketizer(options.parameters);
    case 'vp8':
      return vp8Depacketizer();
    case 'vp9':
      return vp9Depacketizer(options.parameters);
    case 'opus':
      return opusDepacketizer(options.channels);
    case 'aac':
      return aacDepacketizerOf(options);
    case 'mjpeg':
      return jpegDepacketizer();
    case 'l16':
      return rawAudioDepacketizer(2 * l16Channels(options.parameters ?? []));
    case 'pcma':
    case 'pcmu':
    case 'g722':
    case 'g726':
    case 'speex':
      return rawAudioDepacketizer();
  }
}

function aacDepacketizerOf({ aac = AAC_HBR, parameters, clockRate }: RtpFormatOptions): RtpDepacketizer {
  if (aac.mode === 'latm') return latmDepacketizer({ ...aac, clockRate });
  return aacDepacketizer({ format: aac, parameters, clockRate });
}

/** The packetizer of a codec. */
export function rtpPacketizer(codec: RtpCodec, options: RtpFormatOptions = {}): RtpPacketizer {
  switch (codec) {
    case 'h264':
      return h264Packetizer(options.packetizationMode ?? 1);
    case 'h265':
      return h265Packetizer();
    case 'av1':
      return av1Packetizer();
    case 'vp8':
      return vp8Packetizer(options.firstPictureId);
    case 'vp9':
      return vp9Packetizer(options.firstPictureId);
    case 'opus':
      return opusPacketizer();
    case 'speex':
      return speexPacketizer();
    case 'aac':
      return aacPacketizer();
    case 'mjpeg':
      return jpegPacketizer();
    case 'l16':
    case 'g726':
    case 'pcma':
    case 'pcmu':
    case 'g722':
      return rawAudioPacketizer();
  }
}
