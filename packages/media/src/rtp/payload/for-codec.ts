import type { Codec } from '../../packet.ts';
import { opusDepacketizer, opusPacketizer, rawAudioDepacketizer, rawAudioPacketizer } from './audio.ts';
import { av1Depacketizer, av1Packetizer } from './av1.ts';
import type { RtpDepacketizer, RtpPacketizer } from './format.ts';
import { h264Depacketizer, h264Packetizer } from './h264.ts';
import { h265Depacketizer, h265Packetizer } from './h265.ts';
import { vp8Depacketizer, vp8Packetizer } from './vp8.ts';
import { vp9Depacketizer, vp9Packetizer } from './vp9.ts';

/** Codecs that have a payload format here. */
export type RtpCodec = Exclude<Codec, 'flv1' | 'aac' | 'speex' | 'g726' | 'l16' | 'mjpeg'>;

/** True for codecs that have a payload format here. */
export function isRtpCodec(codec: Codec): codec is RtpCodec {
  return !['flv1', 'aac', 'speex', 'g726', 'l16', 'mjpeg'].includes(codec);
}

/** What a session description says about how packets are put together. */
export interface RtpFormatOptions {
  /** Parameter sets out of the session description, as `Track.parameters` has them; for video. None by default. */
  readonly parameters?: readonly Uint8Array[] | undefined;
  /** H.264 only: `packetization-mode` of what is sent; 1 by default. Receivers take both. */
  readonly packetizationMode?: 0 | 1 | undefined;
  /** Opus only: channels of the track that is made; 2 by default. */
  readonly channels?: 1 | 2 | undefined;
  /** VP8 and VP9 only: picture ID of the first frame that is sent; 0 by default. */
  readonly firstPictureId?: number | undefined;
}

/** The depacketizer of a codec. */
export function rtpDepacketizer(codec: RtpCodec, options: RtpFormatOptions = {}): RtpDepacketizer {
  switch (codec) {
    case 'h264':
      return h264Depacketizer(options.parameters);
    case 'h265':
      return h265Depacketizer(options.parameters);
    case 'av1':
      return av1Depacketizer(options.parameters);
    case 'vp8':
      return vp8Depacketizer();
    case 'vp9':
      return vp9Depacketizer(options.parameters);
    case 'opus':
      return opusDepacketizer(options.channels);
    case 'pcma':
    case 'pcmu':
    case 'g722':
      return rawAudioDepacketizer();
  }
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
    case 'pcma':
    case 'pcmu':
    case 'g722':
      return rawAudioPacketizer();
  }
}
