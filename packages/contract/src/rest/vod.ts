import Type, { type Static } from 'typebox';
import { flag, name, text } from './fields.ts';

/** Body of `/vod/startup` (rest-api.md §9). */
export const VodStartup = Type.Object({
  uri: name('`vod-live://FILE`; `vod-live://s3/BUCKET/FILE`, or a whole `https://` address after `s3/`, for S3'),
  localStreamName: name('name of the stream that it becomes'),
  loop: Type.Optional(flag('begin anew at the end of the file; `vod_live_loop` when it is not given')),
});

/** Body of `/vod/find`: values that a file must have. */
export const VodFilter = Type.Object({
  uri: Type.Optional(text('`vod-live://…` or `vod://…`')),
  localStreamName: Type.Optional(text('name of the stream')),
  localMediaSessionId: Type.Optional(text('its publication')),
  status: Type.Optional(text('`PROCESSED_LOCAL`')),
});

/** Body of `/vod/terminate`: one of both is enough. */
export const VodTermination = Type.Object({
  uri: Type.Optional(text('`vod-live://…` or `vod://…`')),
  localStreamName: Type.Optional(text('name of the stream')),
});

/** A file that plays. */
export const VodObject = Type.Object({
  localMediaSessionId: Type.String({ description: 'its publication' }),
  localStreamName: Type.String({ description: 'name of the stream' }),
  uri: Type.String({ description: '`vod-live://…`, or `vod://…` of one viewer' }),
  status: Type.Enum(['PROCESSED_LOCAL']),
  hasAudio: Type.Boolean(),
  hasVideo: Type.Boolean(),
  record: Type.Boolean({ description: 'the stream is being recorded' }),
  loop: Type.Boolean({ description: 'it begins anew at the end of the file' }),
  positionMs: Type.Integer({ description: 'where in the file it is' }),
  durationMs: Type.Integer({ description: 'length of the file; 0 where it does not tell' }),
});

export type VodObject = Static<typeof VodObject>;
