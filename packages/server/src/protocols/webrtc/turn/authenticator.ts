import { randomBytes } from 'node:crypto';
import type { TurnUser } from './allocation.ts';
import type { TurnClient } from './client.ts';
import type { TurnCredentials } from './credentials.ts';
import type { Nonces } from './nonces.ts';
import { PASSWORD_ALGORITHM, type TurnErrorCode } from './wire/constants.ts';
import { type IntegrityKey, isIntegrityRight, longTermKey } from './wire/integrity.ts';
import type { TurnMessage } from './wire/read.ts';

/** Who has sent a request, and with what its answer is signed. */
export interface Authenticated {
  readonly user: TurnUser;
  readonly key: IntegrityKey;
}

/** PASSWORD-ALGORITHMS (RFC 8489 §14.11): SHA-256, then MD5, both without parameters. */
export const OFFERED_ALGORITHMS = Buffer.from([0, PASSWORD_ALGORITHM.sha256, 0, 0, 0, PASSWORD_ALGORITHM.md5, 0, 0]);

/** Checks long-term credentials as RFC 8489 §9.2.4 says. */
export class Authenticator {
  readonly realm: string;
  readonly #credentials: TurnCredentials;
  readonly #nonces: Nonces;
  readonly #unixMs: () => number;
  /** Checked for names that are unknown, so that these take no less time. */
  readonly #nobody: TurnUser = { username: '', password: randomBytes(16).toString('hex') };

  constructor(deps: {
    readonly realm: string;
    readonly credentials: TurnCredentials;
    readonly nonces: Nonces;
    /** Milliseconds since 1970. */
    readonly unixMs: () => number;
  }) {
    this.realm = deps.realm;
    this.#credentials = deps.credentials;
    this.#nonces = deps.nonces;
    this.#unixMs = deps.unixMs;
  }

  /** A nonce for that client, to be told with 401 and 438. */
  nonceFor(client: TurnClient, nowMs: number): string {
    return this.#nonces.issue(client, nowMs);
  }

  /** The sender of a request; or the error that it gets. */
  check(message: TurnMessage, client: TurnClient, nowMs: number): Authenticated | TurnErrorCode {
    const { username, realm, nonce, integrity } = message;
    if (integrity === undefined) return 401;
    if (username === undefined || realm === undefined || nonce === undefined) return 400;
    if (!this.#nonces.isGood(nonce, client, nowMs)) return 438;
    const algorithm = algorithmOf(message);
    if (algorithm === undefined) return 400;
    const known = this.#userOf(username, client);
    const { password } = known ?? this.#nobody;
    const key = longTermKey(algorithm, { username, realm: this.realm, password });
    if (!isIntegrityRight(message, key) || known === undefined || realm !== this.realm) return 401;
    return { user: known, key: { algorithm: integrity.algorithm, key } };
  }

  /** The user of an allocation stays one, so that who watches for longer than a name is good is not cut off. */
  #userOf(username: string, { allocation }: TurnClient): TurnUser | undefined {
    if (allocation?.user.username === username) return allocation.user;
    const password = this.#credentials.passwordOf(username, this.#unixMs());
    return password === undefined ? undefined : { username, password };
  }
}

/** By which a request's password is hashed; undefined when it does not say so as RFC 8489 §9.2.4 has it. */
function algorithmOf({ passwordAlgorithm, passwordAlgorithms }: TurnMessage): number | undefined {
  if (passwordAlgorithm === undefined && passwordAlgorithms === undefined) return PASSWORD_ALGORITHM.md5;
  // Somebody on the way has taken the better ones out of what we offered.
  if (passwordAlgorithms?.equals(OFFERED_ALGORITHMS) !== true) return undefined;
  return Object.values<number | undefined>(PASSWORD_ALGORITHM).includes(passwordAlgorithm)
    ? passwordAlgorithm
    : undefined;
}
