import { g711Track, h264Depacketizer, opusTrack, type RtpDepacketizer, type Track, writeOpusHead } from '@sluice/media';
import { MediaServerError } from '../../../core/index.ts';
import type { NegotiatedTrack } from './options.ts';

const VIDEO_TRACK_ID = 0;
const AUDIO_TRACK_ID = 1;

/** What is known of a track by its negotiation alone. */
export function trackOf(negotiated: NegotiatedTrack): Track {
  const { kind, codec, clockRate, parameters = [], channels = 2 } = negotiated;
  if (codec === 'opus') return opusTrack(AUDIO_TRACK_ID, writeOpusHead({ channels }));
  if (codec === 'pcma' || codec === 'pcmu') return g711Track(AUDIO_TRACK_ID, codec, clockRate);
  return { id: kind === 'video' ? VIDEO_TRACK_ID : AUDIO_TRACK_ID, kind, codec, clockRate, parameters };
}

/**
 * Puts a track's payloads together.
 * @throws MediaServerError NO_COMMON_CODECS for one that has no payload format here
 */
export function depacketizerOf(negotiated: NegotiatedTrack): RtpDepacketizer {
  const { codec, parameters = [] } = negotiated;
  switch (codec) {
    case 'h264':
      return h264Depacketizer(parameters);
    default:
      throw new MediaServerError('NO_COMMON_CODECS', `${codec} is not received by RTP`);
  }
}
