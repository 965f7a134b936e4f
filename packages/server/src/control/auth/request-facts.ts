import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { isLoopback } from './attempt-limiter.ts';

/** Headers by which a proxy says that a request is somebody else's, besides all that speak of `forwarded`. */
const PROXY_HEADERS: ReadonlySet<string> = new Set([
  'via',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fly-client-ip',
]);

/** Values of `Sec-Fetch-Site` of what no page of another origin has caused; undefined when it is no browser's at all. */
const OWN_SITES: ReadonlySet<unknown> = new Set([undefined, 'same-origin', 'none']);

/**
 * Whether a program on this machine asks, for itself. Not so by a proxy on this machine, which passes on what comes from
 * anywhere; nor by a browser on this machine for a page from elsewhere, be it directly (`Origin`, `Sec-Fetch-Site`) or
 * by a name that its owner lets point to this machine (`Host`; "DNS rebinding").
 */
export function isLocalRequest(request: IncomingMessage): boolean {
  if (!isLoopback(request.socket.remoteAddress ?? '')) return false;
  // nginx asks by HTTP/1.0, for `localhost` and without a word of its own, unless it is told otherwise.
  if (request.httpVersion === '1.0') return false;
  const names = Object.keys(request.headers);
  if (names.some((name) => name.includes('forwarded') || PROXY_HEADERS.has(name))) return false;
  const hosts = request.headersDistinct['host'] ?? [];
  if (hosts.length !== 1 || !isLoopbackHost(hostnameOf(hosts[0] ?? ''))) return false;
  const { origin } = request.headers;
  if (origin !== undefined) return isLoopbackHost(hostnameOfOrigin(origin));
  // Without one it is no browser's, or one that looks at the address itself: even a link must not do anything here.
  return OWN_SITES.has(request.headers['sec-fetch-site']);
}

/**
 * Whether a page of another origin than the server's makes a browser send this, which may add what the user once logged
 * in with. Programs that are no browsers send no `Origin` and are not concerned.
 */
export function isForeignPage(request: IncomingMessage): boolean {
  const { origin } = request.headers;
  // Only browsers set it, pages can't; it is right even where a proxy has changed the host.
  if (request.headers['sec-fetch-site'] === 'same-origin') return false;
  if (origin === undefined) return isBlindForeignFetch(request);
  const host = request.headersDistinct['host'] ?? [];
  if (host.length !== 1 || !URL.canParse(origin)) return true;
  const { protocol } = new URL(origin);
  // The port that the scheme has anyway may be left out on either side.
  const scheme = protocol === 'https:' ? 'https' : 'http';
  const own = `${scheme}://${host[0]}`;
  return !URL.canParse(own) || new URL(own).host !== new URL(origin).host;
}

/** A browser fetches it for another page in a way that tells no origin, as a picture say. Links may be followed. */
function isBlindForeignFetch({ headers }: IncomingMessage): boolean {
  return !OWN_SITES.has(headers['sec-fetch-site']) && headers['sec-fetch-mode'] !== 'navigate';
}

/** Whether the client's own connection is encrypted, be it by a proxy that says so: wrong words only hurt who says them. */
export function isSecure(request: IncomingMessage): boolean {
  return request.socket instanceof TLSSocket || request.headers['x-forwarded-proto'] === 'https';
}

function hostnameOf(host: string): string {
  const url = `http://${host}`;
  // What a parser would understand beyond host and port could be understood in two ways.
  return /^[A-Za-z0-9.:[\]-]+$/.test(host) && URL.canParse(url) ? new URL(url).hostname : '';
}

function hostnameOfOrigin(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).hostname : '';
}

function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
