import {
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

/** What is known of a track by its negotiation alone. */
export function trackOf(negotiated: NegotiatedTrack): Track {
  const { kind, codec, clockRate, parameters = [], channels = 2 } = negotiated;
  if (codec === 'opus') return opusTrack(AUDIO_TRACK_ID, opusHead(channels));
  if (codec === 'pcma' || codec === 'pcmu') return g711Track(AUDIO_TRACK_ID, codec, clockRate);
  if (codec === 'g722') return g722Track(AUDIO_TRACK_ID);
  return { id: kind === 'video' ? VIDEO_TRACK_ID : AUDIO_TRACK_ID, kind, codec, clockRate, parameters };
}

/**
 * Puts a track's payloads together.
 * @throws MediaServerError NO_COMMON_CODECS for a codec that has no payload format
 */
export function depacketizerOf({ codec, parameters, channels }: NegotiatedTrack): RtpDepacketizer {
  if (!isRtpCodec(codec)) throw new MediaServerError('NO_COMMON_CODECS', `${codec} is not received by RTP`);
  return rtpDepacketizer(codec, { parameters, channels });
}
