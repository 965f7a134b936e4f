import type { IncomingMessage } from 'node:http';
import { isSecure } from './request-facts.ts';

const MAX_COOKIES_LENGTH = 8192;

/**
 * The cookie's name. Browsers keep cookies by host, not by port, so that the port tells servers of one machine apart;
 * and one that was set by HTTPS can't be set by HTTP, so that each has its own.
 */
function cookieName(request: IncomingMessage): string {
  const port = request.socket.localPort ?? 0;
  return isSecure(request) ? `__Host-sluice-${port}` : `sluice-${port}`;
}

/** The secret in the session's cookie, or undefined. */
export function sessionToken(request: IncomingMessage): string | undefined {
  const { cookie = '' } = request.headers;
  if (cookie.length > MAX_COOKIES_LENGTH) return undefined;
  const prefix = `${cookieName(request)}=`;
  const found = cookie.split(';').find((part) => part.trimStart().startsWith(prefix));
  return found?.trim().slice(prefix.length);
}

/**
 * The `Set-Cookie` header for a session; an empty token takes the cookie away. Scripts can't read it, other sites can't
 * make the browser send it, and it ends with the browser.
 */
export function sessionCookie(request: IncomingMessage, token: string): string {
  const attributes = ['Path=/', 'HttpOnly', 'SameSite=Strict'];
  if (isSecure(request)) attributes.push('Secure');
  if (token === '') attributes.push('Max-Age=0');
  return `${cookieName(request)}=${token}; ${attributes.join('; ')}`;
}
