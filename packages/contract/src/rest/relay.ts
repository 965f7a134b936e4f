import Type, { type Static } from 'typebox';
import { flag, name, text } from './fields.ts';

const AGENT_STATUSES = ['NEW', 'PENDING', 'CONNECTED', 'PROCESSED_REMOTE', 'STOPPED'] as const;

/** How a stream to or from another server goes: not of WCS, in the objects of all of them. */
const supervision = {
  state: Type.Enum(['connecting', 'connected', 'running', 'waiting', 'stopped'], {
    description: 'where it stands; `waiting` for its next attempt',
  }),
  attempts: Type.Integer({ description: 'connections that were tried' }),
  reconnects: Type.Integer({ description: 'connections that were lost after they had worked' }),
  lastError: Type.Optional(Type.String({ description: 'what went wrong last' })),
  lastErrorTime: Type.Optional(Type.Integer({ description: 'when, ms since 1970' })),
  nextAttemptTime: Type.Optional(Type.Integer({ description: 'when it is tried again, ms since 1970' })),
  notes: Type.Array(Type.String(), { description: 'what people should know: tracks that are left out, and why' }),
  createDate: Type.Integer({ description: 'ms since 1970' }),
  bytes: Type.Integer({ description: 'media received or sent' }),
  packets: Type.Integer(),
};

const application = {
  appKey: Type.Optional(text('application whose back end is told of it (`RelayStatusEvent`); `defaultApp` by default')),
};

/** What `options` of `/push/startup` may have. */
const PushStartupOptions = Type.Object(
  {
    action: Type.Optional(Type.Enum(['mute', 'sound_on'], { description: '`mute` or `sound_on`' })),
    soundFile: Type.Optional(text('for `sound_on`: a file of the media folder')),
    loop: Type.Optional(flag('for `sound_on`: begin anew at its end')),
    without: Type.Optional(Type.Enum(['audio', 'video'], { description: 'what is not sent: `audio` or `video`' })),
  },
  { description: 'how it begins' },
);

/** Body of `/push/startup` (rest-api.md §6). */
export const PushStartup = Type.Object({
  streamName: name('the stream that is to be pushed'),
  rtmpUrl: name('where to: `rtmp://` or `rtmps://`; also `rtsp://`, `srt://`, `whip://`, `udp://`'),
  rtmpTransponderFullUrl: Type.Optional(
    flag('the address is complete, with the key of the stream; `rtmp_transponder_full_url` when it is not given'),
  ),
  rtmpFlashVersion: Type.Optional(text('`flashVer` that the server is told')),
  options: Type.Optional(PushStartupOptions),
  ...application,
});

/** Body of `/push/find`. */
export const PushFilter = Type.Object({
  streamName: Type.Optional(text('name of the stream, with prefix as in the answers, or without')),
  rtmpUrl: Type.Optional(text('where to')),
  mediaSessionId: Type.Optional(text('the push')),
});

/** Body of `/push/terminate`, `mute` and `unmute`. */
export const PushReference = Type.Object({ mediaSessionId: name('the push') });

/** Body of `/push/sound_on`. */
export const PushSound = Type.Object({
  mediaSessionId: name('the push'),
  soundFile: name('a file of the media folder, such as `sample.wav`'),
  loop: Type.Optional(flag('begin anew at its end; else the own sound of the stream comes back then')),
});

/** A stream that is pushed (rest-api.md §6). */
export const PushObject = Type.Object({
  mediaSessionId: Type.String(),
  streamName: Type.String({ description: 'with `rtmp_transponder_stream_name_prefix`' }),
  rtmpUrl: Type.String(),
  width: Type.Integer({ description: 'size of the picture; 0 while unknown' }),
  height: Type.Integer(),
  muted: Type.Boolean(),
  soundEnabled: Type.Boolean({ description: 'the sound is that of a file' }),
  options: Type.Record(Type.String(), Type.Unknown(), { description: 'what it began with' }),
  localStreamName: Type.String({ description: 'name of the stream, without prefix' }),
  status: Type.Enum(AGENT_STATUSES),
  ...supervision,
});

export type PushObject = Static<typeof PushObject>;

const pullNames = {
  uri: name('`ws://` or `wss://` of a server of this kind; `whep://`, `rtmp://`, `rtsp://`, `srt://` of any'),
  localStreamName: Type.Optional(text('name of the stream here; that of there, or the address, by default')),
  remoteStreamName: Type.Optional(text('for `ws://` and `wss://`: name of the stream there')),
};

/** Body of `/pull/pull` (rest-api.md §7). */
export const PullStartup = Type.Object({
  ...pullNames,
  record: Type.Optional(flag('record it')),
  ...application,
});

/** Body of `/pull/push`. */
export const PullPushStartup = Type.Object({
  uri: name('`ws://` or `wss://` of a server of this kind; `whip://` of any'),
  localStreamName: name('name of the stream here'),
  remoteStreamName: Type.Optional(text('name of the stream there; that of here by default')),
  ...application,
});

/** Body of `/pull/find` and `/pull/terminate`. */
export const PullFilter = Type.Object({
  uri: Type.Optional(text('address of the other server, with or without `/websocket`')),
  localStreamName: Type.Optional(text('name of the stream here')),
  remoteStreamName: Type.Optional(text('name of the stream there')),
});

/** A stream that is pulled from another server, or pushed to one by WebRTC (rest-api.md §7). */
export const PullObject = Type.Object({
  localMediaSessionId: Type.String(),
  remoteMediaSessionId: Type.Union([Type.String(), Type.Null()], { description: 'what the other server calls it' }),
  localStreamName: Type.String(),
  remoteStreamName: Type.Union([Type.String(), Type.Null()]),
  uri: Type.String(),
  status: Type.Enum(AGENT_STATUSES),
  hasAudio: Type.Boolean(),
  hasVideo: Type.Boolean(),
  record: Type.Boolean(),
  direction: Type.Enum(['pull', 'push']),
  ...supervision,
});

export type PullObject = Static<typeof PullObject>;

/** Body of `/pull/rtmp/pull`. */
export const RtmpPullStartup = Type.Object({
  uri: name('`rtmp://HOST/APP/STREAM`'),
  localStreamName: Type.Optional(text('name of the stream here; the address by default')),
  record: Type.Optional(flag('record it')),
  ...application,
});

/** Body of `/rtsp/startup` (rest-api.md §8). */
export const RtspStartup = Type.Object({
  uri: name('`rtsp://USER:PASSWORD@HOST:PORT/PATH`, also `rtsps://`, `rtsph://` (HTTP tunnel), `rtspu://` (UDP)'),
  localStreamName: Type.Optional(text('name of the stream; the address by default')),
  record: Type.Optional(flag('record it')),
  ...application,
});

/** Body of `/rtsp/find` and `/rtsp/terminate`. */
export const RtspFilter = Type.Object({
  uri: Type.Optional(text('address of the camera')),
  status: Type.Optional(text('`PLAYING`, `PENDING` or `CONNECTED`')),
  localStreamName: Type.Optional(text('name of the stream')),
});

/** A camera, or a stream of an RTSP server, that is pulled (rest-api.md §8). */
export const RtspObject = Type.Object({
  uri: Type.String(),
  status: Type.Enum(['NEW', 'PENDING', 'CONNECTED', 'PLAYING', 'STOPPED']),
  localMediaSessionId: Type.String(),
  localStreamName: Type.String(),
  hasAudio: Type.Boolean(),
  hasVideo: Type.Boolean(),
  record: Type.Boolean(),
  ...supervision,
});

export type RtspObject = Static<typeof RtspObject>;
