import Type, { type Static } from 'typebox';

/**
 * Body of `GET /?action=stat&format=json`: groups of values by WCS's names (rest-hooks.md §9). Lists are objects, such as
 * `streams_viewers`: viewers by stream name; the key with `_omitted` added tells how many streams a list leaves out.
 */
export const StatBody = Type.Record(
  Type.String(),
  Type.Record(Type.String(), Type.Union([Type.Number(), Type.String(), Type.Record(Type.String(), Type.Unknown())])),
);

export type StatBody = Static<typeof StatBody>;
