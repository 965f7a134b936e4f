import { createHmac, randomBytes } from 'node:crypto';
import { type Counters, type Log, MediaServerError } from '../../core/index.ts';
import { RateLimiter } from '../../io/index.ts';
import { AttemptLimiter } from './attempt-limiter.ts';
import { HashingBusyError, verifyPassword } from './password-hash.ts';
import type { UserStore } from './users.ts';
import type { StoredUser } from './users-file.ts';

/** A name and a password that somebody shows. */
export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** The outcome: the user, that they are wrong, or that it must be tried again later. */
export type CheckOutcome = StoredUser | 'wrong' | { readonly waitMs: number };

const REMEMBER_MS = 5 * 60_000;
const MAX_REMEMBERED = 256;
const BUSY_WAIT_MS = 1000;
/** Compared with when there is no such user, so that the time of an answer does not tell. Nobody knows its password. */
const NOBODY = `scrypt$ln=15,r=8,p=1$${randomBytes(16).toString('base64url')}$${randomBytes(32).toString('base64url')}`;

interface Remembered {
  readonly passwordHash: string;
  readonly untilMs: number;
}

/**
 * Checks names and passwords, slowly for who guesses and fast for who is known: REST clients send theirs with each
 * call, so those that were right are remembered for five minutes, by a keyed hash, as long as the user stays as he is.
 */
export class PasswordCheck {
  readonly #users: UserStore;
  readonly #log: Log;
  readonly #counters: Counters;
  readonly #limiter: AttemptLimiter;
  readonly #now: () => number;
  readonly #logLimit = new RateLimiter(2);
  readonly #key = randomBytes(32);
  readonly #remembered = new Map<string, Remembered>();
  /** Checks under way, by credentials and address: the first calls of a client often come together. */
  readonly #running = new Map<string, Promise<CheckOutcome>>();

  constructor(deps: {
    readonly users: UserStore;
    readonly log: Log;
    readonly counters: Counters;
    readonly limiter?: AttemptLimiter | undefined;
    readonly now?: (() => number) | undefined;
  }) {
    this.#users = deps.users;
    this.#log = deps.log;
    this.#counters = deps.counters;
    this.#now = deps.now ?? (() => performance.now());
    this.#limiter = deps.limiter ?? new AttemptLimiter();
  }

  async check(credentials: Credentials, address: string): Promise<CheckOutcome> {
    const id = this.#idOf(credentials);
    const user = await this.#users.find(credentials.name);
    if (user !== undefined && this.#isRemembered(id, user)) return user;
    const key = `${id} ${address}`;
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#verify(credentials, user, { id, address }).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  async #verify(
    { password }: Credentials,
    user: StoredUser | undefined,
    { id, address }: { readonly id: string; readonly address: string },
  ): Promise<CheckOutcome> {
    const attempt = this.#limiter.begin(address);
    if (typeof attempt === 'number') {
      this.#counters.count('auth_slowed');
      return { waitMs: attempt };
    }
    let right: boolean;
    try {
      right = await verifyPassword(password, user?.passwordHash ?? NOBODY);
    } catch (error) {
      attempt.abandoned();
      if (!(error instanceof HashingBusyError)) throw error;
      this.#counters.count('auth_slowed');
      return { waitMs: BUSY_WAIT_MS };
    }
    if (!right || user?.active !== true) {
      attempt.failed();
      this.#tellFailure(user, address);
      return 'wrong';
    }
    attempt.succeeded();
    this.#remember(id, user);
    return user;
  }

  #isRemembered(id: string, user: StoredUser): boolean {
    const known = this.#remembered.get(id);
    return (
      known !== undefined && user.active && known.passwordHash === user.passwordHash && known.untilMs > this.#now()
    );
  }

  #remember(id: string, { passwordHash }: StoredUser): void {
    this.#remembered.delete(id);
    this.#remembered.set(id, { passwordHash, untilMs: this.#now() + REMEMBER_MS });
    const oldest = this.#remembered.keys().next().value;
    if (this.#remembered.size > MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest);
  }

  #tellFailure(user: StoredUser | undefined, remoteAddress: string): void {
    this.#counters.count('auth_failed');
    const suppressed = this.#logLimit.take();
    // A name that nobody has may be a password in the wrong field.
    const name = user?.name ?? '(unknown)';
    if (suppressed >= 0) this.#log.warn({ user: name, remoteAddress, suppressed }, 'a wrong user name or password');
  }

  #idOf({ name, password }: Credentials): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([name, password]))
      .digest('base64url');
  }
}

/** What somebody is answered who must wait. */
export function tooManyAttempts(waitMs: number): MediaServerError {
  const seconds = Math.ceil(waitMs / 1000);
  return new MediaServerError('TOO_MANY_ATTEMPTS', `too many failed attempts: wait ${seconds} s and try again`);
}
