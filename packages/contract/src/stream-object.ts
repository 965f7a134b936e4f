import Type, { type Static } from 'typebox';

/** Whether the publisher has muted a track. */
export const MuteState = Type.Object({ muted: Type.Boolean() });

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
  transport: Type.Union([Type.Literal('TCP'), Type.Literal('UDP')]),
  cvoExtension: Type.Boolean(),
  /** Milliseconds since 1970. */
  createDate: Type.Integer(),
  mediaType: Type.Union([Type.Literal('publish'), Type.Literal('play')]),
  audioState: MuteState,
  videoState: MuteState,
  mediaProvider: Type.String(),
  custom: Type.Optional(Type.Record(Type.String(), Type.String())),
  parentMediaSessionId: Type.Optional(Type.String()),
  metrics: Type.Optional(Type.Record(Type.String(), Type.Integer())),
});

export type StreamObject = Static<typeof StreamObject>;
