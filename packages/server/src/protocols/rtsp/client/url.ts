import { MediaServerError } from '../../../core/index.ts';

/** A user name and a password as they are, without percent-encoding. */
export interface RtspCredentials {
  readonly user: string;
  readonly password: string;
}

/** Where an RTSP server is and how it is to be spoken to, out of an address that people write. */
export interface RtspAddress {
  /** `rtsp`, `rtsps`, `rtsph` (RTSP over HTTP) or `rtspu` (media by UDP first). */
  readonly scheme: RtspScheme;
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly credentials: RtspCredentials | undefined;
  /** Path and query as requests have them; at least `/`. */
  readonly path: string;
  /** For request lines: `rtsp://host:port/path`, without credentials. */
  readonly requestUrl: string;
  /** What an `OutboundAddresses` is asked about: the same with the scheme as it was written. */
  readonly outboundUrl: string;
}

export type RtspScheme = 'rtsp' | 'rtsps' | 'rtsph' | 'rtspu';

export const RTSP_SCHEMES: readonly RtspScheme[] = ['rtsp', 'rtsps', 'rtsph', 'rtspu'];

/** Ports where the address has none: RFC 2326 §3.2, IANA for `rtsps`, and that of HTTP for the tunnel. */
const PORTS: Readonly<Record<RtspScheme, number>> = { rtsp: 554, rtspu: 554, rtsps: 322, rtsph: 80 };

const MAX_URL_CHARACTERS = 4096;

/**
 * Reads an address.
 * @throws MediaServerError URL_INVALID
 */
export function parseRtspUrl(url: string): RtspAddress {
  const parsed = url.length <= MAX_URL_CHARACTERS ? parseOrUndefined(url) : undefined;
  const scheme = parsed && RTSP_SCHEMES.find((known) => `${known}:` === parsed.protocol);
  if (parsed === undefined || scheme === undefined || parsed.hostname === '')
    throw new MediaServerError(
      'URL_INVALID',
      'not an address of RTSP: rtsp://user:password@host:port/path is expected, with special characters of the ' +
        'password percent-encoded',
    );
  const port = parsed.port === '' ? PORTS[scheme] : Number(parsed.port);
  if (port === 0) throw new MediaServerError('URL_INVALID', 'port 0 can not be connected to');
  const path = `${parsed.pathname || '/'}${parsed.search}`;
  const place = `${parsed.hostname}:${port}${path}`;
  return {
    scheme,
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    credentials: credentialsOf(parsed),
    path,
    requestUrl: `${scheme === 'rtsps' ? 'rtsps' : 'rtsp'}://${place}`,
    outboundUrl: `${scheme}://${place}`,
  };
}

/**
 * The address that a redirection leads to. Credentials go along within a host only, and not from TLS to plain text.
 * @throws MediaServerError URL_INVALID
 */
export function redirected(from: RtspAddress, location: string): RtspAddress {
  const to = parseRtspUrl(absolute(from, location.trim()));
  // What servers call rtsp:// says nothing of how they are reached: the tunnel and UDP stay.
  const kept = to.scheme === 'rtsp' && (from.scheme === 'rtspu' || from.scheme === 'rtsph') ? from.scheme : to.scheme;
  const trusted = to.host.toLowerCase() === from.host.toLowerCase() && (from.scheme !== 'rtsps' || kept === 'rtsps');
  return { ...to, scheme: kept, credentials: to.credentials ?? (trusted ? from.credentials : undefined) };
}

function absolute(from: RtspAddress, location: string): string {
  if (/^[a-z][a-z0-9+.-]*:/i.test(location)) return location;
  return URL.canParse(location, from.outboundUrl) ? new URL(location, from.outboundUrl).href : location;
}

function parseOrUndefined(url: string): URL | undefined {
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}

function credentialsOf({ username, password }: URL): RtspCredentials | undefined {
  if (username === '' && password === '') return undefined;
  return { user: decoded(username), password: decoded(password) };
}

/** A lone `%` is one. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
