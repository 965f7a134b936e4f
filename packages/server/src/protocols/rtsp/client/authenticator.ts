import { createHash, randomBytes } from 'node:crypto';
import { type Authentication, parseAuthentications, writeAuthentication } from '../wire/authentication.ts';
import type { RtspCredentials } from './url.ts';

/** What a request is signed with. */
export interface SignedRequest {
  readonly method: string;
  readonly uri: string;
  readonly body: string;
}

type Hash = 'md5' | 'sha256';

/** Algorithms of RFC 7616 §3.3 that are answered; strongest first. */
const ALGORITHMS: readonly { readonly name: string; readonly hash: Hash; readonly session: boolean }[] = [
  { name: 'SHA-256-SESS', hash: 'sha256', session: true },
  { name: 'SHA-256', hash: 'sha256', session: false },
  { name: 'MD5-SESS', hash: 'md5', session: true },
  { name: 'MD5', hash: 'md5', session: false },
];

interface Digest {
  readonly realm: string;
  readonly opaque: string | undefined;
  /** As the server wrote it; undefined when it named none, which is MD5. */
  readonly algorithm: string | undefined;
  readonly hash: Hash;
  readonly session: boolean;
  /** Undefined for servers of RFC 2069. */
  readonly qop: 'auth' | 'auth-int' | undefined;
  nonce: string;
  nonceCount: number;
}

/** What becomes of a 401: ask again, or give up because there is nothing (more) to answer with. */
export type ChallengeOutcome = 'again' | 'no-credentials' | 'refused' | 'unsupported';

/**
 * Signs requests for a server that asks for it: Digest with MD5 or SHA-256, with `qop` or without, and Basic (RFC 7616,
 * RFC 7617). Of several challenges the strongest is answered.
 */
export class Authenticator {
  readonly #credentials: RtspCredentials | undefined;
  #scheme: Digest | 'basic' | undefined;
  /** Requests have been signed and let through since the last challenge. */
  #accepted = false;

  constructor(credentials: RtspCredentials | undefined) {
    this.#credentials = credentials;
  }

  /** Takes the `WWW-Authenticate` headers of a 401. */
  challenge(headers: readonly string[]): ChallengeOutcome {
    if (this.#credentials === undefined) return 'no-credentials';
    const challenges = headers.flatMap((header) => parseAuthentications(header));
    const digest = strongest(challenges);
    const before = this.#scheme;
    if (digest === undefined) {
      if (!challenges.some(({ scheme }) => scheme === 'basic')) return 'unsupported';
      this.#scheme = 'basic';
      return before === 'basic' ? 'refused' : 'again';
    }
    // A nonce that ran out: servers say so by `stale`, cameras mostly just by another nonce.
    const outdated = digest.stale || this.#accepted;
    this.#accepted = false;
    const again = typeof before !== 'object' || (outdated && before.nonce !== digest.value.nonce);
    this.#scheme = digest.value;
    return again ? 'again' : 'refused';
  }

  /** A signed request was not answered with 401. `info` is its `Authentication-Info`, which may bring the next nonce. */
  accepted(info: string | undefined): void {
    this.#accepted = true;
    if (info === undefined || typeof this.#scheme !== 'object') return;
    const next = parseAuthentications(`info ${info}`)[0]?.parameters.get('nextnonce');
    if (next === undefined || next === '' || next === this.#scheme.nonce) return;
    this.#scheme.nonce = next;
    this.#scheme.nonceCount = 0;
  }

  /** Value of `Authorization`; undefined while nobody asked for it. */
  authorization(request: SignedRequest): string | undefined {
    if (this.#credentials === undefined || this.#scheme === undefined) return undefined;
    const { user, password } = this.#credentials;
    if (this.#scheme === 'basic') return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    return answer(this.#scheme, this.#credentials, request);
  }
}

function strongest(
  challenges: readonly Authentication[],
): { readonly value: Digest; readonly stale: boolean } | undefined {
  const digests = challenges.filter(({ scheme, parameters }) => scheme === 'digest' && parameters.has('nonce'));
  for (const { name, hash, session } of ALGORITHMS) {
    const found = digests.find(({ parameters }) => (parameters.get('algorithm') ?? 'MD5').toUpperCase() === name);
    if (found === undefined) continue;
    const { parameters } = found;
    const offered = (parameters.get('qop') ?? '').toLowerCase().split(/[\s,]+/);
    const value: Digest = {
      realm: parameters.get('realm') ?? '',
      opaque: parameters.get('opaque'),
      algorithm: parameters.get('algorithm'),
      hash,
      session,
      qop: offered.includes('auth') ? 'auth' : offered.includes('auth-int') ? 'auth-int' : undefined,
      nonce: parameters.get('nonce') ?? '',
      nonceCount: 0,
    };
    return { value, stale: parameters.get('stale')?.toLowerCase() === 'true' };
  }
  return undefined;
}

/** RFC 7616 §3.4 */
function answer(digest: Digest, { user, password }: RtspCredentials, { method, uri, body }: SignedRequest): string {
  const { realm, nonce, qop, opaque, algorithm } = digest;
  const hash = (text: string): string => createHash(digest.hash).update(text).digest('hex');
  const cnonce = randomBytes(8).toString('hex');
  const nc = (++digest.nonceCount).toString(16).padStart(8, '0');
  const secret = hash(`${user}:${realm}:${password}`);
  const a1 = digest.session ? hash(`${secret}:${nonce}:${cnonce}`) : secret;
  const a2 = hash(qop === 'auth-int' ? `${method}:${uri}:${hash(body)}` : `${method}:${uri}`);
  const response = hash(qop === undefined ? `${a1}:${nonce}:${a2}` : `${a1}:${nonce}:${nc}:${cnonce}:${qop}:${a2}`);
  return writeAuthentication('Digest', {
    username: user,
    realm,
    nonce,
    uri,
    response,
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(opaque === undefined ? {} : { opaque }),
    ...(qop === undefined ? {} : { qop, nc }),
    ...(qop !== undefined || digest.session ? { cnonce } : {}),
  });
}
