import Type, { type Static } from 'typebox';
import { StreamHint } from './stream-hint.ts';

/** Who feeds a live stream. */
export const OverviewPublisher = Type.Object({
  mediaSessionId: Type.String(),
  protocol: Type.String(),
  remoteAddress: Type.String(),
  /** When the publication began, milliseconds since 1970. */
  sinceMs: Type.Integer(),
});

export type OverviewPublisher = Static<typeof OverviewPublisher>;

/** The picture of a live stream; sizes and rates are 0 until they are known. */
export const OverviewVideo = Type.Object({
  /** FFmpeg's name: `h264`, `h265`, … */
  codec: Type.String(),
  /** RFC 6381 name, such as `avc1.64001f`. */
  codecString: Type.Optional(Type.String()),
  width: Type.Integer(),
  height: Type.Integer(),
  /** Measured frames a second. */
  fps: Type.Number(),
  /** Measured bits a second. */
  bitrate: Type.Integer(),
  /** Frames between the last two key frames; 0 until two were seen. */
  gopFrames: Type.Integer(),
});

export type OverviewVideo = Static<typeof OverviewVideo>;

/** The sound of a live stream; rate and channels are 0 until they are known. */
export const OverviewAudio = Type.Object({
  codec: Type.String(),
  codecString: Type.Optional(Type.String()),
  sampleRate: Type.Integer(),
  channels: Type.Integer(),
  /** Measured bits a second. */
  bitrate: Type.Integer(),
});

export type OverviewAudio = Static<typeof OverviewAudio>;

/** One of the sizes in which a publisher sends its picture at once (simulcast). */
export const OverviewLayer = Type.Object({
  /** As the publisher names it. */
  rid: Type.String(),
  /** 0 until they are known. */
  width: Type.Integer(),
  height: Type.Integer(),
  /** Measured bits a second; 0 while nothing comes. */
  bitrate: Type.Integer(),
  /** `paused`: nobody watches it, so the publisher was asked to leave it out; `absent`: the publisher leaves it out by itself. */
  state: Type.Union([Type.Literal('active'), Type.Literal('paused'), Type.Literal('absent')]),
});

export type OverviewLayer = Static<typeof OverviewLayer>;

/** One live stream, with what an operator wants to see at a glance. */
export const OverviewStream = Type.Object({
  name: Type.String(),
  publisher: Type.Union([OverviewPublisher, Type.Null()]),
  video: Type.Union([OverviewVideo, Type.Null()]),
  audio: Type.Union([OverviewAudio, Type.Null()]),
  /** Best first; absent when the picture is sent once. */
  layers: Type.Optional(Type.Array(OverviewLayer)),
  /** How loud the sound is as the publisher says, dBov from -127 to 0; absent when it says nothing. */
  loudness: Type.Optional(Type.Integer()),
  /** True while somebody speaks, by that. */
  speaking: Type.Optional(Type.Boolean()),
  viewers: Type.Integer(),
  uptimeSeconds: Type.Integer(),
  /** True for the stream that the server plays by itself for trying things out. */
  startedByDemo: Type.Optional(Type.Boolean()),
  /** Distance of the last two key frames, milliseconds of media; 0 until two were seen. */
  keyFrameIntervalMs: Type.Integer(),
  /** True when pictures came in another order than they are shown in. */
  hasBFrames: Type.Boolean(),
  /** By how much the sound arrives ahead of the picture of the same moment, milliseconds; negative when behind. */
  avOffsetMs: Type.Integer(),
  /** Packets that did not go through since the publication began, summed over publisher and viewers, without tracks left out on purpose. */
  drops: Type.Integer(),
  /** Longest pause between two packets in the last ten seconds, milliseconds. */
  longestGapMs: Type.Integer(),
  /** Its recording; absent while there is none. */
  recording: Type.Optional(
    Type.Object({
      fileName: Type.String(),
      /** When it began, milliseconds since 1970. */
      sinceMs: Type.Integer(),
      bytes: Type.Integer(),
      /** Why nothing is written at this moment. */
      trouble: Type.Optional(Type.String()),
    }),
  ),
  /** What the publisher could do better, the most severe first; empty when all is well. */
  hints: Type.Array(StreamHint),
});

export type OverviewStream = Static<typeof OverviewStream>;

/** Ports that clients connect to; 0 for what is off. */
export const OverviewPorts = Type.Object({
  rtmp: Type.Integer(),
  hls: Type.Integer(),
  /** HLS with TLS, by HTTP/2. */
  hlsSecure: Type.Integer(),
  http: Type.Integer(),
  https: Type.Integer(),
  /** Of the Web SDK's signalling. */
  ws: Type.Integer(),
  wss: Type.Integer(),
  rtsp: Type.Integer(),
  /** UDP, of SRT for all streams. */
  srt: Type.Integer(),
  /** True when `/whip/` and `/whep/` of the web ports answer. */
  webrtc: Type.Boolean(),
  /** True when `/mse/` of the web ports answers. */
  mse: Type.Boolean(),
  /** True when HLS playlists have parts and can be waited for; when there are DASH manifests beside them. */
  lowLatencyHls: Type.Boolean(),
  dash: Type.Boolean(),
  /** True when streams can be had in several qualities by HLS (`-HLS-ABR-STREAM`). */
  hlsLadder: Type.Boolean(),
});

export type OverviewPorts = Static<typeof OverviewPorts>;

/** Body of `GET /api/overview`, which the console polls. Our own, not part of the WCS API. */
export const OverviewBody = Type.Object({
  server: Type.Object({ version: Type.String(), uptimeSeconds: Type.Integer(), node: Type.String() }),
  ports: OverviewPorts,
  /** Addresses of this host that others may reach it by, best first; IPv6 ones without brackets. */
  addresses: Type.Array(Type.String()),
  streams: Type.Array(OverviewStream),
  /** What the server does beside playing: record, and give pictures under `/snapshot/`. */
  records: Type.Boolean(),
  snapshots: Type.Boolean(),
});

export type OverviewBody = Static<typeof OverviewBody>;
