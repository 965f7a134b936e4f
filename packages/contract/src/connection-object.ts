import Type, { type Static } from 'typebox';

/**
 * One client's connection as `/rest-api/connection/find_all` tells it (rest-api.md §2). What a client does not have is
 * empty, 0 or false.
 */
export const ConnectionObject = Type.Object({
  custom: Type.Record(Type.String(), Type.Unknown(), { description: 'what the client connected with' }),
  nodeId: Type.Optional(Type.String({ description: 'the server' })),
  appKey: Type.String({ description: 'application of the client' }),
  sessionId: Type.String({
    description: '`/<client ip>:<port>/<server ip>:<port>`; names the connection to other methods',
  }),
  sipRegisterRequired: Type.Boolean(),
  sipLogin: Type.String(),
  sipAuthenticationName: Type.String(),
  sipPassword: Type.String(),
  sipVisibleName: Type.String(),
  sipDomain: Type.String(),
  sipOutboundProxy: Type.String(),
  sipPort: Type.Integer(),
  sipContactParams: Type.String(),
  width: Type.Integer(),
  height: Type.Integer(),
  supportedResolutions: Type.String(),
  useProxy: Type.Boolean(),
  useDTLS: Type.Boolean(),
  useWsTunnel: Type.Boolean(),
  useWsTunnelPacketization2: Type.Boolean(),
  useBase64BinaryEncoding: Type.Boolean(),
  mediaProviders: Type.Array(Type.String(), { description: 'what the client can play and publish by' }),
  status: Type.String({ description: '`PENDING` or `ESTABLISHED`' }),
  authToken: Type.String({ description: 'always empty: who knows it can take the session over' }),
  clientVersion: Type.String({ description: 'what the client calls itself' }),
  clientOSVersion: Type.String({ description: 'operating system of a browser' }),
  clientBrowserVersion: Type.String({ description: 'name and version of a browser' }),
  keepAlive: Type.Boolean({ description: 'the client answers pings' }),
  origin: Type.String({ description: 'origin of the page' }),
  login: Type.String({ description: 'token that the server gave the connection' }),
  createDate: Type.Integer({ description: 'milliseconds since 1970' }),
});

export type ConnectionObject = Static<typeof ConnectionObject>;
