import Type, { type Static } from 'typebox';

/** One publication or playback of any protocol, as the console lists it. */
export const SessionRow = Type.Object({
  mediaSessionId: Type.String(),
  /** Of the connection that carries it, see ConnectionRow. */
  sessionId: Type.String(),
  appKey: Type.String(),
  protocol: Type.String(),
  mediaType: Type.Union([Type.Literal('publish'), Type.Literal('play')]),
  streamName: Type.String(),
  status: Type.String(),
  transport: Type.String(),
  remoteAddress: Type.String(),
  /** When it began, milliseconds since 1970. */
  sinceMs: Type.Integer(),
  bytesIn: Type.Integer(),
  bytesOut: Type.Integer(),
  /** Bits a second, over about the last three seconds. */
  bitrateIn: Type.Integer(),
  bitrateOut: Type.Integer(),
  packets: Type.Integer(),
  /** Bytes that wait in the server for this peer. */
  queuedBytes: Type.Integer(),
  /** Packets that did not go through, without tracks left out on purpose. */
  drops: Type.Integer(),
  /** Packets that the network lost; absent where the protocol can't tell. */
  lost: Type.Optional(Type.Integer()),
  /** Drops by reason, with those left out on purpose (`not_carried`). */
  dropsByReason: Type.Record(Type.String(), Type.Integer()),
});

export type SessionRow = Static<typeof SessionRow>;

/** Query of `GET /api/sessions`; what is absent does not narrow. */
export const SessionsQuery = Type.Object({
  /** Part of a stream's name, an address, an id or an application; letter case does not count. */
  text: Type.Optional(Type.String({ maxLength: 1024 })),
  protocol: Type.Optional(Type.String({ maxLength: 32 })),
  mediaType: Type.Optional(Type.Union([Type.Literal('publish'), Type.Literal('play')])),
  /** Newest first, or the largest value first. Default `since`. */
  sort: Type.Optional(
    Type.Union([Type.Literal('since'), Type.Literal('bitrate'), Type.Literal('drops'), Type.Literal('queue')]),
  ),
  /** Rows to pass over. Default 0. */
  offset: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Most rows to tell. Default 50. */
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
});

export type SessionsQuery = Static<typeof SessionsQuery>;

/** Body of `GET /api/sessions`. Our own, not part of the WCS API. */
export const SessionsBody = Type.Object({
  /** All sessions of the server. */
  total: Type.Integer(),
  /** Those that the query asks for, on this page or not. */
  matching: Type.Integer(),
  /** Protocols that have a session now. */
  protocols: Type.Array(Type.String()),
  sessions: Type.Array(SessionRow),
});

export type SessionsBody = Static<typeof SessionsBody>;

const Series = Type.Array(Type.Number());

/**
 * Body of `GET /api/sessions/<mediaSessionId>?since=<ms>`: one session and how it went in the last minutes, in columns
 * as in StreamHistoryBody. Answers 404 when the session is over. The columns are empty for a session that began while
 * the server had too many to keep a history of each.
 */
export const SessionHistoryBody = Type.Object({
  session: SessionRow,
  startedMs: Type.Integer(),
  intervalMs: Type.Integer(),
  timesMs: Type.Array(Type.Integer()),
  bitsInPerSecond: Series,
  bitsOutPerSecond: Series,
  /** Packets that did not go through in the sample's second, without tracks left out on purpose. */
  drops: Series,
  /** Packets that the network lost in the sample's second; 0 where the protocol can't tell. */
  lost: Series,
  /** Bytes that waited in the server at the sample's time. */
  queuedBytes: Series,
});

export type SessionHistoryBody = Static<typeof SessionHistoryBody>;
