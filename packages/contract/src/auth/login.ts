import Type, { type Static } from 'typebox';

/** Body of `POST /api/login`. Our own, not part of the WCS API. Answered with a `SessionBody` and a cookie, or 401. */
export const LoginRequest = Type.Object({
  user: Type.String({ maxLength: 64 }),
  password: Type.String({ maxLength: 256 }),
});

export type LoginRequest = Static<typeof LoginRequest>;

/** Body of `GET /api/session`, and of `POST /api/login` and `/api/logout`: how the server sees who asks. */
export const SessionBody = Type.Object({
  /** Who is logged in; null for nobody. */
  user: Type.Union([Type.String(), Type.Null()]),
  /** Whether calls from where the client is need a login. */
  needed: Type.Boolean(),
});

export type SessionBody = Static<typeof SessionBody>;
