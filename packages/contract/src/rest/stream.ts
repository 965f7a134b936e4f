import Type, { type Static } from 'typebox';
import { flag, name, text, texts } from './fields.ts';

const FILTER = {
  mediaSessionId: Type.Optional(text('the publication or playback')),
  name: Type.Optional(text('name of the stream')),
  published: Type.Optional(flag('true for publications, false for playbacks')),
  status: Type.Optional(text('`PUBLISHING`, `PLAYING`, …')),
  sessionId: Type.Optional(text('the connection that it belongs to')),
  appKey: Type.Optional(text('application of the client')),
  hasVideo: Type.Optional(flag('there is a picture')),
  hasAudio: Type.Optional(flag('there is sound')),
  mediaType: Type.Optional(text('`publish` or `play`')),
  mediaProvider: Type.Optional(text('`WebRTC`, `Flash` (RTMP), `HLS`, …')),
  audioCodec: Type.Optional(text('`opus`, `mpeg4-generic/48000/2`, …')),
  videoCodec: Type.Optional(text('`H264`, `VP8`, …')),
  transport: Type.Optional(text('`UDP` or `TCP`')),
  record: Type.Optional(flag('it is being recorded')),
};

/** Names of the fields that streams can be filtered by. */
export const STREAM_FILTER_FIELDS = Object.keys(FILTER) as readonly (keyof typeof FILTER)[];

/** Body of `/stream/find` (rest-api.md §3): values that a publication or playback must have. */
export const StreamFilter = Type.Object({
  ...FILTER,
  display: Type.Optional(texts('`["metrics"]` adds the metrics; other words mean nothing')),
});

export type StreamFilter = Static<typeof StreamFilter>;

/** Body of `/stream/terminate`: the fields of a filter, all of which must fit. */
export const StreamTermination = Type.Object({
  ...FILTER,
  mediaSessionIds: Type.Optional(texts('any of these publications and playbacks')),
});

export type StreamTermination = Static<typeof StreamTermination>;

/** Body of `/stream/event/send`. */
export const StreamEventSending = Type.Object({
  streamName: name('the stream'),
  payload: Type.Optional(Type.Unknown({ description: 'any JSON; viewers get it as an event of the type `data`' })),
});

export type StreamEventSending = Static<typeof StreamEventSending>;
