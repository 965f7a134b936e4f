import type { ConnectionObject } from '@sluice/contract';
import type { ConnectionDescription } from '../../core/index.ts';

/** The WCS object of a connection. */
export function connectionObject(connection: ConnectionDescription): ConnectionObject {
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
