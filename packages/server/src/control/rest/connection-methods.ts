import { ConnectionFilter, ConnectionObject, ConnectionReference, LogLevelRequest } from '@sluice/contract';
import Type from 'typebox';
import type { ClientConnection, LogLevel } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { withoutSecretValues } from '../secret-names.ts';
import { connectionObject } from './connection-object.ts';
import { isEmpty, matches } from './filter.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';
import { endSession } from './stream-methods.ts';

const SESSION_ENDED = 'Stopped by session disconnect';
const TERMINATED = 'Stopped by rest /terminate';
const NO_SUCH = 'no connection has that sessionId';

/** This server knows nothing less severe than `debug`. */
const LEVELS: Readonly<Record<LogLevelRequest['logLevel'], LogLevel>> = {
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/** `/connection` (rest-api.md §2). */
export const CONNECTION_METHODS = [
  restMethod({
    path: '/connection/find_all',
    summary: 'Lists the connections of clients: RTMP, and the WebSockets of the Web SDK.',
    request: Type.Object({}),
    answer: Type.Array(ConnectionObject),
    errors: { 404: 'there are none' },
    run: ({ deps }) => findConnections(deps, {}),
  }),
  restMethod({
    path: '/connection/find',
    summary: 'Finds the connections that have all values of the filter; all connections without one.',
    request: ConnectionFilter,
    answer: Type.Array(ConnectionObject),
    errors: { 404: 'no connection matches' },
    example: { appKey: 'defaultApp', status: 'ESTABLISHED' },
    run: ({ deps, body }) => findConnections(deps, body),
  }),
  restMethod({
    path: '/connection/terminate',
    summary: 'Ends all that a connection publishes and plays, then the connection.',
    request: ConnectionReference,
    answer: undefined,
    errors: { 404: NO_SUCH },
    example: { sessionId: '/192.0.2.7:50000/192.0.2.1:8080' },
    run: ({ deps, body }) => terminateConnection(deps, body),
  }),
  restMethod({
    path: '/connection/set_log_level',
    summary: 'Sets which lines about a client are logged, until it leaves.',
    details: '`TRACE` is the same as `DEBUG` here.',
    request: LogLevelRequest,
    answer: undefined,
    errors: { 404: NO_SUCH, 501: 'connections of that protocol have no log level of their own' },
    example: { sessionId: '/192.0.2.7:50000/192.0.2.1:8080', logLevel: 'DEBUG' },
    run: ({ deps, body }) => {
      const connection = connectionOf(deps, body.sessionId);
      if (connection.setLogLevel === undefined) {
        const { protocol } = connection.describe();
        throw new RestError(501, `${protocol} connections have no log level of their own`);
      }
      connection.setLogLevel(LEVELS[body.logLevel]);
    },
  }),
];

/**
 * Ends all that the connection publishes and plays, then the connection.
 * @throws RestError 404 when no connection has that `sessionId`
 */
export function terminateConnection(
  deps: Pick<ControlDeps, 'streams' | 'sessions' | 'connections'>,
  { sessionId }: ConnectionReference,
): void {
  const connection = connectionOf(deps, sessionId);
  for (const session of [...deps.sessions.all()]) {
    if (session.describe().sessionId === sessionId) endSession(deps.streams, session, SESSION_ENDED);
  }
  connection.close(TERMINATED);
}

function findConnections(
  deps: Pick<ControlDeps, 'connections' | 'secretFields'>,
  filter: ConnectionFilter,
): ConnectionObject[] {
  const found: ConnectionObject[] = [];
  for (const connection of deps.connections.all()) {
    const object = connectionObject(connection.describe());
    object.custom = withoutSecretValues(object.custom, deps.secretFields);
    if (matches(object, filter)) found.push(object);
  }
  if (found.length === 0) throw new RestError(404, isEmpty(filter) ? 'no connections' : 'no connection matches');
  return found;
}

function connectionOf(deps: Pick<ControlDeps, 'connections' | 'secretFields'>, sessionId: string): ClientConnection {
  const connection = deps.connections.get(sessionId);
  if (connection === undefined) throw new RestError(404, NO_SUCH);
  return connection;
}
