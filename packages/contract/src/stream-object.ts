import Type, { type Static } from 'typebox';

/** Whether the publisher has muted a track. */
export const MuteState = Type.Object({ muted: Type.Boolean() });

/** Measurements of one publication or playback, told when they are asked for (rest-api.md §3). */
export const StreamMetrics = Type.Object({
  VIDEO_WIDTH: Type.Integer(),
  VIDEO_HEIGHT: Type.Integer(),
  /** Bits a second. */
  VIDEO_RATE: Type.Integer(),
  /** Milliseconds that the picture arrives after the sound of the same moment; negative when before. */
  VIDEO_SYNC: Type.Integer(),
  VIDEO_FPS: Type.Integer(),
  VIDEO_NACK: Type.Integer(),
  VIDEO_PLI: Type.Integer(),
  /** RTP payload type; -1 when there is no video. */
  VIDEO_CODEC: Type.Integer(),
  /** Key frames, other frames, and those shown before one that came earlier, since the stream began. */
  VIDEO_K_FRAMES: Type.Integer(),
  VIDEO_P_FRAMES: Type.Integer(),
  VIDEO_B_FRAMES: Type.Integer(),
  /** Frames between the last two key frames. */
  VIDEO_GOP_SIZE: Type.Integer(),
  VIDEO_LOST: Type.Integer(),
  /** `VIDEO_SYNC` with the other sign. */
  AUDIO_SYNC: Type.Integer(),
  /** Bits a second. */
  AUDIO_RATE: Type.Integer(),
  AUDIO_LOST: Type.Integer(),
  /** RTP payload type; -1 when there is no audio. */
  AUDIO_CODEC: Type.Integer(),
});

export type StreamMetrics = Static<typeof StreamMetrics>;

/**
 * One publication or playback as `/rest-api/stream/find_all` tells it (rest-api.md §3). Absent values are omitted;
 * numbers that nobody asked for or that are not known yet are 0, as in WCS.
 */
export const StreamObject = Type.Object({
  nodeId: Type.Optional(Type.String()),
  appKey: Type.String(),
  sessionId: Type.String(),
  mediaSessionId: Type.String(),
  name: Type.String(),
  /** True for what comes in (a publisher), false for what goes out (a player). */
  published: Type.Boolean(),
  hasVideo: Type.Boolean(),
  hasAudio: Type.Boolean(),
  status: Type.String(),
  sdp: Type.Optional(Type.String()),
  /** `opus`, `PCMA`, or with rate and channels: `mpeg4-generic/48000/2`. */
  audioCodec: Type.Optional(Type.String()),
  /** `H264`, `VP8`, … */
  videoCodec: Type.Optional(Type.String()),
  record: Type.Boolean(),
  recordName: Type.Optional(Type.String()),
  width: Type.Integer(),
  height: Type.Integer(),
  /** Requested limits in kilobits a second, not what is measured. */
  bitrate: Type.Integer(),
  minBitrate: Type.Integer(),
  maxBitrate: Type.Integer(),
  quality: Type.Integer(),
  history: Type.Boolean(),
  gop: Type.Integer(),
  fps: Type.Integer(),
  audioBitrate: Type.Integer(),
  codecImpl: Type.String(),
  transport: Type.Enum(['TCP', 'UDP']),
  cvoExtension: Type.Boolean(),
  /** Milliseconds since 1970. */
  createDate: Type.Integer(),
  mediaType: Type.Enum(['publish', 'play']),
  audioState: MuteState,
  videoState: MuteState,
  mediaProvider: Type.String(),
  /** What the client sent along: any JSON by field. */
  custom: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  parentMediaSessionId: Type.Optional(Type.String()),
  metrics: Type.Optional(StreamMetrics),
});

export type StreamObject = Static<typeof StreamObject>;
