import { ConnectionRequest } from '@sluice/contract';
import type { Fields } from '../../core/index.ts';
import { objectOf } from './client-message.ts';

/** WCS's application of clients that name none. */
export const DEFAULT_APP = 'defaultApp';

/** Told to every client and never true here (§2.3). */
const TUNNELS = { useWsTunnel: false, useWsTunnelPacketization2: false, useBase64BinaryEncoding: false };
/** What the client gets back of its connection; anything else could switch on what it is not made for (§15). */
const ECHOED = [...Object.keys(ConnectionRequest.properties), 'sipVisibleName', 'sipContactParams'];
const SECRET = 'sipPassword';

/** Fields of the `connect` hook (rest-hooks.md §6.1); `authToken` of a session that is to be resumed. */
export function connectFields(
  said: Partial<ConnectionRequest>,
  known: { readonly origin: string; readonly authToken: string | undefined },
): Fields {
  const { appKey: _appKey, authToken: _authToken, custom: _custom, ...fields } = said;
  const { origin, authToken } = known;
  return {
    ...fields,
    keepAlive: said.keepAlive === true,
    ...(authToken === undefined ? {} : { authToken }),
    ...TUNNELS,
    origin,
    status: 'PENDING',
  };
}

/** What the client may see again of its connection, as the back end left it (websdk-signalling.md §2.3). */
export function userData(fields: Fields, said: Partial<ConnectionRequest>): Fields {
  const echo = Object.entries({ ...said, ...fields }).filter(([name]) => ECHOED.includes(name) && name !== SECRET);
  const body: Record<string, unknown> = { ...Object.fromEntries(echo), ...TUNNELS };
  // The hook has these even where the client did not say them, or said what the hook has no place for.
  if (said.keepAlive === undefined && body['keepAlive'] === false) delete body['keepAlive'];
  if (said.custom !== undefined && objectOf(said.custom) !== said.custom) body['custom'] = said.custom;
  return body;
}

/** What is kept of the client's words, for a session that may be resumed: all but its password. */
export function withoutPassword(said: Partial<ConnectionRequest>): Partial<ConnectionRequest> {
  const { sipPassword: _secret, ...rest } = said;
  return rest;
}
