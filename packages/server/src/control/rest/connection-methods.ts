import type { ConnectionObject } from '@sluice/contract';
import type { ConnectionDescription } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { type FilterFields, matches, readFilter } from './filter.ts';
import { badParameters, RestError } from './rest-error.ts';
import { endSession } from './stream-methods.ts';

/** Fields of the connection object that can be filtered by (rest-api.md §2). */
const FIELDS: FilterFields = {
  clientVersion: 'string',
  sessionId: 'string',
  appKey: 'string',
  status: 'string',
  login: 'string',
};

const SESSION_ENDED = 'Stopped by session disconnect';
const TERMINATED = 'Stopped by rest /terminate';

type Deps = Pick<ControlDeps, 'streams' | 'sessions' | 'connections'>;

/** `/connection/find_all`. @throws RestError 404 when there is none */
export function findAllConnections(deps: Deps): ConnectionObject[] {
  return findConnections(deps, {});
}

/**
 * `/connection/find`: connections that have all values of the filter; all of them without one.
 * @throws RestError 404 when there is none, 500 for values of a wrong type
 */
export function findConnections(deps: Deps, body: object): ConnectionObject[] {
  const filter = readFilter(body, FIELDS);
  const found: ConnectionObject[] = [];
  for (const connection of deps.connections.all()) {
    const object = connectionObject(connection.describe());
    if (matches(object, filter)) found.push(object);
  }
  if (found.length === 0) throw new RestError(404, filter.size === 0 ? 'no connections' : 'no connection matches');
  return found;
}

/**
 * `/connection/terminate`: ends all that the connection publishes and plays, then the connection.
 * @throws RestError 404 when no connection has that `sessionId`, 500 without one
 */
export function terminateConnection(deps: Deps, body: object): void {
  const sessionId = readFilter(body, { sessionId: 'string' }).get('sessionId');
  if (typeof sessionId !== 'string' || sessionId === '') throw badParameters('sessionId is missing');
  const connection = deps.connections.get(sessionId);
  if (connection === undefined) throw new RestError(404, 'no connection has that sessionId');
  for (const session of [...deps.sessions.all()]) {
    if (session.describe().sessionId === sessionId) endSession(deps.streams, session, SESSION_ENDED);
  }
  connection.close(TERMINATED);
}

/** The WCS object of a connection. */
function connectionObject(connection: ConnectionDescription): ConnectionObject {
  const { appKey, sessionId, status, clientVersion, keepAlive, login, createDate } = connection;
  return {
    custom: { ...connection.custom },
    appKey,
    sessionId,
    ...NOT_HAD,
    mediaProviders: [...(connection.mediaProviders ?? [connection.mediaProvider])],
    clientOSVersion: connection.clientOsVersion ?? '',
    clientBrowserVersion: connection.clientBrowserVersion ?? '',
    origin: connection.origin ?? '',
    status,
    clientVersion,
    keepAlive,
    login,
    createDate,
  };
}

/** What only SIP phones have, and what is not told. */
const NOT_HAD = {
  sipRegisterRequired: false,
  sipLogin: '',
  sipAuthenticationName: '',
  sipPassword: '',
  sipVisibleName: '',
  sipDomain: '',
  sipOutboundProxy: '',
  sipPort: 0,
  sipContactParams: '',
  width: 0,
  height: 0,
  supportedResolutions: '0x0',
  useProxy: false,
  useDTLS: false,
  useWsTunnel: false,
  useWsTunnelPacketization2: false,
  useBase64BinaryEncoding: false,
  // Whoever knows it can take the session over.
  authToken: '',
} as const;
