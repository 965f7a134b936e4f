import Type, { type Static } from 'typebox';
import { flag, name, text } from './fields.ts';

/** Body of `/connection/find` (rest-api.md §2): values that a connection must have; all connections without any. */
export const ConnectionFilter = Type.Object({
  sessionId: Type.Optional(text('`/<client ip>:<port>/<server ip>:<port>`')),
  appKey: Type.Optional(text('application of the client')),
  status: Type.Optional(text('`PENDING` or `ESTABLISHED`')),
  clientVersion: Type.Optional(text('what the client calls itself')),
  clientOSVersion: Type.Optional(text('operating system, as the browser tells it')),
  clientBrowserVersion: Type.Optional(text('browser, as it tells it')),
  origin: Type.Optional(text('origin of the page')),
  login: Type.Optional(text('token that the server gave the connection')),
  keepAlive: Type.Optional(flag('the client answers pings')),
});

export type ConnectionFilter = Static<typeof ConnectionFilter>;

/** Body of `/connection/terminate`. */
export const ConnectionReference = Type.Object({ sessionId: name('the connection') });

export type ConnectionReference = Static<typeof ConnectionReference>;

/** Body of `/connection/set_log_level`. */
export const LogLevelRequest = Type.Object({
  sessionId: name('the connection'),
  logLevel: Type.Enum(['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR'], {
    description: 'least severe lines that are logged about the client',
  }),
});

export type LogLevelRequest = Static<typeof LogLevelRequest>;
