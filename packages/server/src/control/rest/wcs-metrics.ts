import type { StreamMetrics } from '@sluice/contract';
import type { SessionDescription, SessionMediaFacts, Stream, StreamState } from '../../core/index.ts';
import type { StreamDetails } from '../stream-details.ts';
import { audioVideoOffsetMs } from '../stream-times.ts';

type Codec = NonNullable<StreamState['video']>['codec'];

/**
 * RTP payload types as WCS's descriptions of media have them (functions-1 §1.1, rest-api.md §3); for the codecs that
 * WCS does not have, free numbers of the dynamic range.
 */
const PAYLOAD_TYPES: Readonly<Record<Codec, number>> = {
  h264: 119,
  flv1: 127,
  mjpeg: 26,
  mpeg1: 32,
  vp8: 100,
  vp9: 121,
  av1: 122,
  h265: 120,
  aac: 96,
  opus: 111,
  pcma: 8,
  pcmu: 0,
  g722: 9,
  g726: 123,
  l16: 124,
  speex: 97,
};
/** Payload type of a track that is not there; 0 is PCMU's. */
const NO_CODEC = -1;

/**
 * The `metrics` of one publication or playback (rest-api.md §3). A player's are those of its stream, since it is sent the
 * same packets, but for what was lost.
 *
 * - `*_RATE` are bits a second and `VIDEO_FPS` frames a second of about the last four seconds.
 * - `VIDEO_SYNC` says how many milliseconds the picture arrives after the sound of the same moment, `AUDIO_SYNC` the
 *   reverse; one is always the other's negative.
 * - `VIDEO_LOST` counts the packets of this session that did not go through; they are not told apart by track, so
 *   `AUDIO_LOST` counts them where there is no video. What is left out on purpose is not lost.
 * - `VIDEO_NACK` and `VIDEO_PLI` belong to RTP and are 0 for other protocols; where RTP tells the losses of picture and
 *   sound, these are added.
 */
export function wcsMetrics(
  session: SessionDescription,
  stream: Stream | undefined,
  {
    details,
    media = [],
  }: { readonly details: StreamDetails; readonly media?: readonly SessionMediaFacts[] | undefined },
): StreamMetrics {
  const video = stream?.state.video;
  const audio = stream?.state.audio;
  const { videoRate, audioRate } = stream ?? {};
  const offsetMs = stream === undefined ? 0 : audioVideoOffsetMs(stream);
  const lost = lostPackets(session);
  const videoFacts = media.find(({ kind }) => kind === 'video');
  const audioFacts = media.find(({ kind }) => kind === 'audio');
  const keyFrames = videoRate?.keyFrames ?? 0;
  const bFrames = videoRate?.bFrames ?? 0;
  return {
    VIDEO_WIDTH: details.video?.width ?? 0,
    VIDEO_HEIGHT: details.video?.height ?? 0,
    VIDEO_RATE: Math.round(videoRate?.bitsPerSecond ?? 0),
    VIDEO_SYNC: offsetMs,
    VIDEO_FPS: Math.round(videoRate?.packetsPerSecond ?? 0),
    VIDEO_NACK: videoFacts?.nacks ?? 0,
    VIDEO_PLI: videoFacts?.plis ?? 0,
    VIDEO_CODEC: video === undefined ? NO_CODEC : PAYLOAD_TYPES[video.codec],
    VIDEO_K_FRAMES: keyFrames,
    VIDEO_P_FRAMES: (videoRate?.packets ?? 0) - keyFrames - bFrames,
    VIDEO_B_FRAMES: bFrames,
    VIDEO_GOP_SIZE: videoRate?.gop ?? 0,
    VIDEO_LOST: (video === undefined ? 0 : lost) + Math.max(0, videoFacts?.packetsLost ?? 0),
    AUDIO_SYNC: offsetMs === 0 ? 0 : -offsetMs,
    AUDIO_RATE: Math.round(audioRate?.bitsPerSecond ?? 0),
    AUDIO_LOST: (video === undefined ? lost : 0) + Math.max(0, audioFacts?.packetsLost ?? 0),
    AUDIO_CODEC: audio === undefined ? NO_CODEC : PAYLOAD_TYPES[audio.codec],
  };
}

function lostPackets({ drops }: SessionDescription): number {
  return (drops.slow_viewer ?? 0) + (drops.broken ?? 0) + (drops.overflow ?? 0);
}
