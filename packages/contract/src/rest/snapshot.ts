import Type, { type Static } from 'typebox';
import { text } from './fields.ts';

const size = (description: string) => Type.Optional(Type.Integer({ minimum: 1, maximum: 4096, description }));

/** Body of `/stream/snapshot` (rest-api.md §3); the stream is named in one of three ways. */
export const SnapshotTaking = Type.Object({
  streamName: Type.Optional(text('the stream')),
  name: Type.Optional(text('the stream as well')),
  mediaSessionId: Type.Optional(text('a publication or playback of the stream')),
  format: Type.Optional(Type.Enum(['png', 'jpeg'], { description: '`png` when it is not given' })),
  width: size('pixels; with one of both the other follows from the shape of the picture'),
  height: size('pixels'),
  quality: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'of JPEG' })),
});

export type SnapshotTaking = Static<typeof SnapshotTaking>;

/** Answer of `/stream/snapshot`. */
export const SnapshotTaken = Type.Object({ data: Type.String({ description: 'the picture, in base64' }) });
