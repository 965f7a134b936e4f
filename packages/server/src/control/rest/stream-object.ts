import type { StreamObject } from '@sluice/contract';
import type { SessionDescription, Stream, StreamState } from '../../core/index.ts';
import type { AudioDetails, StreamDetails } from '../stream-details.ts';

type Codec = NonNullable<StreamState['video']>['codec'];

const WCS_CODECS: Readonly<Record<Codec, string>> = {
  h264: 'H264',
  h265: 'H265',
  av1: 'AV1',
  vp8: 'VP8',
  vp9: 'VP9',
  flv1: 'FLV',
  mjpeg: 'JPEG',
  mpeg1: 'MPV',
  aac: 'mpeg4-generic',
  opus: 'opus',
  pcma: 'PCMA',
  pcmu: 'PCMU',
  g722: 'G722',
  g726: 'G726',
  l16: 'L16',
  speex: 'speex',
};

/** The WCS object of one publication or playback; `stream` is absent while a player waits for it. */
export function streamObject(
  session: SessionDescription,
  stream: Stream | undefined,
  details: StreamDetails,
): StreamObject {
  const { video, audio } = codecsOf(session, stream, details);
  const { negotiated } = session;
  return {
    appKey: session.appKey,
    sessionId: session.sessionId,
    mediaSessionId: session.mediaSessionId,
    name: session.streamName,
    published: session.mediaType === 'publish',
    hasVideo: video !== undefined,
    hasAudio: audio !== undefined,
    status: session.status,
    ...(negotiated === undefined ? {} : { sdp: negotiated.sdp }),
    ...(audio === undefined ? {} : { audioCodec: audio }),
    ...(video === undefined ? {} : { videoCodec: video }),
    record: false,
    width: details.video?.width ?? 0,
    height: details.video?.height ?? 0,
    ...NOT_REQUESTED,
    minBitrate: kilobits(negotiated?.minBitrateBps),
    maxBitrate: kilobits(negotiated?.maxBitrateBps),
    cvoExtension: negotiated?.videoOrientation ?? false,
    transport: session.transport,
    createDate: session.createDate,
    mediaType: session.mediaType,
    audioState: { muted: stream?.signals.audioMuted ?? false },
    videoState: { muted: stream?.signals.videoMuted ?? false },
    mediaProvider: session.mediaProvider,
    ...(Object.keys(session.custom).length === 0 ? {} : { custom: { ...session.custom } }),
  };
}

/** What this session exchanges: what was negotiated, which may be a conversion of the stream's; else the stream's own. */
function codecsOf(
  { negotiated }: SessionDescription,
  stream: Stream | undefined,
  details: StreamDetails,
): { readonly video: string | undefined; readonly audio: string | undefined } {
  if (negotiated !== undefined) return { video: negotiated.videoCodec, audio: negotiated.audioCodec };
  const video = stream?.state.video;
  const audio = stream?.state.audio;
  return {
    video: video && WCS_CODECS[video.codec],
    audio: audio && audioCodec(audio.codec, details.audio),
  };
}

function kilobits(bps: number | undefined): number {
  return Math.round((bps ?? 0) / 1000);
}

/** What this server gives nobody the means to ask for. */
const NOT_REQUESTED = {
  bitrate: 0,
  quality: 0,
  history: false,
  gop: 0,
  fps: 0,
  audioBitrate: 0,
  codecImpl: '',
} as const;

function audioCodec(codec: Codec, details: AudioDetails | undefined): string {
  const name = WCS_CODECS[codec];
  if (codec !== 'aac' || details === undefined) return name;
  return `${name}/${details.sampleRate}/${details.channels}`;
}
