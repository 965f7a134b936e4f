import Type, { type Static } from 'typebox';

/** Query of `GET /api/relays`; what is absent does not narrow. */
export const RelaysQuery = Type.Object({
  /** Part of a stream's name or an address; letter case does not count. */
  text: Type.Optional(Type.String({ maxLength: 1024 })),
  offset: Type.Optional(Type.Integer({ minimum: 0 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
});

export type RelaysQuery = Static<typeof RelaysQuery>;

/** A stream that comes from another server or a camera, or goes to one. */
export const RelayRow = Type.Object({
  mediaSessionId: Type.String(),
  direction: Type.Enum(['pull', 'push']),
  protocol: Type.String(),
  origin: Type.Enum(['api', 'viewer', 'settings', 'publisher']),
  /** Without credentials. */
  url: Type.String(),
  streamName: Type.String(),
  remoteStreamName: Type.Optional(Type.String()),
  state: Type.Enum(['connecting', 'connected', 'running', 'waiting', 'stopped']),
  sinceMs: Type.Integer(),
  attempts: Type.Integer(),
  reconnects: Type.Integer(),
  lastError: Type.Optional(Type.Object({ message: Type.String(), atMs: Type.Integer() })),
  nextAttemptAtMs: Type.Optional(Type.Integer()),
  notes: Type.Array(Type.String()),
  bytes: Type.Integer(),
  lostPackets: Type.Optional(Type.Integer()),
  droppedPackets: Type.Integer(),
  muted: Type.Boolean(),
});

export type RelayRow = Static<typeof RelayRow>;

/** Answer of `GET /api/relays`: one page, the newest first. */
export const RelaysBody = Type.Object({
  total: Type.Integer(),
  matching: Type.Integer(),
  relays: Type.Array(RelayRow),
});

export type RelaysBody = Static<typeof RelaysBody>;
