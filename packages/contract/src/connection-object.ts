import Type, { type Static } from 'typebox';

/**
 * One client's connection as `/rest-api/connection/find_all` tells it (rest-api.md §2). What a client does not have is
 * empty, 0 or false.
 */
export const ConnectionObject = Type.Object({
  /** What the client connected with: any JSON by field. */
  custom: Type.Record(Type.String(), Type.Unknown()),
  nodeId: Type.Optional(Type.String()),
  appKey: Type.String(),
  /** `/<client ip>:<port>/<server ip>:<port>`; names the connection to `/connection/terminate`. */
  sessionId: Type.String(),
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
  mediaProviders: Type.Array(Type.String()),
  /** `PENDING` or `ESTABLISHED`. */
  status: Type.String(),
  authToken: Type.String(),
  clientVersion: Type.String(),
  clientOSVersion: Type.String(),
  clientBrowserVersion: Type.String(),
  keepAlive: Type.Boolean(),
  origin: Type.String(),
  /** Token that the server gave the connection. */
  login: Type.String(),
  /** Milliseconds since 1970. */
  createDate: Type.Integer(),
});

export type ConnectionObject = Static<typeof ConnectionObject>;
