import Type, { type Static } from 'typebox';

/** One client's connection, as the console lists it. What a client does not say is empty. */
export const ConnectionRow = Type.Object({
  /** Names the connection to `/rest-api/connection/terminate`. */
  sessionId: Type.String(),
  appKey: Type.String(),
  protocol: Type.String(),
  /** `PENDING` or `ESTABLISHED`. */
  status: Type.String(),
  clientVersion: Type.String(),
  clientOsVersion: Type.String(),
  clientBrowserVersion: Type.String(),
  /** Page that the client runs in. */
  origin: Type.String(),
  remoteAddress: Type.String(),
  /** Milliseconds since 1970. */
  sinceMs: Type.Integer(),
  bytesIn: Type.Integer(),
  bytesOut: Type.Integer(),
});

export type ConnectionRow = Static<typeof ConnectionRow>;

/** Query of `GET /api/connections`; as that of `/api/sessions`. */
export const ConnectionsQuery = Type.Object({
  text: Type.Optional(Type.String({ maxLength: 1024 })),
  offset: Type.Optional(Type.Integer({ minimum: 0 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
});

export type ConnectionsQuery = Static<typeof ConnectionsQuery>;

/** Body of `GET /api/connections`, the newest first. Our own, not part of the WCS API. */
export const ConnectionsBody = Type.Object({
  total: Type.Integer(),
  matching: Type.Integer(),
  connections: Type.Array(ConnectionRow),
});

export type ConnectionsBody = Static<typeof ConnectionsBody>;
