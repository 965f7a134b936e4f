import Type, { type Static } from 'typebox';

/** Whether the publisher has muted a track. */
export const MuteState = Type.Object({ muted: Type.Boolean() });

/** Measurements of one publication or playback, told when they are asked for (rest-api.md §3). */
export const StreamMetrics = Type.Object({
  VIDEO_WIDTH: Type.Integer({ description: 'pixels' }),
  VIDEO_HEIGHT: Type.Integer({ description: 'pixels' }),
  VIDEO_RATE: Type.Integer({ description: 'bits a second, measured' }),
  VIDEO_SYNC: Type.Integer({
    description: 'milliseconds that the picture arrives after the sound of the same moment; negative when before',
  }),
  VIDEO_FPS: Type.Integer({ description: 'pictures a second, measured' }),
  VIDEO_NACK: Type.Integer({ description: 'requests for lost packets (WebRTC)' }),
  VIDEO_PLI: Type.Integer({ description: 'requests for key frames (WebRTC)' }),
  VIDEO_CODEC: Type.Integer({ description: 'RTP payload type; -1 when there is no picture' }),
  VIDEO_K_FRAMES: Type.Integer({ description: 'key frames since the stream began' }),
  VIDEO_P_FRAMES: Type.Integer({ description: 'other frames since the stream began' }),
  VIDEO_B_FRAMES: Type.Integer({ description: 'frames shown before one that came earlier, since the stream began' }),
  VIDEO_GOP_SIZE: Type.Integer({ description: 'frames from one key frame to the next' }),
  VIDEO_LOST: Type.Integer({
    description: 'packets that did not go through; of sound too, as they are not told apart',
  }),
  AUDIO_SYNC: Type.Integer({ description: '`VIDEO_SYNC` with the other sign' }),
  AUDIO_RATE: Type.Integer({ description: 'bits a second, measured' }),
  AUDIO_LOST: Type.Integer({ description: 'the same as `VIDEO_LOST` where there is no picture' }),
  AUDIO_CODEC: Type.Integer({ description: 'RTP payload type; -1 when there is no sound' }),
});

export type StreamMetrics = Static<typeof StreamMetrics>;

/**
 * One publication or playback as `/rest-api/stream/find_all` tells it (rest-api.md §3). Absent values are omitted;
 * numbers that nobody asked for or that are not known yet are 0, as in WCS.
 */
export const StreamObject = Type.Object({
  nodeId: Type.Optional(Type.String({ description: 'the server' })),
  appKey: Type.String({ description: 'application of the client' }),
  sessionId: Type.String({ description: 'the connection: `/<client ip>:<port>/<server ip>:<port>`' }),
  mediaSessionId: Type.String({ description: 'this publication or playback' }),
  name: Type.String({ description: 'name of the stream' }),
  published: Type.Boolean({ description: 'true for what comes in (a publisher), false for what goes out (a player)' }),
  hasVideo: Type.Boolean({ description: 'there is a picture' }),
  hasAudio: Type.Boolean({ description: 'there is sound' }),
  status: Type.String({ description: '`PUBLISHING` or `PLAYING` in the normal state' }),
  sdp: Type.Optional(Type.String({ description: 'what was negotiated' })),
  audioCodec: Type.Optional(
    Type.String({ description: '`opus`, `PCMA`, or with rate and channels: `mpeg4-generic/48000/2`' }),
  ),
  videoCodec: Type.Optional(Type.String({ description: '`H264`, `VP8`, …' })),
  record: Type.Boolean({ description: 'it is being recorded' }),
  recordName: Type.Optional(Type.String({ description: 'file of the recording' })),
  width: Type.Integer({ description: 'pixels; 0 until known' }),
  height: Type.Integer({ description: 'pixels; 0 until known' }),
  bitrate: Type.Integer({ description: 'kilobits a second that were asked for, not measured; 0 for none' }),
  minBitrate: Type.Integer({ description: 'the least that was asked for, kilobits a second; 0 for none' }),
  maxBitrate: Type.Integer({ description: 'the most that was asked for, kilobits a second; 0 for none' }),
  quality: Type.Integer({ description: 'that was asked for; 0 for none' }),
  history: Type.Boolean({ description: 'always false' }),
  gop: Type.Integer({ description: 'that was asked for; 0 for none' }),
  fps: Type.Integer({ description: 'that was asked for; 0 for none' }),
  audioBitrate: Type.Integer({ description: 'that was asked for, kilobits a second; 0 for none' }),
  codecImpl: Type.String({ description: 'encoder; empty for none' }),
  transport: Type.Enum(['TCP', 'UDP'], { description: 'of the media' }),
  cvoExtension: Type.Boolean({ description: 'the orientation of the picture is told (RTP extension)' }),
  createDate: Type.Integer({ description: 'milliseconds since 1970' }),
  mediaType: Type.Enum(['publish', 'play'], { description: 'of which kind it is' }),
  audioState: MuteState,
  videoState: MuteState,
  mediaProvider: Type.String({ description: '`WebRTC`, `Flash` (RTMP), `HLS`, …' }),
  custom: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'what the client sent along' })),
  parentMediaSessionId: Type.Optional(Type.String({ description: 'of what it was made' })),
  metrics: Type.Optional(StreamMetrics),
});

export type StreamObject = Static<typeof StreamObject>;
