import Type, { type Static } from 'typebox';
import { RecordingObject, RunningRecordingObject } from '../rest/recording.ts';

/** Query of `GET /api/recordings`; what is absent does not narrow. */
export const RecordingsQuery = Type.Object({
  /** Part of a stream's name, a file's name, an id or a login; letter case does not count. */
  text: Type.Optional(Type.String({ maxLength: 1024 })),
  state: Type.Optional(Type.String({ maxLength: 32 })),
  offset: Type.Optional(Type.Integer({ minimum: 0 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
});

export type RecordingsQuery = Static<typeof RecordingsQuery>;

/** Answer of `GET /api/recordings`: one page of files, the newest first, and all recordings that run. */
export const RecordingsBody = Type.Object({
  /** False where the settings forbid to record. */
  enabled: Type.Boolean(),
  total: Type.Integer(),
  matching: Type.Integer(),
  /** Of all files that are here. */
  totalBytes: Type.Integer(),
  /** Where recordings go; absent while the folder can't be read. */
  disk: Type.Optional(Type.Object({ freeBytes: Type.Number(), sizeBytes: Type.Number() })),
  running: Type.Array(RunningRecordingObject),
  recordings: Type.Array(RecordingObject),
});

export type RecordingsBody = Static<typeof RecordingsBody>;
