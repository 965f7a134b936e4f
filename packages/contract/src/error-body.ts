import Type, { type Static } from 'typebox';

/** Body of every answer that is not 200 (rest-api.md §1.5). Clients may rely on `status`; `message` is for people. */
export const ErrorBody = Type.Object({
  /** When the error was answered, milliseconds since 1970. */
  timestamp: Type.Integer(),
  /** Equal to the HTTP status code. */
  status: Type.Integer(),
  /** Reason phrase of the status code, such as `Not Found`. */
  error: Type.String(),
  message: Type.String(),
  /** Path of the request, without its query. */
  path: Type.String(),
});

export type ErrorBody = Static<typeof ErrorBody>;
