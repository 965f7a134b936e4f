import { createHash, randomBytes } from 'node:crypto';
import type { Credentials } from './address.ts';

/** What a server that refused a connection wants to be told by the next one. */
export type AuthStep =
  /** Not about credentials. */
  | { readonly kind: 'none' }
  /** To be added to the application of `connect`. */
  | { readonly kind: 'answer'; readonly query: string }
  /** Nothing helps; `message` is for people. */
  | { readonly kind: 'refused'; readonly message: string };

/** Realm, method and the like of the digest of Limelight: constants of that scheme. */
const LLNW = { realm: 'live', method: 'publish', qop: 'auth', count: '00000001' } as const;
const MAX_FIELD_LENGTH = 512;

/**
 * Reads the description of a refused `connect` and gives the next step of the authentication with which encoders log in:
 * `authmod=adobe` (Flash Media Server, Wowza) or `authmod=llnw` (Limelight). Both ask twice: for the name of the user,
 * then, with a challenge, for the answer to it; each time on a new connection.
 * @param app of `connect`, without what a step added
 */
export function nextAuthStep(description: string, app: string, credentials: Credentials | undefined): AuthStep {
  const scheme = /authmod=(\w+)/.exec(description)?.[1];
  if (scheme === undefined) return { kind: 'none' };
  if (credentials === undefined)
    return refused('the server wants a name and password: rtmp://name:password@host/application');
  if (scheme !== 'adobe' && scheme !== 'llnw')
    return refused(`the server wants a way to log in ("${scheme}") that is not known here`);
  const { user } = credentials;
  // As other encoders do it: written as it is, but for what would end it.
  const query = `authmod=${scheme}&user=${user.replace(/[&=?#%\s]/g, encodeURIComponent)}`;
  const fields = fieldsOf(description);
  const reason = fields.get('reason');
  if (reason === undefined && /code=403 need auth/.test(description)) return { kind: 'answer', query };
  if (reason === 'needauth') {
    const answer = scheme === 'adobe' ? adobe(fields, credentials) : llnw(fields, app, credentials);
    return { kind: 'answer', query: `${query}&${answer}` };
  }
  return refused(
    reason === 'nosuchuser' ? 'the server knows no such user' : 'the server does not take name and password',
  );
}

/** `?reason=needauth&user=…&salt=…&challenge=…&opaque=…`, somewhere in the description. */
function fieldsOf(description: string): ReadonlyMap<string, string> {
  const query = /\?(\S+)/.exec(description)?.[1] ?? '';
  const fields = new Map<string, string>();
  // Values are not encoded: Base64 in them has `+` and `=`.
  for (const part of query.split('&').slice(0, 16)) {
    const mark = part.indexOf('=');
    if (mark > 0) fields.set(part.slice(0, mark), part.slice(mark + 1, mark + 1 + MAX_FIELD_LENGTH));
  }
  return fields;
}

function adobe(fields: ReadonlyMap<string, string>, { user, password }: Credentials): string {
  const own = randomBytes(4).toString('hex');
  const opaque = fields.get('opaque');
  const secret = md5(`${user}${fields.get('salt') ?? ''}${password}`).toString('base64');
  const response = md5(`${secret}${opaque ?? fields.get('challenge') ?? ''}${own}`).toString('base64');
  const rest = opaque === undefined ? '' : `&opaque=${opaque}`;
  return `challenge=${own}&response=${response}${rest}`;
}

/** Like HTTP's digest (RFC 2617 §3.2.2), with a path that has an instance of the application always. */
function llnw(fields: ReadonlyMap<string, string>, app: string, { user, password }: Credentials): string {
  const { realm, method, qop, count } = LLNW;
  const nonce = fields.get('nonce') ?? '';
  const own = randomBytes(4).toString('hex');
  const name = app.replace(/\?.*$/, '');
  const path = name.includes('/') ? `/${name}` : `/${name}/_definst_`;
  const who = md5(`${user}:${realm}:${password}`).toString('hex');
  const what = md5(`${method}:${path}`).toString('hex');
  const response = md5(`${who}:${nonce}:${count}:${own}:${qop}:${what}`).toString('hex');
  return `nonce=${nonce}&cnonce=${own}&nc=${count}&response=${response}`;
}

function md5(text: string): Buffer {
  return createHash('md5').update(text).digest();
}

function refused(message: string): AuthStep {
  return { kind: 'refused', message };
}
