import Type, { type Static } from 'typebox';
import { ExplainFinding } from './explain-finding.ts';
import { ExplainConversion, ExplainSession } from './explain-session.ts';
import { OverviewPublisher } from './overview-body.ts';
import { StreamHint } from './stream-hint.ts';

/** Body of `POST /rest-api/stream/explain`: one of the two. Our own, not part of the WCS API. */
export const ExplainRequest = Type.Object({
  /** A stream, with all its sessions. */
  name: Type.Optional(Type.String()),
  /** One publication or playback, also one that is over or never began; with the publisher of its stream. */
  mediaSessionId: Type.Optional(Type.String()),
});

export type ExplainRequest = Static<typeof ExplainRequest>;

/** What is common to picture and sound of a stream, as it comes from the publisher. */
const TrackFields = {
  /** FFmpeg's name: `h264`, `aac`. */
  codec: Type.String(),
  /** RFC 6381 name, such as `avc1.64001f`. */
  codecString: Type.Optional(Type.String()),
  bitrateBps: Type.Integer(),
  /** Since the newest packet; absent before the first one. */
  lastPacketAgeMs: Type.Optional(Type.Integer()),
  /** The publisher says that it has muted it. */
  muted: Type.Boolean(),
};

export const ExplainVideo = Type.Object({
  ...TrackFields,
  /** 0 while unknown. */
  width: Type.Integer(),
  height: Type.Integer(),
  fps: Type.Number(),
  keyFrames: Type.Integer(),
  /** Since the newest key frame came; absent before the first one. */
  lastKeyFrameAgeMs: Type.Optional(Type.Integer()),
  /** Between the last two key frames, milliseconds of media; 0 until two were seen. */
  keyFrameIntervalMs: Type.Integer(),
  hasBFrames: Type.Boolean(),
  /** The source can be asked for key frames (WebRTC); others send them as their encoder is set. */
  keyFramesOnRequest: Type.Boolean(),
});

export type ExplainVideo = Static<typeof ExplainVideo>;

export const ExplainAudio = Type.Object({
  ...TrackFields,
  /** 0 while unknown. */
  sampleRate: Type.Integer(),
  channels: Type.Integer(),
});

export type ExplainAudio = Static<typeof ExplainAudio>;

/** A stream that is live, or whose viewers wait for its publisher. */
export const ExplainStream = Type.Object({
  publisher: Type.Union([OverviewPublisher, Type.Null()]),
  uptimeSeconds: Type.Integer(),
  viewers: Type.Integer(),
  video: Type.Union([ExplainVideo, Type.Null()]),
  audio: Type.Union([ExplainAudio, Type.Null()]),
  /** Longest pause between two packets in the last ten seconds, milliseconds. */
  longestGapMs: Type.Integer(),
  /** By how much the sound arrives ahead of the picture of the same moment, milliseconds; negative when behind. */
  avOffsetMs: Type.Integer(),
  conversions: Type.Array(ExplainConversion),
  hints: Type.Array(StreamHint),
});

export type ExplainStream = Static<typeof ExplainStream>;

/**
 * Answer of `POST /rest-api/stream/explain`: why there is, or isn't, picture and sound. Read `verdict` first; the rest is
 * what it was drawn from. Never has passwords, tokens or keys; has addresses.
 */
export const ExplainAnswer = Type.Object({
  /** When it was asked, milliseconds since 1970. */
  atMs: Type.Integer(),
  name: Type.String(),
  live: Type.Boolean(),
  /** What was found out, the most important first; never empty. */
  verdict: Type.Array(ExplainFinding),
  /** Absent when there is no such stream at this moment. */
  stream: Type.Optional(ExplainStream),
  /** Sessions of this moment, the publisher first, 50 at most. */
  sessions: Type.Array(ExplainSession),
  /** Sessions of this moment that are not listed. */
  sessionsOmitted: Type.Integer(),
  /** Where the stream is not live: names of live ones that are like it, five at most. */
  similarNames: Type.Optional(Type.Array(Type.String())),
  /** Sessions that are over or never began, the latest first, 20 at most. */
  past: Type.Array(ExplainSession),
});

export type ExplainAnswer = Static<typeof ExplainAnswer>;
