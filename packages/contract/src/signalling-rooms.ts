import Type, { type Static } from 'typebox';

/*
 * Rooms of the Web SDK (websdk-signalling.md §12): commands are the `payload` of `sendData`, what happens in a room is the
 * `payload` of `OnDataEvent`. Names and logins are checked by the server, which says what is wrong with them.
 */

/** Command `join`. */
export const JoinRoom = Type.Object({
  name: Type.Optional(Type.String()),
  /** All streams of the room are to be recorded. */
  record: Type.Optional(Type.Boolean()),
});

/** Command `leave`. */
export const LeaveRoom = Type.Object({ name: Type.Optional(Type.String()) });

/** Command `sendMessage`: words for one member. */
export const RoomMessage = Type.Object({
  roomConfig: Type.Optional(Type.Object({ name: Type.String() })),
  to: Type.Optional(Type.String()),
  text: Type.Optional(Type.String()),
});

/** A stream of a member, by the name that others play it by. */
export const RoomStreamInfo = Type.Object(
  { login: Type.String(), name: Type.String() },
  { additionalProperties: false },
);

export type RoomStreamInfo = Static<typeof RoomStreamInfo>;

/** A member in `STATE`: its login alone while it has no streams, else one entry for each of them. */
export const RoomStateEntry = Type.Union([Type.String(), RoomStreamInfo]);

export type RoomStateEntry = Static<typeof RoomStateEntry>;

/** What a member is told. The SDK drops what has no `roomName`. */
export const RoomPush = Type.Union([
  push('STATE', Type.Array(RoomStateEntry)),
  push('JOINED', Type.String()),
  push('LEFT', Type.String()),
  push('PUBLISHED', RoomStreamInfo),
  push('UNPUBLISHED', RoomStreamInfo),
  push('FAILED', RoomStreamInfo),
  push('MESSAGE', Type.Object({ from: Type.String(), text: Type.String() }, { additionalProperties: false })),
]);

export type RoomPush = Static<typeof RoomPush>;

function push<Name extends string, Info extends Type.TSchema>(name: Name, info: Info) {
  return Type.Object({ roomName: Type.String(), name: Type.Literal(name), info }, { additionalProperties: false });
}
