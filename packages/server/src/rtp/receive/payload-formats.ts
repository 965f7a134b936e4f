import {
  aacTrack,
  g711Track,
  g722Track,
  isRtpCodec,
  opusHead,
  opusTrack,
  type RtpDepacketizer,
  rtpDepacketizer,
  type Track,
} from '@sluice/media';
import { MediaServerError } from '../../core/index.ts';
import type { NegotiatedTrack } from './options.ts';

const VIDEO_TRACK_ID = 0;
const AUDIO_TRACK_ID = 1;

/**
 * What is known of a track by its negotiation alone.
 * @throws ProtocolError for parameters of AAC that are none
 */
export function trackOf(negotiated: NegotiatedTrack): Track {
  const { kind, codec, clockRate, parameters = [], channels = 2 } = negotiated;
  if (codec === 'opus') return opusTrack(AUDIO_TRACK_ID, opusHead(channels));
  if (codec === 'pcma' || codec === 'pcmu') return g711Track(AUDIO_TRACK_ID, codec, clockRate);
  if (codec === 'g722') return g722Track(AUDIO_TRACK_ID);
  const id = kind === 'video' ? VIDEO_TRACK_ID : AUDIO_TRACK_ID;
  return withParameters({ id, kind, codec, clockRate, parameters: [] }, parameters);
}

/**
 * A track that has other parameters from now on.
 * @throws ProtocolError for parameters of AAC that are none
 */
export function withParameters(track: Track, parameters: readonly Uint8Array[]): Track {
  const [config] = parameters;
  // The clock of AAC in RTP need not be its sampling rate.
  if (track.codec === 'aac' && config !== undefined) return aacTrack(track.id, config);
  return { ...track, parameters };
}

/** True when decoders can begin with what is known; the others learn it by the first packets. */
export function decodersCanBegin({ codec, parameters }: Pick<Track, 'codec' | 'parameters'>): boolean {
  return !['h264', 'h265', 'av1', 'vp9', 'aac'].includes(codec) || parameters.length > 0;
}

/**
 * Puts a track's payloads together.
 * @throws MediaServerError NO_COMMON_CODECS for a codec that has no payload format
 */
export function depacketizerOf(track: NegotiatedTrack): RtpDepacketizer {
  const { codec, parameters, channels, startCodes, aac, clockRate } = track;
  if (!isRtpCodec(codec)) throw new MediaServerError('NO_COMMON_CODECS', `${codec} is not received by RTP`);
  return rtpDepacketizer(codec, { parameters, channels, startCodes, aac, clockRate });
}
