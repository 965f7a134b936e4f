import { MediaServerError, type RelayDirection } from '../../../core/index.ts';

/** An address of a relay by WebRTC, taken apart. */
export interface RelayUrl {
  readonly kind: 'http' | 'ws';
  /** Its scheme, without colon: what guards of connections know. */
  readonly scheme: string;
  /** Where to connect to, of scheme http, https, ws or wss, without credentials. */
  readonly url: URL;
  /** Value of `Authorization`; undefined without credentials. */
  readonly authorization: string | undefined;
}

const CONNECTS_BY: Readonly<Record<string, string>> = {
  whip: 'http',
  whips: 'https',
  whep: 'http',
  wheps: 'https',
  ws: 'ws',
  wss: 'wss',
};
/** Where WCS and its SDK have their WebSockets. */
const WCS_PORTS: Readonly<Record<string, string>> = { ws: '8080', wss: '8443' };
const DIRECTION_OF: Readonly<Record<string, RelayDirection>> = {
  whip: 'push',
  whips: 'push',
  whep: 'pull',
  wheps: 'pull',
};

/**
 * Reads an address: `whip(s)://` and `whep(s)://` are HTTP(S), with a token as `?token=` or in front of the host
 * (`whips://:TOKEN@host/…`), `ws(s)://` is the protocol of the Web SDK.
 * @throws MediaServerError URL_INVALID
 */
export function parseRelayUrl(text: string): RelayUrl {
  const scheme = /^([a-z]+):\/\//i.exec(text)?.[1]?.toLowerCase() ?? '';
  const by = Object.hasOwn(CONNECTS_BY, scheme) ? CONNECTS_BY[scheme] : undefined;
  const plain = by === undefined ? '' : by + text.slice(scheme.length);
  if (by === undefined || !URL.canParse(plain))
    throw invalid('it is not whip(s)://, whep(s):// or ws(s):// with a host');
  const url = new URL(plain);
  const authorization = authorizationOf(url);
  url.username = '';
  url.password = '';
  url.hash = '';
  const kind = by.startsWith('ws') ? 'ws' : 'http';
  // The parser leaves a port out that is HTTP's, which is not what is meant here unless somebody wrote it.
  if (kind === 'ws' && url.port === '' && !/^[a-z]+:\/\/[^/?#]*:\d+(?=[/?#]|$)/i.test(text))
    url.port = WCS_PORTS[by] ?? '';
  return { kind, scheme, url, authorization };
}

/** @throws MediaServerError URL_INVALID for an address that media can't go that way by */
export function checkRelayUrl(text: string, direction: RelayDirection): void {
  const { scheme } = parseRelayUrl(text);
  if ((DIRECTION_OF[scheme] ?? direction) === direction) return;
  throw invalid(
    direction === 'pull'
      ? 'WHIP is for what is pushed; pull by whep(s)://'
      : 'WHEP is for what is pulled; push by whip(s)://',
  );
}

/** A user is a user; a password or a user alone is a token (RFC 6750 §2.1). */
function authorizationOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const user = decoded(username);
  const secret = decoded(password);
  if (user !== '' && secret !== '') return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
  const token = user + secret;
  if (!/^[\x21-\x7e]+$/.test(token)) throw invalid('its token has characters that no header can have');
  return `Bearer ${token}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('its user or password can not be read: write % as %25');
  }
}

function invalid(why: string): MediaServerError {
  return new MediaServerError('URL_INVALID', `the address can not be used: ${why}`);
}
