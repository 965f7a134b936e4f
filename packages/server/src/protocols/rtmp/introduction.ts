import type { AmfObject } from '@sluice/media';
import type { ClientIntroduction, StreamRequestFacts, StreamState } from '../../core/index.ts';
import type { ConnectFacts } from './connect.ts';
import { APP_KEY, type NamedRequest } from './peer.ts';

/** Connection parameter that names the application. */
const APP_KEY_PARAMETER = 'appKey';
const MAX_URL_CHARACTERS = 2048;

/** The application that the parameters of an address name, or WCS's for RTMP. */
export function appKeyOf(parameters: Readonly<Record<string, string>>): string {
  return parameters[APP_KEY_PARAMETER] || APP_KEY;
}

/** Fields of the `connect` hook as WCS sends them for RTMP (rest-hooks.md §6.1). */
export function connectFields(
  properties: AmfObject,
  own: { readonly login: string; readonly facts: ConnectFacts },
): ClientIntroduction['fields'] {
  const origin = originOf(properties['pageUrl']);
  return {
    useWsTunnel: false,
    useWsTunnelPacketization2: false,
    useBase64BinaryEncoding: false,
    keepAlive: false,
    login: own.login,
    ...(own.facts.flashVer === '' ? {} : { clientVersion: own.facts.flashVer }),
    ...(origin === undefined ? {} : { origin }),
  };
}

/**
 * What the hooks of streams say of a request by RTMP (rest-hooks.md §6.2). Of a publisher nothing is known yet: WCS
 * says sound and no picture then.
 * @param about `state` of the stream that is to be played, if it is live; whether it is to be recorded.
 */
export function requestFacts(
  request: NamedRequest,
  mediaSessionId: string,
  { state, record = false }: { readonly state?: StreamState | undefined; readonly record?: boolean },
): StreamRequestFacts {
  return {
    mediaSessionId,
    name: request.name,
    mediaProvider: 'Flash',
    hasVideo: state?.video !== undefined,
    hasAudio: state === undefined || state.audio !== undefined,
    custom: request.custom,
    fields: { record, width: 0, height: 0, bitrate: 0, minBitrate: 0, maxBitrate: 0, quality: 0 },
  };
}

/** The origin of the page that a player is on, if it says so. */
function originOf(pageUrl: unknown): string | undefined {
  if (typeof pageUrl !== 'string' || pageUrl.length > MAX_URL_CHARACTERS || !URL.canParse(pageUrl)) return undefined;
  const { origin } = new URL(pageUrl);
  return origin === 'null' ? undefined : origin;
}
