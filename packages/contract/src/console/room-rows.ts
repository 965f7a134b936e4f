import Type, { type Static } from 'typebox';

/** A stream that a member of a room publishes. */
export const RoomStreamRow = Type.Object({
  name: Type.String(),
  mediaSessionId: Type.String(),
  /** How loud it is, dBov from -127 to 0; absent when its publisher does not tell. */
  loudness: Type.Optional(Type.Integer()),
  /** Somebody speaks there. */
  speaking: Type.Boolean(),
});

export type RoomStreamRow = Static<typeof RoomStreamRow>;

export const RoomMemberRow = Type.Object({
  login: Type.String(),
  sessionId: Type.String(),
  /** Milliseconds since 1970. */
  joinedAtMs: Type.Integer(),
  /** False while its connection is lost and it may still come back. */
  connected: Type.Boolean(),
  streams: Type.Array(RoomStreamRow),
});

export type RoomMemberRow = Static<typeof RoomMemberRow>;

/** A room of the Web SDK's Room API, at this moment. */
export const RoomRow = Type.Object({
  name: Type.String(),
  appKey: Type.String(),
  /** Milliseconds since 1970. */
  createdAtMs: Type.Integer(),
  /** All its streams are recorded. */
  record: Type.Boolean(),
  /** In the order in which they came. */
  members: Type.Array(RoomMemberRow),
});

export type RoomRow = Static<typeof RoomRow>;

/** Query of `GET /api/rooms`; what is absent does not narrow. */
export const RoomsQuery = Type.Object({
  /** Part of a room's name or of a member's login; letter case does not count. */
  text: Type.Optional(Type.String({ maxLength: 1024 })),
  offset: Type.Optional(Type.Integer({ minimum: 0 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
});

export type RoomsQuery = Static<typeof RoomsQuery>;

/** Answer of `GET /api/rooms`: one page, the oldest first. */
export const RoomsBody = Type.Object({ total: Type.Integer(), matching: Type.Integer(), rooms: Type.Array(RoomRow) });

export type RoomsBody = Static<typeof RoomsBody>;
