import Type, { type Static } from 'typebox';
import { StreamObject } from '../stream-object.ts';
import { CustomField, HOOK_ORIGIN } from './hook-fields.ts';

/** A number, or its digits in a text: clients send what was typed into them. */
const Amount = Type.Union([Type.Number(), Type.String()]);

const streamRequest = {
  ...HOOK_ORIGIN,
  mediaSessionId: Type.String({ description: 'this publication or playback' }),
  name: Type.String({ description: 'the stream; for `playStream` also an `rtsp://` or `vod://` address' }),
  published: Type.Boolean({ description: 'true for a publisher, false for a player' }),
  hasVideo: Type.Boolean(),
  hasAudio: Type.Boolean(),
  status: Type.String({ description: '`NEW`' }),
  sdp: Type.Optional(Type.String({ description: "WebRTC: the client's offer" })),
  record: Type.Boolean(),
  width: Amount,
  height: Amount,
  bitrate: Amount,
  minBitrate: Amount,
  maxBitrate: Amount,
  quality: Amount,
  mediaProvider: Type.String({ description: '`WebRTC`, `Flash` (RTMP), `HLS`, …' }),
  custom: Type.Optional(CustomField),
};

const requestOptions = {
  rtmpUrl: Type.Optional(Type.String({ description: 'where the stream is to be sent on to' })),
  constraints: Type.Optional(Type.Unknown()),
  transport: Type.Optional(Type.String({ description: '`UDP` or `TCP`' })),
  cvoExtension: Type.Optional(Type.Boolean()),
  localMediaInfo: Type.Optional(Type.Unknown()),
};

/** `publishStream`: asked before a stream is published (rest-hooks.md §6.2). */
export const PublishStreamHook = Type.Object({ ...streamRequest, ...requestOptions });

/** `playStream`: asked before a stream is played (§6.2). */
export const PlayStreamHook = Type.Object({ ...streamRequest, ...requestOptions });

/** `playHLS`: asked for a viewer of HLS, when `hls_auth_enabled` is on (§6.2). */
export const PlayHlsHook = Type.Object({
  ...streamRequest,
  token: Type.Optional(Type.String({ description: 'parameter `token` of the address' })),
});

/** `playRTSP`: asked with each request of an RTSP player but OPTIONS, when `rtsp_server_auth_enabled` is on (§6.2). */
export const PlayRtspHook = Type.Object({
  ...streamRequest,
  name: Type.String({ description: 'address that the player asked for: `rtsp://HOST:PORT/STREAM`' }),
  userAgent: Type.Optional(Type.String({ description: 'what the player says it is' })),
  token: Type.Optional(Type.String({ description: 'parameter `token` of the address' })),
});

export type PlayHlsHook = Static<typeof PlayHlsHook>;

/** `unPublishStream` and `stopStream`: the client itself ends it; a refusal changes nothing (§6.2). */
export const StopStreamHook = Type.Object({
  ...HOOK_ORIGIN,
  mediaSessionId: streamRequest.mediaSessionId,
  name: streamRequest.name,
  published: streamRequest.published,
  hasVideo: Type.Boolean(),
  hasAudio: Type.Boolean(),
  status: Type.String(),
  record: Type.Boolean(),
});

/** `snapshot` and `pauseStream` (§6.2). */
export const NamedStreamHook = Type.Object({
  ...HOOK_ORIGIN,
  mediaSessionId: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
});

const statusFields = {
  ...StreamObject.properties,
  ...HOOK_ORIGIN,
  custom: Type.Optional(CustomField),
};

/** `StreamStatusEvent`: a stream is published or played, or no longer (§6.2). */
export const StreamStatusEventHook = Type.Object({
  ...statusFields,
  status: Type.Enum(['PUBLISHING', 'UNPUBLISHED', 'PLAYING', 'PAUSED', 'STOPPED'], {
    description: '`PUBLISHING`, `UNPUBLISHED`, `PLAYING`, `STOPPED`',
  }),
  info: Type.Optional(Type.String({ description: 'why it ended' })),
});

export type StreamStatusEventHook = Static<typeof StreamStatusEventHook>;

/** `StreamKeepAliveEvent`: it is still published or played; an answer of 403 can end it (§6.2). */
export const StreamKeepAliveEventHook = Type.Object(statusFields);

export type StreamKeepAliveEventHook = Static<typeof StreamKeepAliveEventHook>;

/** `StreamEvent`: a publisher muted a track, sends data to its players, or its recording began, ended, … (§6.2). */
export const StreamEventHook = Type.Object({
  ...HOOK_ORIGIN,
  mediaSessionId: Type.String(),
  name: Type.Optional(Type.String()),
  type: Type.String({
    description:
      '`audioMuted`, `audioUnmuted`, `videoMuted`, `videoUnmuted`, `data`, `recordingStarted`, `recordingStopped`, `recordingFailed`, `recordingCompleted` (with `fileName` in `payload`)',
  }),
  payload: Type.Optional(Type.Unknown()),
});
