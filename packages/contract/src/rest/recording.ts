import Type, { type Static } from 'typebox';
import { MAX_LIST_LENGTH, name, text } from './fields.ts';

const config = Type.Optional(
  Type.Object(
    {
      fileTemplate: Type.Optional(text('name of the file without ending, with elements such as `{streamName}`')),
      rotation: Type.Optional(text('`disabled`, seconds (`60`) or megabytes (`20M`)')),
    },
    { description: 'what is not given follows the settings' },
  ),
);

/** Body of `/recorder/startup` and `/stream/startRecording` (rest-api.md §3, §4). */
export const RecordingStartup = Type.Object({ mediaSessionId: name('the publication'), config });

export type RecordingStartup = Static<typeof RecordingStartup>;

/** Body of `/recorder/terminate` and `/stream/stopRecording`. */
export const RecordingReference = Type.Object({ mediaSessionId: name('the publication') });

/** A recording that runs, as `/recorder/find_all` tells it (rest-api.md §4). */
export const RunningRecordingObject = Type.Object({
  fileName: Type.String({ description: 'elements that are known only at the end stand as they are: `{endTime}`' }),
  mediaSessionId: Type.String({ description: 'the publication' }),
  streamName: Type.String({ description: 'its stream' }),
  id: Type.Optional(Type.String({ description: 'of the file in `/recording/find`' })),
  startedAt: Type.Integer({ description: 'milliseconds since 1970' }),
  durationMs: Type.Integer({ description: 'media written so far' }),
  bytes: Type.Integer({ description: 'written so far' }),
  trouble: Type.Optional(Type.String({ description: 'why nothing is written at this moment' })),
});

/** Body of `/multipleRecorder/startup` and `terminate` (rest-api.md §5). */
export const MultipleRecorderReference = Type.Object({ uri: name('`multi-recorder://` and a name of your choice') });

/** Body of `/multipleRecorder/add` and `remove`. */
export const MultipleRecorderMember = Type.Object({
  uri: name('`multi-recorder://…`'),
  mediaSessionId: name('the publication'),
});

/** A recording of several streams, as `/multipleRecorder/find_all` tells it; the spelling is WCS's own. */
export const MultipleRecorderObject = Type.Object({
  mediaSessionsId: Type.Array(Type.String(), { description: 'publications in it' }),
  uri: Type.String(),
  fileName: Type.String({ description: '`multi-recorder___NAME.mp4`' }),
});

const RecordedTrackObject = Type.Object({
  kind: Type.Enum(['video', 'audio']),
  codec: Type.String(),
  width: Type.Optional(Type.Integer({ description: 'pixels' })),
  height: Type.Optional(Type.Integer({ description: 'pixels' })),
  sampleRate: Type.Optional(Type.Integer({ description: 'Hz' })),
  channels: Type.Optional(Type.Integer()),
  samples: Type.Integer({ description: 'pictures or packets' }),
  durationMs: Type.Integer(),
});

const UploadObject = Type.Object({
  state: Type.Enum(['waiting', 'uploading', 'done', 'failed']),
  progress: Type.Number({ description: '0 to 1' }),
  attempts: Type.Integer(),
  location: Type.String({ description: '`s3://bucket/key`' }),
  etag: Type.Optional(Type.String()),
  error: Type.Optional(Type.String({ description: 'of the last attempt' })),
});

/** A file of a recording, as `/recording/find` tells it. */
export const RecordingObject = Type.Object({
  id: Type.String(),
  streamName: Type.String(),
  mediaSessionId: Type.String({ description: 'the publication' }),
  appKey: Type.String(),
  login: Type.String(),
  part: Type.Integer({ description: 'number of the file within the recording, from 1' }),
  container: Type.Enum(['mp4', 'webm', 'mkv', 'ts']),
  state: Type.Enum(['recording', 'finalising', 'complete', 'failed'], {
    description:
      '`recording`: it grows. `finalising`: it is being finished, see `progress`. `complete`: it is whole. `failed`: see `reason`; what was written before that is kept',
  }),
  reason: Type.Optional(Type.String({ description: 'why it failed, or what was wrong with it' })),
  fileName: Type.String({ description: 'path below the folder of recordings' }),
  url: Type.Optional(Type.String({ description: 'where it can be downloaded, on the web port' })),
  startedAt: Type.Integer({ description: 'milliseconds since 1970' }),
  endedAt: Type.Optional(Type.Integer({ description: 'milliseconds since 1970' })),
  durationMs: Type.Integer(),
  bytes: Type.Integer(),
  tracks: Type.Array(RecordedTrackObject),
  lostPackets: Type.Integer({ description: 'packets of the stream that are missing in it' }),
  gaps: Type.Array(Type.Object({ atMs: Type.Integer(), lostPackets: Type.Integer() }), {
    description: 'where packets are missing',
  }),
  sha256: Type.Optional(Type.String({ description: 'of the finished file, hexadecimal' })),
  progress: Type.Optional(Type.Number({ description: 'of finishing, 0 to 1' })),
  upload: Type.Optional(UploadObject),
  localDeleted: Type.Optional(Type.Boolean({ description: 'it was deleted here after its upload' })),
});

export type RecordingObject = Static<typeof RecordingObject>;

/** Body of `/recording/find`: values that a file must have. */
export const RecordingFilter = Type.Object({
  id: Type.Optional(text('the file')),
  streamName: Type.Optional(text('the stream')),
  mediaSessionId: Type.Optional(text('the publication')),
  appKey: Type.Optional(text('application of the publisher')),
  state: Type.Optional(text('`recording`, `finalising`, `complete` or `failed`')),
  fileName: Type.Optional(text('path below the folder of recordings')),
  from: Type.Optional(
    Type.Integer({ minimum: 0, description: 'begun at this time or later, milliseconds since 1970' }),
  ),
  to: Type.Optional(Type.Integer({ minimum: 0, description: 'begun before this time, milliseconds since 1970' })),
  offset: Type.Optional(Type.Integer({ minimum: 0, description: 'so many of the newest are left out' })),
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_LIST_LENGTH,
      description: `so many at most; ${MAX_LIST_LENGTH} by default`,
    }),
  ),
});

export type RecordingFilter = Static<typeof RecordingFilter>;

/** Body of `/recording/delete`. */
export const RecordingDeletion = Type.Object({ id: name('the file, as `/recording/find` names it') });
