import Type, { type Static } from 'typebox';

/** One line of the server's log. */
export const LogLine = Type.Object({
  /** Counts up by 1 with each line since the start of the server. */
  number: Type.Integer(),
  /** Milliseconds since 1970. */
  timeMs: Type.Integer(),
  level: Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')]),
  message: Type.String(),
  /** What belongs to the message, by name; long values are cut. */
  fields: Type.Record(Type.String(), Type.String()),
});

export type LogLine = Static<typeof LogLine>;

/**
 * Body of `GET /api/log?since=<number>`: the newest lines of the log that the server still has, oldest first, 500 at
 * most; with `since`, those with a greater number. To go on, pass `next`. Our own, not part of the WCS API.
 */
export const LogBody = Type.Object({
  /** Another value means that the server was started anew: numbers begin at 1 again. */
  startedMs: Type.Integer(),
  /** Least severe lines that the server logs. */
  level: Type.String(),
  lines: Type.Array(LogLine),
  /** Number of the last line that was told, or `since`. */
  next: Type.Integer(),
  /** Lines after `since` that are not kept any more. */
  missed: Type.Integer(),
});

export type LogBody = Static<typeof LogBody>;
